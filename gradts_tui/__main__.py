"""Entry point of `gradts-tui`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from gradts_engine.errors import GradTSError, UsageError
from gradts_engine.nearest import printable

HEADLESS = "use `gradts-engine run tasks.toml` and `gradts-engine status`, see `gradts-engine --help`"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GRADTS_STORE",
    help="Folder that keeps runs and results; default: .gradts in this folder. Also GRADTS_STORE.",
)
@click.version_option(package_name="gradts", message="gradts %(version)s")
def cli(run: str | None, store: Path | None) -> int:
    """Watch runs, and decide what they propose, in a terminal.

    \b
      gradts-tui                 the runs of this folder's store
      gradts-tui RUN             one of them, by its id or the beginning of it

    Leaving (q), closing the terminal or losing it never touches a run.
    """
    check_terminal()
    from gradts_engine.runtime.store import Store
    from gradts_tui.app import GradTS
    from gradts_tui.preferences import Preferences
    from gradts_tui.reader import Reader

    kept = Store(store or Path(".gradts"))
    name = kept.run(run).id if run else None
    return GradTS(kept, Reader(kept), name, Preferences.load()).run() or 0


def check_terminal() -> None:
    """Raises `UsageError` where nothing can be drawn."""
    if not (sys.stdin.isatty() and sys.__stderr__ is not None and sys.stdout.isatty()):
        raise UsageError(f"gradts-tui needs a terminal: {HEADLESS}")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise UsageError(f"gradts-tui cannot draw on a terminal of type '{os.environ.get('TERM', '')}': {HEADLESS}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the UI; the exit code: 0 left, 2 wrong usage."""
    try:
        return cli.main(arguments, prog_name="gradts-tui", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except GradTSError as error:
        for line in str(error).splitlines():
            print(printable(line), file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
