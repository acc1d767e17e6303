"""How a run ends: what its last event says, and what its primaries failed of."""

from __future__ import annotations

from collections.abc import Iterable

from gradts_engine import events
from gradts_engine.errors import Cancelled, GradTSError, Interrupted, RunError, Terminated, WaitingForConfirmation


def ended(error: BaseException) -> events.RunEnded:
    """The last event of a run that an error has ended."""
    if isinstance(error, WaitingForConfirmation):
        return events.RunEnded("waiting", str(error))
    if isinstance(error, Cancelled):
        return events.RunEnded("cancelled")
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return events.RunEnded("interrupted", "SIGTERM" if isinstance(error, Terminated) else "")
    return events.RunEnded("failed", str(error) or type(error).__name__)


def raise_all(failures: Iterable[BaseException]) -> None:
    """Raise what primaries failed of: a bug, or what the run was stopped by, or else all reasons."""
    errors = list(failures)
    for error in sorted(errors, key=lambda e: (isinstance(e, GradTSError), not isinstance(e, Interrupted))):
        if isinstance(error, Interrupted) or not isinstance(error, GradTSError) or len(errors) == 1:
            raise error
    if errors:
        raise RunError("; ".join(map(str, errors)))
