"""The UI in a real terminal, over real engines that run by themselves."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gradts_tui.reader import Reader

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")
PROGRAM = str(Path(sys.executable).with_name("gradts-tui"))


def until(holds: Callable[[], object], seconds: float = 30) -> bool:
    """Whether something holds in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
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
        assert until(lambda: all(word in self.text() for word in words), seconds), f"no {words}:\n{self.text()}"
        return self.text()

    def gone(self, seconds: float = 20) -> bool:
        """Whether the program has ended, and the pane with it."""
        return until(lambda: not self.tmux("list-panes"), seconds)

    def kill(self) -> None:
        self.tmux("kill-server")


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    found = Terminal(folder)
    yield found
    found.kill()


@pytest.fixture
def engines(place) -> Iterator[None]:
    """No engine outlives its test."""
    yield
    for run in place.store.runs():
        if run.engine():
            place("cancel", run.id)
    assert until(lambda: not any(run.engine() for run in place.store.runs()), 60)


def test_two_terminals_from_tasks_toml_to_the_final_model(slow, terminal, engines, folder):
    """What one does the other shows; a proposal is edited, and decided once; nothing waits in memory."""
    slow.settings["selection"]["confirm"] = "ask"
    slow.write()
    other = Terminal(folder)
    try:
        terminal.start(str(slow.config))
        terminal.wait("encoder", "mood", "reading the data")
        terminal.wait("Enter starts an engine", "trials: at most 4", "36")
        terminal.press("Enter")
        terminal.wait("● running", "Tune each task alone")
        run = slow.latest
        other.start(run.id, "--store", str(slow.store.root), size=(80, 24))
        other.wait("● running")
        other.press("p")
        terminal.wait("= paused", "press p to go on")
        terminal.press("p")
        other.wait("● running")
        for each in (terminal, other):
            each.wait("waits for you", "press 4")
            each.press("4")
            each.wait("candidate", "pair", "stars", "tags")
        assert run.engine() == ""
        before = run.view().proposals["mood"]
        other.press("Enter")
        other.wait("Train mood like this?")
        terminal.press("Down", "Down", "Space")  # an edit: the third candidate, in or out
        terminal.wait("against the proposal")
        terminal.press("Enter")
        terminal.wait("Train mood like this?", "against the proposal")
        terminal.press("Enter")
        for each in (terminal, other):
            each.wait("✓ done")
        other.press("Enter")
        other.wait("Not sent: it was confirmed")
        view = run.view()
        assert view.confirmations["mood"].by == "person"
        assert set(view.confirmations["mood"].auxiliaries) != set(before.auxiliaries)
        assert sum(line.text.startswith("confirmed") for line in Reader(slow.store).look().runs[0].log) == 1
        assert (run.models / "mood" / "config.json").exists()
        terminal.press("5")
        terminal.wait("tasks, each tuned alone", "mood")
        terminal.press("q")
        assert terminal.gone()
    finally:
        other.kill()


def test_neither_leaving_nor_a_lost_pane_ends_the_engine(slow, terminal, engines):
    """Only X does."""
    slow.settings["training"]["epochs"] = 60
    slow.write()
    terminal.start(str(slow.config), size=(80, 24))
    terminal.wait("reading the data")
    terminal.press("Enter")
    terminal.wait("● running", "%")
    run = slow.latest
    for leave in (lambda: terminal.press("q"), terminal.kill):  # the latter is SIGHUP to everything in the pane
        leave()
        assert terminal.gone()
        seen = run.view().last
        assert until(lambda seen=seen: run.view().last > seen)
        assert run.engine()
        terminal.start(run.id, "--store", str(slow.store.root), size=(80, 24))
        terminal.wait("● running", "Tune each task alone")
    terminal.tmux("resize-window", "-x", "50", "-y", "12")
    terminal.wait("too small")
    terminal.tmux("resize-window", "-x", "140", "-y", "40")
    terminal.wait("Tune each task alone", "loss")
    terminal.press("X")
    terminal.wait("Stop this run?")
    terminal.press("y")
    terminal.wait("stopped", "press c to go on")
    assert not run.engine()
    assert run.view().state == "cancelled"


