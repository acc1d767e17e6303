import json
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradts_engine.runtime.inbox import Confirm, read_confirms, send_confirm


def commands(inbox) -> list[Confirm]:
    return [command for _, command in read_confirms(inbox)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(primary=st.text(max_size=20), digest=st.text(max_size=20), names=st.none() | st.lists(st.text(max_size=9), max_size=3))
def test_what_is_sent_arrives(tmp_path, primary, digest, names):
    for path in tmp_path.iterdir():
        path.unlink()
    sent = send_confirm(tmp_path, primary, digest, names)
    assert sent == Confirm(sent.id, primary, digest, None if names is None else tuple(names))
    ((path, command),) = read_confirms(tmp_path)
    assert command == sent
    assert path.parent == tmp_path
    path.unlink()
    assert read_confirms(tmp_path) == []


def test_the_oldest_is_answered_first(tmp_path):
    sent = [send_confirm(tmp_path, "a", str(i), None) for i in range(6)]
    times = [5, 3, 6, 1, 2, 4]
    for command, when in zip(sent, times, strict=True):
        os.utime(tmp_path / f"{command.id}.json", ns=(when, when))
    assert [times[sent.index(command)] for command in commands(tmp_path)] == sorted(times)
    assert len({command.id for command in sent}) == 6


def test_only_whole_commands_are_seen(tmp_path):
    """A command is written under another name first; one whose writer died there never counts."""
    sent = send_confirm(tmp_path, "a", "d", ["b"])
    assert [path.name for path in tmp_path.iterdir()] == [f"{sent.id}.json"]
    (tmp_path / ".half").write_text('{"command": "conf')
    assert commands(tmp_path) == [sent]


def test_a_reader_never_sees_half_a_command(tmp_path):
    """An engine looks at any time."""
    sent: list[Confirm] = []
    seen: dict[str, Confirm] = {}
    sender = threading.Thread(target=lambda: sent.extend(send_confirm(tmp_path, "a", "d", ["b"] * i) for i in range(100)))
    sender.start()
    while sender.is_alive():
        seen |= {path.name: command for path, command in read_confirms(tmp_path)}
    seen |= {path.name: command for path, command in read_confirms(tmp_path)}
    assert seen == {f"{command.id}.json": command for command in sent}


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
        "\udcff",
    ],
)
def test_what_is_no_command_is_passed_over(tmp_path, content):
    (tmp_path / "0.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    sent = send_confirm(tmp_path, "a", "d", None)
    assert commands(tmp_path) == [sent]
    assert json.loads((tmp_path / f"{sent.id}.json").read_bytes())["command"] == "confirm"
