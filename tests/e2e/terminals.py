"""Terminals for tests: a pane of tmux, and a bare line."""

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

TMUX = shutil.which("tmux")
PROGRAM = str(Path(sys.executable).with_name("gradts-tui"))


def until(holds: Callable[[], object], seconds: float = 30) -> bool:
    """Whether something holds in time. Who waits longer looks less often: what is waited for needs the processor."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(1.3 * pause, 0.4)
    return bool(held)


class Terminal:
    """A pane of a tmux server of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"gradts-{uuid4().hex[:8]}"

    def tmux(self, *arguments: str) -> str:
        command = [str(TMUX), "-u", "-L", self.name, "-f", "/dev/null", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=self.folder)
        return done.stdout

    def start(self, *arguments: str, size: tuple[int, int] = (100, 30), **environment: str) -> None:
        config = {"XDG_CONFIG_HOME": str(self.folder / "config"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        settings = {"OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "TERM": "tmux-256color", **config, **environment}
        program = ["env", *(f"{name}={value}" for name, value in settings.items()), PROGRAM, *arguments]
        self.tmux("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *program)

    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def wait(self, *words: str, seconds: float = 180) -> str:
        """Until all words are on the screen."""
        seen = ""

        def there() -> bool:
            nonlocal seen
            seen = self.text()
            return all(word in seen for word in words)

        assert until(there, seconds), f"no {words}:\n{seen}"
        return seen

    def gone(self, seconds: float = 20) -> bool:
        """Whether the program has ended, and the pane with it."""
        return until(lambda: not self.tmux("list-panes"), seconds)

    def kill(self) -> None:
        self.tmux("kill-server")


class Line:
    """The UI on a bare line (a pseudo-terminal), of which no terminal answers."""

    def __init__(self, *command: str, before: Callable[[], object] | None = None) -> None:
        self.end, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True, preexec_fn=before
        )
        os.close(inner)
        self.seen = b""

    def wait(self, words: bytes, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen[-2000:]
            if select.select([self.end], [], [], 0.2)[0]:
                self.seen += os.read(self.end, 1 << 16)

    def ended(self, seconds: float = 20) -> int:
        """The exit code, while what is drawn goes nowhere."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if select.select([self.end], [], [], 0.1)[0]:
                    self.seen += os.read(self.end, 1 << 16)
            except (OSError, ValueError):
                time.sleep(0.1)
        return self.process.wait(timeout=0.1)
