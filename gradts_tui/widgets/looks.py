"""How states look: a mark, a word and a colour of the theme each, so that they read without colour."""

from __future__ import annotations

from itertools import accumulate

from rich.color import Color, ColorType
from rich.style import Style
from rich.text import Span, Text
from textual.app import App

from gradts_engine.printing import printable

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


def harmless(text: Text) -> Text:
    """With every line of it `printable`: Textual sends control characters to the terminal as they are."""
    if text.plain.replace("\n", "").isprintable():
        return text
    shown = [c if c == "\n" else printable(c) for c in text.plain]
    at = [0, *accumulate(map(len, shown))]
    spans = [Span(at[span.start], at[min(span.end, len(shown))], span.style) for span in text.spans]
    return Text("".join(shown), text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, spans=spans)


def themed(app: App[object], text: Text) -> Text:
    """With the theme's own colours in place of `green`, `red`, `yellow` and `blue`: Textual takes these for the ones of CSS."""

    def own(style: str | Style) -> Style:
        """A style with such a colour replaced."""
        style = Style.parse(style) if isinstance(style, str) else style
        if style.color is None or style.color.type is not ColorType.STANDARD:
            return style
        return style + Style(color=Color.from_triplet(style.color.get_truecolor(app.ansi_theme)))

    spans = [Span(span.start, span.end, own(span.style)) for span in text.spans]
    return Text(text.plain, own(text.style), justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, spans=spans)
