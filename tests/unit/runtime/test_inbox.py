import json
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradts_engine.runtime import inbox
from gradts_engine.runtime.inbox import AnyCommand, Cancel, Confirm, Pause, Resume, read, send


def commands(inbox) -> list[AnyCommand]:
    return [command for _, command in read(inbox)]


def sent(inbox, command: AnyCommand) -> AnyCommand:
    send(inbox, command)
    return command


NAMES = st.lists(st.text(max_size=9), max_size=3).map(tuple)
CUTS = st.fixed_dictionaries({}) | st.builds(dict, keep=st.floats(0.01, 1)) | st.builds(dict, threshold=st.floats(-1, 1))
CONFIRMS = st.builds(
    lambda primary, digest, names, cut: Confirm(primary=primary, digest=digest, auxiliaries=names, **cut),
    st.text(max_size=20),
    st.text(max_size=20),
    st.none() | NAMES,
    CUTS,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(CONFIRMS | st.sampled_from([Pause, Resume, Cancel]).map(lambda kind: kind()))
def test_what_is_sent_arrives(tmp_path, command):
    for path in tmp_path.iterdir():
        path.unlink()
    send(tmp_path, command)
    ((path, arrived),) = read(tmp_path)
    assert arrived == command
    assert path.parent == tmp_path
    path.unlink()
    assert read(tmp_path) == []


def test_a_command_cannot_be_changed_or_told_nonsense():
    command = Confirm(primary="a", digest="d", keep=0.5)
    with pytest.raises(ValueError, match="frozen"):
        command.keep = 0.7
    for wrong in ({"keep": 0.0}, {"keep": 1.1}, {"threshold": -2.0}, {"keep": 0.5, "threshold": 0.5}, {"id": "../x"}, {"id": ""}):
        with pytest.raises(ValueError, match="validation error"):
            Confirm(primary="a", digest="d", **wrong)


def test_the_oldest_is_answered_first(tmp_path):
    every = [sent(tmp_path, Confirm(primary="a", digest=str(i))) for i in range(6)]
    times = [5, 3, 6, 1, 2, 4]
    for command, when in zip(every, times, strict=True):
        os.utime(tmp_path / f"{command.id}.json", ns=(when, when))
    assert [times[every.index(command)] for command in commands(tmp_path)] == sorted(times)
    assert len({command.id for command in every}) == 6


def test_only_whole_commands_are_seen(tmp_path):
    """A command is written under another name first; one whose writer died there never counts."""
    command = sent(tmp_path, Confirm(primary="a", digest="d", auxiliaries=("b",)))
    assert [path.name for path in tmp_path.iterdir()] == [f"{command.id}.json"]
    (tmp_path / ".half").write_text('{"command": "conf')
    assert commands(tmp_path) == [command]


def test_a_reader_never_sees_half_a_command(tmp_path):
    """An engine looks at any time."""
    every: list[AnyCommand] = []
    seen: dict[str, AnyCommand] = {}
    made = (Confirm(primary="a", digest="d", auxiliaries=("b",) * i) for i in range(100))
    sender = threading.Thread(target=lambda: every.extend(sent(tmp_path, command) for command in made))
    sender.start()
    while sender.is_alive():
        seen |= {path.name: command for path, command in read(tmp_path)}
    seen |= {path.name: command for path, command in read(tmp_path)}
    assert seen == {f"{command.id}.json": command for command in every}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"command": "dance", "id": "1"}',
        '{"command": "confirm"}',
        '{"command": "confirm", "id": "1", "primary": "a", "auxiliaries": null}',
        '{"command": "confirm", "id": "1", "primary": "a", "digest": "d", "auxiliaries": null, "colour": "red"}',
        '{"command": "confirm", "id": "1", "primary": "a", "digest": "d", "auxiliaries": 7}',
        '{"command": "confirm", "id": "1", "primary": "a", "digest": "d", "auxiliaries": "bcd"}',
        '{"command": "confirm", "id": 1, "primary": ["a"], "digest": {}, "auxiliaries": [["b"]]}',
        '{"command": "confirm", "id": "1", "primary": "a", "digest": "d", "keep": "all"}',
        '{"command": "confirm", "id": "1", "primary": "a", "digest": "d", "keep": 0.5, "threshold": 0.5}',
        '{"command": "pause", "id": "1", "until": "tomorrow"}',
        '{"command": "pause", "id": "../1"}',
        "\udcff",
    ],
)
def test_what_is_no_command_is_passed_over(tmp_path, content):
    (tmp_path / "0.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    command = sent(tmp_path, Pause())
    assert commands(tmp_path) == [command]
    assert json.loads((tmp_path / f"{command.id}.json").read_bytes())["command"] == "pause"


def test_a_command_that_is_answered_while_somebody_looks_is_none(tmp_path, monkeypatch):
    send(tmp_path, Pause())
    real = inbox._status

    def answered(path):
        status = real(path)
        path.unlink()
        return status

    monkeypatch.setattr(inbox, "_status", answered)
    assert read(tmp_path) == []
