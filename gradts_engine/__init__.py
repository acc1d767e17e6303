"""GradTS: which other tasks should I train with? The engine. Import what you need from its modules; importing this is free."""

from gradts_engine.hooks.specs import hookimpl

__all__ = ["hookimpl"]
__version__ = "0.1.0"
