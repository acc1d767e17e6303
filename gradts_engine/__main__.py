"""Entry point of `gradts-engine`: errors become exit codes here, and nowhere else."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType

import click

from gradts_engine.cli import cli
from gradts_engine.errors import GradTSError
from gradts_engine.printing import outliving, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code: 0 done, 1 failed, 2 usage or configuration, 3 waiting, 4 cancelled, 128 + n signals."""
    sys.excepthook = _report_bug
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter gets its code, not an error
            stream.reconfigure(errors="backslashreplace")
    try:
        return cli.main(arguments, prog_name="gradts-engine", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        message = printable(error.format_message().replace("\n\t", " "))  # click lists choices in lines
        click.UsageError(message, getattr(error, "ctx", None)).show()
        return error.exit_code
    except click.Abort as stopped:
        if not isinstance(stopped.__context__, EOFError):
            return 130
        _print("")  # after the question
        _print("nobody is there to answer: give --yes, or ask in a terminal")
        return 2
    except GradTSError as error:
        for problem in getattr(error, "problems", [str(error)]):
            _print(problem)
        return error.exit_code


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback shows what the code stumbled over, which may be data."""
    for line in "".join(traceback.format_exception(kind, error, trace)).splitlines():
        _print(line)


def _print(line: str) -> None:
    with outliving():
        print(printable(line), file=sys.stderr)  # noqa: T201 (the one place that reports errors)


if __name__ == "__main__":
    sys.exit(main())
