"""Entry point of `gradts-tui`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from gradts_engine.errors import GradTSError, UsageError
from gradts_engine.printing import printable

HEADLESS = "use `gradts-engine run tasks.toml` and `gradts-engine status`, see `gradts-engine --help`"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("what", required=False, metavar="[RUN | TASKS.TOML]")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GRADTS_STORE",
    help="Folder that keeps runs and results; default: .gradts beside tasks.toml, or in this folder. Also GRADTS_STORE.",
)
@click.option("--ascii", "plain", is_flag=True, help="Draw with ASCII alone; so it is where the locale is not UTF-8.")
@click.option("--serve", is_flag=True, help="Show it in a browser on this machine instead (needs the extra `web`).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --serve: the port; default: a free one.")
@click.version_option(package_name="gradts", message="gradts %(version)s")
def cli(what: str | None, store: Path | None, plain: bool, serve: bool, port: int) -> int:
    """Start runs, watch them, and decide what they propose, in a terminal.

    \b
      gradts-tui tasks.toml      check it, show what will run, and start it
      gradts-tui                 the runs of this folder's store
      gradts-tui RUN             one of them, by its id or the beginning of it

    Engines are processes of their own: leaving (q), closing the terminal or losing it never touches a run. ? tells the keys.
    """
    if serve:
        return serve_in_browser([*([what] if what else []), *(["--store", str(store)] if store else [])], port)
    check_terminal()
    from gradts_engine.runtime.store import open_store
    from gradts_tui.app import GradTS
    from gradts_tui.driver import utf8
    from gradts_tui.preferences import Preferences
    from gradts_tui.reader import Reader

    config = Path(what) if what and (what.endswith(".toml") or Path(what).is_file()) else None
    kept = open_store(store, config)
    name = kept.run(what).id if what and not config else None
    app = GradTS(kept, Reader(kept), name, Preferences.load(), config, plain or not utf8())
    app.run()
    return app.return_code or 0


def serve_in_browser(arguments: Sequence[str], port: int) -> int:
    """Until Ctrl+C."""
    try:
        from gradts_tui.serve import serve
    except ImportError as error:
        raise UsageError(f"--serve needs the extra web ({error}): pip install 'gradts[web]'") from error
    serve(arguments, port)
    return 0


def check_terminal() -> None:
    """Raises `UsageError` where nothing can be drawn; forgets a size of the terminal that was exported, since it may change."""
    if "TEXTUAL_DRIVER" in os.environ:  # drawn by something else than a terminal, as with --serve
        return
    if not (sys.stdin.isatty() and sys.__stderr__ is not None and sys.stdout.isatty()):
        raise UsageError(f"gradts-tui needs a terminal: {HEADLESS}")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise UsageError(f"gradts-tui cannot draw on a terminal of type '{os.environ.get('TERM', '')}': {HEADLESS}")
    for variable in ("COLUMNS", "LINES"):
        os.environ.pop(variable, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the UI; the exit code: 0 left, 1 crashed, 2 wrong usage, 129 the terminal is gone."""
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
