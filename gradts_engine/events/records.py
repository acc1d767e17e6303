"""Events that were stored as JSON become events again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from gradts_engine.events import primaries, runs, stages
from gradts_engine.events.base import Event

KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind for file in (runs, stages, primaries) for kind in vars(file).values() if kind in Event.__subclasses__()
}


def from_record(record: object) -> Event | None:
    """The event of an `as_record` dictionary; None for one that this version does not know or cannot read."""
    if not isinstance(record, dict):
        return None
    fields = record.copy()
    name = str(fields.pop("event", None))
    kind = KINDS.get(name)
    if kind is None or not fields.keys() <= kind.__dataclass_fields__.keys():
        return None
    try:
        event: Event = _reader(name)(fields)
    except ValueError:
        return None
    return event


@cache
def _reader(name: str) -> Callable[[Any], Any]:
    """Checks the types of an event's fields, so that nobody who gets an event has to."""
    from pydantic import TypeAdapter  # late: most of what imports this module reads no events

    return TypeAdapter(KINDS[name]).validator.validate_python  # without the adapter around it: there may be many events
