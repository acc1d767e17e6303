"""Events to write, and what a journal holds."""

import json
import threading

from gradts_engine import events
from gradts_engine.events import Event
from gradts_engine.runtime.journal import read_events

TRIAL = events.TrialScored("a", {"b": 3}, 0.5, "key")


def warnings(*texts: str) -> list[Event]:
    return [events.Warned(text) for text in texts]


def read(path, after: int = 0) -> list[Event]:
    return [event for _, _, event in read_events(path, after)]


def as_json(event: Event) -> str:
    return json.dumps(event.as_record())


def within(seconds: float, work) -> Exception | None:
    """What `work` raises; fails if it does not come back in time."""
    failure: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    return failure[0] if failure else None
