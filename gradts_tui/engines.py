"""What is asked of engines: commands through the inbox, whose answers come as events, and starting one. Each is done in a thread,
since disks may be slow and an engine takes seconds to begin; what comes of it is posted, so that the app's thread alone keeps
it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from gradts_engine.errors import GradTSError
from gradts_engine.runtime.detach import launch
from gradts_engine.runtime.inbox import send
from gradts_engine.runtime.store import RunFolder
from gradts_tui.messages import Attach, Send

Post = Callable[[Message], object]


class Sent(Message):
    """A command is in the inbox, or `problem` says why it is not."""

    def __init__(self, sent: Send, problem: str = "") -> None:
        super().__init__()
        self.sent = sent
        self.problem = problem


class Starting(Message):
    """A line of an engine's that begins; empty once it has begun, or could not: `problem` says why."""

    def __init__(self, line: str, problem: str = "") -> None:
        super().__init__()
        self.line = line
        self.problem = problem


def deliver(message: Send, post: Post) -> None:
    """Put a command into its run's inbox."""
    try:
        send(RunFolder(message.run.path).inbox, message.command)
    except (GradTSError, OSError) as error:
        post(Sent(message, f"{message.words}: not sent: {error}"))
    else:
        post(Sent(message))


def begin(config: Path, store: Path, post: Post) -> None:
    """Start a detached engine, and attach to its run."""

    def say(line: str) -> None:
        """What it prints while it begins."""
        if line.strip():
            post(Starting(line.strip()))

    try:
        launched = launch(config, store, say=say)
    except (GradTSError, OSError) as error:
        post(Starting("", str(error)))
    else:
        post(Starting(""))
        post(Attach(launched.run))
