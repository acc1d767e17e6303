"""What all events have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Base of all events. `progress` events may be thinned; all others are state and never dropped."""

    progress: ClassVar[bool] = False

    def as_record(self) -> dict[str, Any]:
        """JSON-ready fields, with the class name as `event`."""
        return {"event": type(self).__name__, **asdict(self)}
