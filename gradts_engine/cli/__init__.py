"""The commands of `gradts-engine`: arguments in, one call into the engine, output out. Heavy imports wait inside the commands."""

from gradts_engine.cli import engine, files, init, look, page, plan, published, run, study
from gradts_engine.cli.base import cli

__all__ = ["cli", "engine", "files", "init", "look", "page", "plan", "published", "run", "study"]
