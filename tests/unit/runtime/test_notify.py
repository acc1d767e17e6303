"""The program that is told of a run's end is started as it is given, and what it does never ends a run."""

import json
import sys

import pytest

from gradts_engine.errors import RunError
from gradts_engine.events import RunEnded, RunStarted, StageStarted
from gradts_engine.runtime.notify import Notify

START = RunStarted("tasks-1", "/tasks.toml", "e", ("a",), ("a",), ("cpu",), {}, {})


def test_run_state_and_reason_are_arguments(tmp_path):
    said = tmp_path / "said"
    program = f"import json, sys; open({str(said)!r}, 'a').write(json.dumps(sys.argv[1:]) + chr(10))"
    notify = Notify([sys.executable, "-c", program, "mine"])
    reason = "$(touch x); `y` \x1b[31m 'z'"
    for event in (START, StageStarted("tune", "a", "k"), RunEnded("waiting", reason), RunEnded("done")):
        notify(event)
    lines = [json.loads(line) for line in said.read_text().splitlines()]
    assert lines == [["mine", "tasks-1", "waiting", reason.replace("\x1b", "\\x1b")], ["mine", "tasks-1", "done", ""]]


@pytest.mark.parametrize("command", [["/nothing/there"], [sys.executable, "-c", "raise SystemExit(3)"]])
def test_what_goes_wrong_is_said(command):
    with pytest.raises(RunError, match="notify"):
        Notify(command)(RunEnded("done"))
