"""The UI on a bare line, where no terminal answers, and where nothing can be drawn."""

import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.terminals import PROGRAM, Line


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
