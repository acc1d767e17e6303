"""What guards terminals, reports and logs: no text breaks them, and one of them that goes away breaks nothing."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager


def printable(text: str) -> str:
    """`text` as it may be shown: THE function through which anything from data, plugins, logs, errors and file names goes on its
    way to a terminal, a report or a log.

    Guaranteed of the result: one line; every character has a shape of its own or is a combining mark (`str.isprintable`), so
    there is no control (escape sequences, bells, tabs), no format character (direction overrides, joiners, byte order marks), no
    private or unassigned one, no line or paragraph separator, no blank but the common space, and no half surrogate pair: it can
    be encoded. What is not allowed is written as in Python (`\\x1b`, `\\u202e`, `\\n`); nothing is dropped, and a text that is
    fine comes back as it is. It may still be markup: rich must get it as a `Text` (`tables.label`), Markdown by `card.markdown`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def let_go() -> bool:
    """Of standard output and error where nobody reads them any more, as after `| head` or when a terminal has gone: what is
    written to them from now on goes nowhere, and the work that was to be shown goes on. Returns whether one had gone."""
    watch = select.poll()
    for descriptor in (1, 2):
        watch.register(descriptor, 0)  # errors and hang-ups alone
    gone = [descriptor for descriptor, _ in watch.poll(0)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in gone:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return bool(gone)


@contextmanager
def outliving() -> Iterator[None]:
    """Within: what is printed to a stream that has gone is lost, and no error."""
    try:
        yield
    except OSError:
        if not let_go():
            raise
