"""What screens ask of the app. They post it and go on: who asks does not know who answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.message import Message

from gradts_engine.runtime.inbox import AnyCommand
from gradts_tui.state import RunState


class Attach(Message):
    """Look at a run."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class Start(Message):
    """Start an engine for a tasks.toml, and look at its run."""

    def __init__(self, config: Path) -> None:
        super().__init__()
        self.config = config


class Send(Message):
    """Put a command into a run's inbox; `words` name it in what is told of its answer. With `then_start`, an engine is started
    once it is there."""

    def __init__(self, run: RunState, command: AnyCommand, words: str, *, then_start: bool = False) -> None:
        super().__init__()
        self.run = run
        self.command = command
        self.words = words
        self.then_start = then_start


class Export(Message):
    """Have `write` make the file `name` in the folder that the UI was started in, and say where it is."""

    def __init__(self, name: str, write: Callable[[Path], object]) -> None:
        super().__init__()
        self.name = name
        self.write = write


class Copy(Message):
    """Copy what a screen says."""

    def __init__(self, page: str, text: str) -> None:
        super().__init__()
        self.page = page
        self.text = text


class Run(Message):
    """Run a program in this terminal, in place of the UI; `then` is called once it has ended well."""

    def __init__(self, command: Sequence[str], then: Callable[[], object]) -> None:
        super().__init__()
        self.command = command
        self.then = then


class Open(Message):
    """Check a tasks.toml and show what would run."""

    def __init__(self, config: Path) -> None:
        super().__init__()
        self.config = config


class Prefer(Message):
    """Remember choices of the user: fields of `Preferences`."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.changes = changes


class Complain(Message):
    """Say what went wrong, until it is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
