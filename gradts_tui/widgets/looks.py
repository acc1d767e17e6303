"""How states look: a mark, a word and a colour of the theme each, so that they read without colour."""

from __future__ import annotations

from rich.text import Text
from textual.app import App

STATES = {
    "starting": ("○", "starting", "text-accent"),
    "running": ("●", "running", "text-success"),
    "waiting": ("◆", "waits for you", "text-warning"),
    "paused": ("=", "paused", "text-warning"),
    "done": ("✓", "done", "text-success"),
    "cached": ("✓", "found", "text-success"),
    "not needed": ("✓", "not needed", "text-success"),
    "failed": ("✗", "failed", "text-error"),
    "interrupted": ("-", "interrupted", "text-warning"),
    "cancelled": ("-", "stopped", "text-warning"),
    "stopped": ("-", "stopped", "text-warning"),
    "died": ("✗", "engine died", "text-error"),
    "unreadable": ("✗", "unreadable", "text-error"),
    "to do": ("·", "to do", "text-muted"),
}


def colour(app: App[object], name: str) -> str:
    """A colour of the theme, as rich takes it; empty where the terminal gives it."""
    variables = app.theme_variables
    value = variables.get(name, "")
    fallback = {"text-success": "success", "text-warning": "warning", "text-error": "error", "text-accent": "accent"}
    if not value.startswith("#") and name in fallback:
        value = variables.get(fallback[name], "")
    if not value.startswith("#"):
        return ""
    return value[:7]


def look(app: App[object], state: str, *, word: bool = True) -> Text:
    """Mark and word of a state in its colour."""
    mark, name, ink = STATES.get(state, ("?", state, "text-muted"))
    style = "dim" if ink == "text-muted" else f"bold {colour(app, ink)}".strip()
    return Text(f"{mark} {name}" if word else mark, style)
