"""The commands around a run: logs, comparison, removal, completion, and the program that is told of its end."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from gradts_engine.runtime.store import Store
from tests.tui.invented import RUN, make

PROGRAM = str(Path(sys.executable).with_name("gradts-engine"))


@pytest.fixture
def place(tmp_path):
    """A store with two runs of different strategies."""
    store = Store(tmp_path / ".gradts")
    make(store, "done").write()
    make(store, "done", name="other-1", strategy="fine-grained").write()
    return tmp_path


def call(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "COLUMNS": "160", **environment}
    command = [PROGRAM, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=place, env=settings, stdin=subprocess.DEVNULL
    )


def test_logs_are_a_line_an_event(place):
    done = call(place, "logs", RUN, "--follow")  # no engine: it ends by itself
    lines = done.stdout.splitlines()
    assert lines[-1].endswith("run done")
    assert any("model of rte: dev 0.7004" in line for line in lines)
    assert lines == sorted(lines, key=lambda line: line[:19])


def test_two_runs_are_compared(place):
    done = call(place, "results", RUN, "other-1")
    assert "selection.strategy" in done.stdout
    assert "fine-grained" in done.stdout
    assert "dev alone" in done.stdout
    same = call(place, "results", RUN, RUN[:6])
    assert (same.returncode, "the same run" in same.stderr) == (2, True)


def test_runs_are_removed_by_name(place):
    shown = call(place, "runs", "rm", "other", "--dry-run")
    assert "other-1" in shown.stdout
    assert call(place, "runs", "rm", "nothing").returncode == 2
    unasked = call(place, "runs", "rm", RUN)
    assert (unasked.returncode, unasked.stderr.splitlines()[-1].partition(":")[0]) == (2, "nobody is there to answer")
    assert len(Store(place / ".gradts").runs()) == 2
    assert call(place, "runs", "archive", "other-1", "--yes").returncode == 0
    assert (place / "other-1.tar.gz").stat().st_size > 1000
    assert call(place, "runs", "rm", RUN, "--yes").returncode == 0
    assert Store(place / ".gradts").runs() == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gradts-engine results ", {RUN, "other-1"}),
        ("gradts-engine compl", {"completion"}),
    ],
)
def test_bash_completes_names(place, line, expected):
    """In a bash of its own, with the script that users evaluate."""
    words = line.split(" ")
    script = (
        f'PATH="{Path(PROGRAM).parent}:$PATH"; eval "$(gradts-engine completion bash)"; '
        f"COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
        '_gradts_engine_completion gradts-engine; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False, cwd=place)
    assert set(done.stdout.split()) == expected, done.stderr


SHELLS = {
    "bash": (["--norc", "-i"], 'eval "$(gradts-engine completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -Uz compinit; compinit -u; eval "$(gradts-engine completion zsh)"'),
    "fish": (["--no-config", "-i"], "gradts-engine completion fish | source"),
}


@pytest.mark.parametrize(
    "shell", [pytest.param(s, marks=pytest.mark.skipif(shutil.which(s) is None, reason=f"{s} is not installed")) for s in SHELLS]
)
def test_a_tab_completes_in_a_shell_that_one_types_in(place, shell):
    """A person's way: the line of `completion --help`, then half a name and a tab."""
    options, script = SHELLS[shell]
    settings = os.environ | {"TERM": "xterm", "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}", "HOME": str(place)}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    process = subprocess.Popen(
        ["setsid", "-c", shell, *options], stdin=theirs, stdout=theirs, stderr=theirs, cwd=place, env=settings, close_fds=True
    )
    os.close(theirs)
    try:
        for typed, expected in (
            (f"{script}; echo rea''dy\r", "ready"),
            ("gradts-engine results other\t", "other-1"),
            (" --heatmap wnu\t", "wnut17"),
            ("\x15gradts-engine init --encoder minil\t", "minilm-l6"),
            ("\x15gradts-engine study replay scores.csv --predictor ran\t", "random"),
        ):
            os.write(ours, typed.encode())
            assert expected in screen(ours, expected), (shell, typed)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def screen(terminal: int, expected: str) -> str:
    """What comes until it holds `expected`, without the colours in which some shells draw what is typed."""
    said, deadline = "", time.monotonic() + 60
    while expected not in said and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()].|\x0f", "", said + os.read(terminal, 65536).decode(errors="replace"))
    return said


def test_watching_needs_a_terminal(place):
    done = call(place, "status", "--watch")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
