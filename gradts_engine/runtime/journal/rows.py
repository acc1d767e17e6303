"""The rows of a journal's database: how events are written there, and read back."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from gradts_engine.errors import RunError
from gradts_engine.events import Warned, from_record
from gradts_engine.printing import printable
from gradts_engine.runtime.journal.progress import GATHERED, Progress, Row, pack, unpack

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, time REAL NOT NULL, record TEXT NOT NULL, crc INTEGER) STRICT;
PRAGMA user_version = 2;
"""

CHUNK = 2000
"""Rows that are read at once: between chunks a reader holds no lock, so that a slow one does not keep the engine from writing."""


def append(database: sqlite3.Connection, records: Sequence[str]) -> list[tuple[int, float]]:
    """Add events, as JSON, to a journal's table, within the caller's transaction; their numbers and times."""
    (last,) = database.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    added = []
    for seq, record in enumerate(records, last + 1):
        _insert(database, seq, now := time.time(), record)
        added.append((seq, now))
    return added


def _insert(database: sqlite3.Connection, seq: int, when: float, record: str) -> None:
    row = (seq, when, record, _crc(seq, when, record))
    database.execute("INSERT INTO event (seq, time, record, crc) VALUES (?, ?, ?, ?)", row)


def gather(database: sqlite3.Connection, rows: Sequence[Progress]) -> None:
    """Have one row take the place of several, within the caller's transaction."""
    (first, when, _), (last, _, _) = rows[0], rows[-1]
    database.execute("DELETE FROM event WHERE seq BETWEEN ? AND ?", (first, last))
    _insert(database, last, when, pack(rows))


def ends(path: Path) -> tuple[float, int]:
    """Unix time of the first row, which two journals do not share, and the number of the last; zeros where there is none."""
    found = _query(path, "SELECT (SELECT time FROM event ORDER BY seq LIMIT 1), max(seq) FROM event")
    began, last = found[0] if found else (None, None)
    return began or 0.0, last or 0


def read_events(path: Path, after: int = 0) -> Iterator[Row]:
    """Sequence number, Unix time and event, for all events after a sequence number; opens the file read-only.

    Events of a newer version that are not known here, and records that nobody can read, are passed over. In the place of an event
    whose bytes are not those that were written, or that is missing, comes a `Warned` that says so.
    """
    query = "SELECT seq, time, record, crc FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
    asked = -1
    while asked < after:  # in a damaged file numbers may go back
        asked = after
        rows = _query(path, query, after, CHUNK)
        for seq, when, record, crc in rows:
            sound = isinstance(when, float) and isinstance(record, str) and crc in (None, _crc(seq, when, record))
            begins, found = _unpacked(seq, when, record) if sound else (seq, [])
            if begins > after + 1:
                yield begins - 1, when, Warned(f"events {after + 1} to {begins - 1} of {path} are lost: the file is damaged")
            if not sound:
                yield max(seq, after), time.time(), Warned(f"event {seq} of {path} is damaged and left out")
            for row in found:
                if row[0] > after:  # of gathered rows, some may have been read before
                    yield row
            after = max(seq, after)
        if len(rows) < CHUNK:
            return


def _unpacked(seq: int, when: float, record: str) -> tuple[int, list[Row]]:
    """The number of the first event that a row stands for, and those that it holds."""
    parsed = _parsed(record)
    if isinstance(parsed, dict) and parsed.get("event") == GATHERED:
        with suppress(KeyError, TypeError, ValueError):  # a newer version's
            rows, kept = unpack(parsed)
            first = seq - rows + 1
            return first, [row for row in kept if first <= row[0] <= seq]
    event = from_record(parsed)
    return seq, [(seq, when, event)] if event else []


def _crc(seq: int, when: float, record: str) -> int:
    return zlib.crc32(f"{seq} {when!r} {record}".encode())


def _parsed(record: str) -> object:
    """A record, None for one that is not JSON. Half surrogate pairs, as in names of files that are not UTF-8, only `json` reads;
    all else `from_json` reads faster."""
    for parse in (from_json, json.loads):
        try:
            return parse(record)
        except (ValueError, RecursionError):
            pass
    return None


def _query(path: Path, query: str, *values: int) -> list[Any]:
    """All rows of an answer; none where the writer has yet to make the file."""
    if not path.exists():
        return []
    try:
        try:
            return _ask(path, "ro", query, values)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            return _ask(path, "rw", query, values)  # an engine died while it wrote: SQLite undoes its half transaction first
    except (sqlite3.DatabaseError, ValueError, OverflowError) as error:  # the latter two where damage is in a message of SQLite's
        said = printable(str(error))[:200]  # the bytes of a damaged record may be in it
        if "no such table" in said:  # the writer is just making it
            return []
        reason = "it was written by another version of GradTS" if "no such column" in said else said
        raise RunError(f"{path} cannot be read: {reason}") from error


def _ask(path: Path, mode: str, query: str, values: tuple[int, ...]) -> list[Any]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=10)) as database:
        return database.execute(query, values).fetchall()
