"""The commands of `gradts-engine`: arguments in, one call into the engine, output out. Heavy imports wait inside the commands."""

from gradts_engine.cli import (
    data,
    demo,
    engine,
    files,
    follow,
    init,
    keep,
    listings,
    look,
    page,
    plan,
    predict,
    published,
    run,
    study,
)
from gradts_engine.cli.base import cli
from gradts_engine.cli.completing import completion

__all__ = [
    "cli",
    "data",
    "demo",
    "engine",
    "files",
    "follow",
    "init",
    "keep",
    "listings",
    "look",
    "page",
    "plan",
    "predict",
    "published",
    "run",
    "study",
]

cli.add_command(completion)
