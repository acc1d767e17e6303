"""The commands of `gradts-engine`: arguments in, one call into the engine, output out. Heavy imports wait inside the commands."""

from gradts_engine.cli import (
    completion,
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
    "simulated",
