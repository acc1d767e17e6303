"""`report`: a run as a page to send on."""

from __future__ import annotations

from pathlib import Path

import click

from gradts_engine.cli.base import cli, open_store, say, store_option
from gradts_engine.cli.completing import complete_run


@cli.command()
@click.argument("run", shell_complete=complete_run)
@click.argument("path", metavar="[FILE]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--figures",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write figures (PNG, SVG) and tables (CSV) into this folder.",
)
@store_option
def report(run: str, path: Path | None, figures: Path | None, store: Path | None) -> None:
    """Write all that RUN found as one HTML page: FILE, or RUN.html here.

    The page holds everything it needs: it opens without a network, may be printed, and reads on a phone.

    \b
      gradts-engine report tasks-1a2b3c4d
      gradts-engine report tasks-1a2b3c4d out.html --figures figures
    """
    from gradts_engine.page import write_page

    kept = open_store(store)
    folder = kept.run(run)
    path = path or Path(f"{folder.id}.html")
    write_page(kept, folder, path)
    say(f"wrote {path}")
    if figures:
        from gradts_engine.page.figures import write_figures

        say(f"wrote {len(write_figures(kept, folder, figures))} files into {figures}")
