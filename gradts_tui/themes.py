"""The colours of the UI. All are of the palette of 256 colours (levels 00 5f 87 af d7 ff, and greys): it is what an SSH session
gives, which does not forward COLORTERM, and others would be changed there to what happens to be near."""

from __future__ import annotations

from rich.color import Color
from rich.terminal_theme import TerminalTheme
from textual.theme import Theme

DARK = Theme(
    name="dark",
    primary="#5fafff",
    secondary="#87afff",
    accent="#ffaf5f",
    success="#5fd787",
    warning="#ffd75f",
    error="#ff8787",
    foreground="#e4e4e4",
    background="#121212",
    surface="#1c1c1c",
    panel="#303030",
    dark=True,
    variables={
        "text-success": "#5fd787",
        "text-warning": "#ffd75f",
        "text-error": "#ff8787",
        "text-accent": "#ffaf5f",
        "warning-muted": "#5f5f00",
        "error-muted": "#5f0000",
        "block-cursor-background": "#005f87",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-blurred-background": "#303030",
        "block-cursor-blurred-foreground": "#e4e4e4",
    },
)
LIGHT = Theme(
    name="light",
    primary="#005faf",
    secondary="#005f87",
    accent="#875f00",
    success="#005f00",
    warning="#875f00",
    error="#af0000",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#eeeeee",
    panel="#dadada",
    dark=False,
    variables={
        "text-success": "#005f00",
        "text-warning": "#5f5f00",
        "text-error": "#af0000",
        "text-accent": "#5f5f00",
        "warning-muted": "#ffffaf",
        "error-muted": "#ffd7d7",
        "block-cursor-background": "#005faf",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-blurred-background": "#dadada",
        "block-cursor-blurred-foreground": "#1c1c1c",
    },
)
HIGH_CONTRAST = Theme(
    name="high-contrast",
    primary="#ffff00",
    secondary="#00ffff",
    accent="#ffff00",
    success="#5fff5f",
    warning="#ffff00",
    error="#ff8787",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    dark=True,
    variables={
        "text-success": "#5fff5f",
        "text-warning": "#ffff00",
        "text-error": "#ff8787",
        "text-accent": "#ffff00",
        "warning-muted": "#5f5f00",
        "error-muted": "#5f0000",
        "block-cursor-background": "#ffff00",
        "block-cursor-foreground": "#000000",
        "block-cursor-blurred-background": "#303030",
        "block-cursor-blurred-foreground": "#ffffff",
    },
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, HIGH_CONTRAST)}
"""In the order in which `t` goes through them."""


def ansi(theme: Theme) -> TerminalTheme:
    """The names of colours that tables are written with (`green`, `red`, `yellow`), in the colours of a theme."""

    def rgb(colour: str) -> tuple[int, int, int]:
        """The parts of a colour."""
        return tuple(Color.parse(colour).get_truecolor())  # type: ignore[return-value]  # a triplet

    variables, plain = theme.variables, str(theme.foreground)
    names = [plain, *(variables.get(f"text-{ink}", plain) for ink in ("error", "success", "warning"))]
    colours = [rgb(name) for name in (*names, theme.primary, theme.accent or plain, theme.secondary or plain, plain)]
    return TerminalTheme(rgb(str(theme.background)), rgb(plain), colours, colours)
