"""Drawing on terminals that know ASCII alone: every other character becomes one or two that they have, of the same width."""

from __future__ import annotations

import locale
from typing import Any

from rich.cells import cell_len
from textual.driver import Driver

GLYPHS = {
    "-": "─━═╌┄▔▀⎺",
    "|": "│┃▌▐▍▎▏▕▋▊▉",
    "+": "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛",
    "_": "▁▂",
    "=": "▃▄▅",
    "#": "█▆▇▓▒░",
    "*": "●•",
    "!": "◆",
    "o": "○◌",
    "v": "✓▾▼",
    "x": "✗",
    ">": "▸▶›",
    "<": "◂◀‹⏎",
    ".": "·…",
    '"': "“”",
    "'": "‘’",
}


class Ascii(dict[int, str]):
    """For `str.translate`."""

    def __init__(self) -> None:
        super().__init__({ord(c): plain for plain, glyphs in GLYPHS.items() for c in glyphs})

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if code < 128 else "?" * cell_len(chr(code))
        return self[code]


def ascii_driver(base: type[Driver]) -> type[Driver]:
    """A driver that writes as `base` does, in ASCII."""

    class AsciiDriver(base):  # type: ignore[misc, valid-type]  # a class that is known only now
        table = Ascii()

        def write(self, data: str) -> Any:
            """Write it in ASCII."""
            return super().write(data.translate(self.table))

    return AsciiDriver


def utf8() -> bool:
    """Whether the locale says that the terminal reads UTF-8."""
    return locale.getencoding().lower().replace("-", "") == "utf8"
