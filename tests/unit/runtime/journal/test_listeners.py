"""Who listens to a journal never holds it up."""

import threading

import pytest

from gradts_engine import events
from gradts_engine.events import Event
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.listening import LIMIT, Listening
from tests.unit.runtime.journal.reading import read, warnings, within


@pytest.mark.parametrize("kind", [BrokenPipeError, SystemExit, KeyboardInterrupt])  # rich exits where a pipe is broken
def test_a_listener_that_fails_is_reported_once_and_the_run_goes_on(path, kind):
    seen: list[Event] = []

    def gone(event: Event) -> None:
        raise kind("the terminal went away")

    with Journal(path, (gone, seen.append)) as journal:
        for event in warnings("1", "2", "3"):
            journal.emit(event)
        journal.wait()
        (complaint,) = [e for e in read(path) if "no longer sees events" in e.message]
    assert complaint.message == f"{gone.__module__} no longer sees events: {kind.__name__}: the terminal went away"
    assert [e for e in seen if e != complaint] == warnings("1", "2", "3")
    assert read(path) == seen


def test_a_listener_that_hangs_holds_up_neither_the_run_nor_other_listeners(path, monkeypatch):
    monkeypatch.setattr(Journal.wait, "__defaults__", (0.2,))
    seen: list[Event] = []
    released = threading.Event()

    def hang(event: Event) -> None:
        released.wait(60)

    try:
        with Journal(path, (hang, seen.append)) as journal:
            assert within(10, lambda: [journal.emit(event) for event in warnings("1", "2")]) is None
            assert [listening.listener for listening in journal.wait()] == [hang]
            assert seen == warnings("1", "2")
        assert read(path)[2:] == warnings(f"{__name__} has not seen all events")
    finally:
        released.set()


def test_what_waits_for_a_slow_listener_is_bounded_and_progress_gives_way_first():
    seen: list[Event] = []
    complaints: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def slow(event: Event) -> None:
        begun.set()
        go_on.wait(60)
        seen.append(event)

    listening = Listening(slow, complaints.append)
    listening.tell(events.Warned("first"))
    assert begun.wait(10)
    for done in range(LIMIT):
        listening.tell(events.StageProgress("tune", "a", done, LIMIT))
    for number in range(LIMIT):
        listening.tell(events.Warned(str(number)))
    go_on.set()
    assert listening.mark().wait(60)
    listening.close()
    assert seen[: LIMIT // 2 + 1] == [
        events.Warned("first"),
        *(events.StageProgress("tune", "a", i, LIMIT) for i in range(LIMIT // 2)),
    ]
    assert seen[LIMIT // 2 + 1 :] == [events.Warned(str(number)) for number in range(LIMIT // 2)]
    assert complaints == [f"{__name__} is slow and does not see all events"]
