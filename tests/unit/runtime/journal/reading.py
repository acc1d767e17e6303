"""Events to write, and what a journal holds."""

import json
import sqlite3
import threading
from contextlib import closing

from gradts_engine import events
from gradts_engine.events import Event, StageProgress
from gradts_engine.runtime.journal import Journal, read_events

TOTAL = 1000
TRIAL = events.TrialScored("a", {"b": 3}, 0.5, "key")


def warnings(*texts: str) -> list[Event]:
    return [events.Warned(text) for text in texts]


def read(path, after: int = 0) -> list[Event]:
    return [event for _, _, event in read_events(path, after)]


def as_json(event: Event) -> str:
    return json.dumps(event.as_record())


class Thick(Journal):
    """Thins nothing, and waits for each event to be written."""

    def emit(self, event: Event) -> None:
        self.thinner.last.clear()
        super().emit(event)
        self.wait(0)


def steps(start: int, end: int, subject: str = "a") -> list[StageProgress]:
    return [StageProgress("tune", subject, done, TOTAL, done * 7 % 11 / 11, f"k{subject}") for done in range(start, end)]


def count(path) -> int:
    """Rows of the database."""
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM event").fetchone()[0])


def told_to(path, after: int = 0) -> list[str]:
    return [event.message for event in read(path, after) if isinstance(event, events.Warned)]


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
