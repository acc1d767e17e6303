"""Entry point of `gradts-engine`: errors become exit codes here, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from gradts_engine.cli import cli
from gradts_engine.errors import GradTSError
from gradts_engine.nearest import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code: 0 done, 1 failed, 2 usage or configuration, 3 waiting, 130 interrupted."""
    try:
        return cli.main(arguments, prog_name="gradts-engine", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except GradTSError as error:
        for line in str(error).splitlines():
            print(printable(line), file=sys.stderr)  # noqa: T201 (the one place that reports errors)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
