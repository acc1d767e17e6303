"""A person is asked at the terminal of a run, and the terminal goes away, or the decision is made elsewhere meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from gradts_engine import events
from tests.e2e.terminals import Line, until

ENGINE = (sys.executable, "-m", "gradts_engine")
OWN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
"""Has the line as its controlling terminal, as a shell has one."""

Start = Callable[..., Line]


@pytest.fixture
def asking(ran) -> Iterator[Start]:
    """`ran`, which now asks, of two primaries; starts a command on a line."""
    ran.settings["selection"] = {"confirm": "ask", "strategy": "none"}
    ran.settings["run"]["primary"] = ["mood", "tags"]
    ran.write()
    lines = []

    def start(*command: str, slow: bool = False) -> Line:
        if slow:  # one primary is asked about while the other is being tried
            ran.settings["selection"]["strategy"] = "trial"
            ran.settings["multitask"]["steps"] = 150
            ran.write()
        lines.append(Line(sys.executable, "-c", OWN, "env", "OMP_NUM_THREADS=1", *command))
        return lines[-1]

    yield start
    for line in lines:
        if line.end >= 0:
            os.close(line.end)
        with suppress(ProcessLookupError):
            os.killpg(line.process.pid, signal.SIGKILL)
        line.process.wait()


@pytest.fixture
def one(ran, asking) -> Start:
    """`asking` of one primary."""
    ran.settings["run"]["primary"] = ["mood"]
    ran.write()
    return asking


def run(ran) -> tuple[str, ...]:
    return (*ENGINE, "run", str(ran.config), "--store", str(ran.store.root))


def asked(line: Line) -> tuple[str, str]:
    """The primary that is asked about first, and the other."""
    line.wait(b" as proposed? ")
    return ("mood", "tags") if b"Train mood as" in line.seen else ("tags", "mood")


def hang_up(line: Line) -> None:
    os.close(line.end)
    line.end = -1


def confirmed(ran) -> dict[str, list[str]]:
    """Auxiliaries by primary that was decided on."""
    return {primary: list(decision.auxiliaries) for primary, decision in ran.latest.view().confirmations.items()}


@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["bars", "plain"])
def test_a_terminal_that_goes_away_has_not_answered(ran, asking, options):
    """The other primary is still being tried, and gets its proposal."""
    line = asking(*run(ran), *options, slow=True)
    line.wait(b" as proposed? ")
    hang_up(line)
    assert line.ended(120) == 3
    view = ran.latest.view()
    assert (view.state, set(view.proposals), confirmed(ran)) == ("waiting", {"mood", "tags"}, {})


def test_the_end_of_what_is_typed_means_later(ran, asking):
    line = asking(*run(ran))
    first, second = asked(line)
    os.write(line.end, b"\x04")
    line.wait(f"Train {second} as proposed? ".encode())
    os.write(line.end, b"alo\x04ne\n")  # in the middle of a line it means nothing
    assert line.ended(60) == 3
    assert f"waiting for confirmation of {first}: look with" in line.seen.decode()
    assert confirmed(ran) == {second: []}


def test_what_is_decided_elsewhere_is_not_asked_any_more(ran, one):
    line = one(*run(ran))
    line.wait(b"Train mood as proposed? ")
    os.write(line.end, b"stars")  # and no Enter
    assert ran("confirm --auxiliaries tags --yes").code == 0
    assert line.ended(120) == 0
    assert confirmed(ran) == {"mood": ["tags"]}


def test_what_is_cancelled_is_not_asked_any_more(ran, one):
    line = one(*run(ran))
    line.wait(b"Train mood as proposed? ")
    assert ran("cancel").code == 0
    assert line.ended(60) == 4
    assert (ran.latest.view().state, confirmed(ran)) == ("cancelled", {})


def test_an_answer_at_the_terminal_does_not_overrule_what_was_sent_before(ran, one):
    """The engine finds both at once."""
    line = one(*run(ran))
    line.wait(b"Train mood as proposed? ")
    ran.suspend(line.process.pid)
    os.write(line.end, b"stars\n")
    assert ran("confirm --alone --yes").code == 0
    assert line.ended(120) == 0
    assert [list(e.auxiliaries) for e in ran.news() if isinstance(e, events.Confirmed)] == [[]]


def test_another_primary_that_is_decided_meanwhile_is_trained(ran, asking):
    line = asking(*run(ran))
    _, other = asked(line)
    assert until(lambda: other in ran.latest.view().proposals)
    assert ran(f"confirm --primary {other} --alone --yes").code == 0
    assert until(lambda: other in ran.latest.view().finals, 60)
    os.write(line.end, b"a\n")
    assert line.ended(120) == 0
    assert confirmed(ran) == {"mood": [], "tags": []}


def test_a_run_that_is_paused_meanwhile_trains_once_it_goes_on(ran, one):
    ran.settings["multitask"]["steps"] = 13  # what is confirmed was not trained before
    ran.write()
    line = one(*run(ran))
    line.wait(b"Train mood as proposed? ")
    assert ran("pause").code == 0
    os.write(line.end, b"stars\n")
    assert until(lambda: confirmed(ran))
    assert not until(lambda: ran.latest.view().finals, 2)
    assert ran("status --json").json[0]["state"] == "paused"
    assert ran("resume").code == 0
    assert line.ended(120) == 0
    assert confirmed(ran) == {"mood": ["stars"]}


def test_nobody_is_asked_in_the_background_of_a_shell(ran, one):
    """Who reads there is suspended, and all that it computes."""
    line = one("/bin/bash", "-c", 'set -m; "$@" & wait $!; echo it ended with $?; kill -9 %1 2>/dev/null', "shell", *run(ran))
    line.wait(b"it ended with ", 120)
    line.ended()
    assert b"it ended with 3\r\n" in line.seen
    assert b"as proposed?" not in line.seen


def test_who_leaves_the_foreground_is_not_asked_any_more(ran, one):
    """Ctrl+Z, then `bg`."""
    line = one("/bin/bash", "-c", 'set -m; "$@"; bg; wait %1; echo it ended with $?; kill -9 %1 2>/dev/null', "shell", *run(ran))
    line.wait(b"Train mood as proposed? ")
    os.write(line.end, b"\x1a")
    line.wait(b"it ended with ", 60)
    line.ended()
    assert b"it ended with 3\r\n" in line.seen


def test_a_second_signal_ends_it_at_once_where_nobody_reads_what_it_says(slow, folder):
    """Standard error is a pipe, and full."""
    slow.settings["training"]["epochs"] = 2000
    slow.write()
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with open(folder / "pipe", "wb") as pipe:
        engine = subprocess.Popen(run(slow), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    try:
        assert until(lambda: slow.store.runs() and ("tune", "mood") in slow.latest.view().named)
        filler = os.open(folder / "pipe", os.O_WRONLY | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while os.write(filler, b"x"):
                pass
        os.close(filler)
        filled = slow.latest.view().stage("tune", "mood").done
        assert until(lambda: slow.latest.view().stage("tune", "mood").done > filled + 50)  # epochs, of which it says something
        engine.send_signal(signal.SIGTERM)
        assert until(lambda: slow.latest.view().state == "interrupted")
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(timeout=5) == 143  # before it has waited for those who print, and of itself
    finally:
        engine.kill()
        engine.wait()
        os.close(reader)
