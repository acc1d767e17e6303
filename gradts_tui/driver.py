"""Terminals as they are: bytes that are no text, lines that go dead, and some that know ASCII alone."""

from __future__ import annotations

import locale
import os
import selectors
from codecs import getincrementaldecoder
from typing import Any

from rich.cells import cell_len
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

CHUNK = 4096
"""Most bytes that are read at once."""
HUNG_UP = 129
"""Exit code where the terminal is gone, as a shell reports SIGHUP."""


class TerminalDriver(LinuxDriver):
    """Textual's own, but what is not UTF-8 is replaced, and the end of the terminal ends the app, which would else ask it for
    input for ever where SIGHUP is ignored."""

    def run_input_thread(self) -> None:
        """Read keys until the app is left, or the terminal is gone."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")(errors="replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    if not (read := self.read()):
                        self._app.call_later(self._app.exit, return_code=HUNG_UP)
                        return
                    for event in parser.feed(decode(read)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)

    def read(self) -> bytes:
        """What was typed; nothing where the terminal is gone."""
        try:
            return os.read(self.fileno, CHUNK)
        except OSError:
            return b""


BRAILLE = range(0x2800, 0x2900)
UPPER, LOWER = 0x1B, 0xE4
"""The dots of a braille character, as bits of its place, that lie in the upper half of its cell, and in the lower one."""

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
    "v": "▾▼",
    "^": "▴▲",
    "~": "±",
    "Y": "✓",
    "x": "✗",
    ">": "▸▶›",
    "<": "◂◀‹",
    ".": "·…",
    '"': "“”",
    "'": "‘’",
}


class Ascii(dict[int, str]):
    """For `str.translate`."""

    def __init__(self) -> None:
        super().__init__({ord(c): plain for plain, glyphs in GLYPHS.items() for c in glyphs})

    def __missing__(self, code: int) -> str:
        if code in BRAILLE:
            self[code] = {(True, False): "'", (False, True): ".", (True, True): ":"}.get(
                (bool(code & UPPER), bool(code & LOWER)), " "
            )
        else:
            self[code] = chr(code) if code < 128 else "?" * cell_len(chr(code))
        return self[code]


def driver(base: type[Driver], plain: bool) -> type[Driver]:
    """What to use in place of a driver of Textual's; `plain`: it writes ASCII alone."""
    if base is LinuxDriver:
        base = TerminalDriver
    return ascii_driver(base) if plain else base


def ascii_driver(base: type[Driver]) -> type[Driver]:
    """A driver that writes as `base` does, in ASCII: every other character becomes one or two of the same width."""

    class AsciiDriver(base):  # type: ignore[misc, valid-type]  # a class that is known only now
        table = Ascii()

        def write(self, data: str) -> Any:
            """Write it in ASCII."""
            return super().write(data.translate(self.table))

    return AsciiDriver


def utf8() -> bool:
    """Whether the locale says that the terminal reads UTF-8."""
    return locale.getencoding().lower().replace("-", "") == "utf8"