def test_terminals_without_utf8_and_with_16_colours(ran, terminal):
    run = ran.latest
    terminal.start(run.id, "--store", str(ran.store.root), LC_ALL="C", TERM="xterm-16color", COLORTERM="")
    text = terminal.wait("Y done", "Tune each task alone")
    assert text.isascii()
    terminal.press("2")
    text = terminal.wait("layer", "mood")
    assert text.isascii()
    coloured = terminal.tmux("capture-pane", "-p", "-e")
    assert "38;2;" not in coloured
    assert "38;5;" not in coloured
    terminal.press("6")
    assert terminal.wait("run done").isascii()


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TEXTUAL_COLOR_SYSTEM": "truecolor"}])
def test_every_cell_of_a_map_has_its_digits(ran, terminal, variable):
    terminal.start(ran.latest.id, "--store", str(ran.store.root), **variable)
    terminal.wait("✓ done")
    terminal.press("2")
    text = terminal.wait("layer", "head 0")
    rows = re.findall(r"^ *[01] +((?:[.\d]+ +){3}[.\d]+)", text, re.MULTILINE)
    assert len(rows) == 2, text


def test_a_file_is_edited_in_place_of_the_ui(place, terminal, folder):
    place.write()
    good = place.config.read_text()
    place.config.write_text(good.replace("[run]", "[rum]", 1))
    (folder / "good.toml").write_text(good)
    terminal.start(str(place.config), EDITOR=f"cp {folder / 'good.toml'}")
    terminal.wait("cannot run yet")
    terminal.press("e")
    terminal.wait("reading the data")
    terminal.press("q")
    assert terminal.gone()


def test_a_new_run_is_asked_for_in_this_folder(terminal, folder, tmp_path):
    for name in ("mood-train", "mood-dev", "topic-train", "topic-dev"):
        rows = [{"text": f"{name} {word} {i}", "label": word} for word in ("good", "bad") for i in range(8)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    terminal.start(XDG_CONFIG_HOME=str(tmp_path))
    terminal.wait("No runs in")
    terminal.press("n")
    terminal.wait("Which task is to be improved?")
    terminal.press("mood", "Enter")
    terminal.wait("Encoder (")
    terminal.press("Enter")
    terminal.wait("Budget (")
    terminal.press("quick", "Enter")
    terminal.wait("primary", "mood", "reading the data")
    assert (folder / "tasks.toml").exists()
    terminal.press("q")
    assert terminal.gone()


def test_the_same_messages_as_the_command_line(place, terminal):
    place.config.write_text('[run]\nencoder = "minilm-l6"\nsede = 1\n')
    expected = place.run().err.strip().partition(" ")[2]
    terminal.start(str(place.config), size=(140, 30))
    terminal.wait("cannot run yet", "tasks.toml:3: run.sede: unknown key 'sede'", "press k")
    assert expected.split(": ")[-1] in " ".join(terminal.text().split())
    place.write()
    terminal.press("k")
    terminal.wait("mood")
    terminal.press("q")
    assert terminal.gone()


@pytest.mark.parametrize(("term", "words"), [("dumb", "terminal of type 'dumb'"), ("xterm", "needs a terminal")])
def test_where_nothing_can_be_drawn(folder, term, words):
    done = subprocess.run(
        [PROGRAM] if term == "xterm" else ["script", "-qec", PROGRAM, "/dev/null"],
        env=os.environ | {"TERM": term},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert words in said
    assert "gradts-engine run tasks.toml" in said
    assert "Traceback" not in said


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


def test_a_terminal_that_is_gone_ends_the_ui_even_where_hangups_are_ignored(ran):
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    line = Line(PROGRAM, ran.latest.id, "--store", str(ran.store.root), before=ignore)
    line.wait(b"Final models")
    os.close(line.end)
    line.end = -1
    assert line.ended() == 129


def test_bytes_that_are_no_text_hurt_nobody(ran):
    line = Line(PROGRAM, ran.latest.id, "--store", str(ran.store.root))
    line.wait(b"Final models")
    os.write(line.end, b"\xff\xc3(\x806")
    line.wait(b"following")  # the log, on key 6
    os.write(line.end, b"q")
    assert line.ended() == 0


CRASH = """
import sys
from gradts_tui.__main__ import main
from gradts_tui.app import GradTS
def fail(app):
    raise RuntimeError("a bug")
GradTS.action_help = fail
sys.exit(main(sys.argv[1:]))
"""


def test_a_crash_is_no_success(ran):
    line = Line(sys.executable, "-c", CRASH, ran.latest.id, "--store", str(ran.store.root))
    line.wait(b"Final models")
    os.write(line.end, b"?")
    assert line.ended() == 1
    assert b"a bug" in line.seen
