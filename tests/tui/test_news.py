"""Telling somebody who looks elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from gradts_engine import events
from gradts_engine.runtime.view import RunView
from gradts_tui.news import news, notification
from gradts_tui.state import RunState, Snapshot


def snapshot(state: str, **proposals: str) -> Snapshot:
    view = RunView(proposals={p: events.Proposed(p, d, {}) for p, d in proposals.items()})
    return Snapshot(Path("/s"), 0.0, (RunState("r", Path("/s/r"), view, state),))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, snapshot("waiting", a="1"), ["r waits for you"]),
        (snapshot("waiting", a="1"), snapshot("waiting", a="1"), []),
        (snapshot("waiting", a="1"), snapshot("waiting", a="1", b="2"), ["r waits for you"]),
        (None, snapshot("done"), []),
        (snapshot("running"), snapshot("done"), ["r is done"]),
        (snapshot("running"), snapshot("died"), ["r has died"]),
        (snapshot("done"), snapshot("done"), []),
        (snapshot("running"), replace(snapshot("done"), runs=()), []),
        (snapshot("running"), snapshot("cancelled"), []),
    ],
)
def test_what_is_told(before, after, told):
    assert news(before, after) == told


@pytest.mark.parametrize(
    ("term", "sent"),
    [
        ("xterm-256color", "\x1b]9;r is done\x07"),
        ("foot", "\x1b]777;notify;GradTS;r is done\x07"),
        ("tmux-256color", "\x1bPtmux;\x1b\x1b]9;r is done\x07\x1b\\"),
        ("screen", "\x1bP\x1b]9;r is done\x07\x1b\\"),
        ("linux", ""),
    ],
)
def test_how_a_terminal_is_told(term, sent):
    assert notification("r is\x1b done", term) == sent
