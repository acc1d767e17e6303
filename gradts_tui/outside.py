"""What leaves the UI: the clipboard, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gradts_engine.errors import GradTSError
from gradts_tui.preferences import cache_folder

if TYPE_CHECKING:
    from gradts_tui.app import GradTS


def export(app: GradTS, name: str, write: Callable[[Path], object]) -> None:
    """Write a file into the present folder, in a thread, and say where it is."""
    path = Path(name).absolute()

    def work() -> None:
        """In a thread: it may be large."""
        try:
            write(path)
        except (GradTSError, OSError) as error:
            message, severity = f"{path}: {error}", "error"
        else:
            message, severity = f"Written to {path}", "information"
        app.call_from_thread(app.notify, message, severity=severity)

    app.run_worker(work, thread=True)


def copy(app: GradTS, page: str, text: str) -> None:
    """Copy to the clipboard through the terminal (OSC 52), which may refuse, and always into a file."""
    app.copy_to_clipboard(text)
    path = cache_folder() / f"{app.selected or 'runs'}-{page}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        app.notify(f"Copied, but {path} cannot be written: {error.strerror}", severity="warning")
    else:
        app.notify(f"Copied, and written to {path}")
