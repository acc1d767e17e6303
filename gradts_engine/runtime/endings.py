"""How a run ends: what its last event says, what its primaries failed of, and what is no longer needed then."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gradts_engine import events
from gradts_engine.errors import Cancelled, GradTSError, Interrupted, RunError, Terminated, WaitingForConfirmation
from gradts_engine.runtime.cleaning import remove, spare_weights
from gradts_engine.runtime.store import RunFolder, Store


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


def tidy(store: Store, run: RunFolder, emit: Callable[[events.Event], None]) -> None:
    """Free the weights that nothing needs once a run is done. Where that is not possible, as where another run's journal
    cannot be read, they stay."""
    try:
        found = spare_weights(store, run)
        if freed := remove(store, found):
            emit(events.Freed(len(found), freed))
    except (OSError, RunError) as error:
        emit(events.Warned(f"weights that nothing needs stay in {store.root}: {getattr(error, 'strerror', None) or error}"))
