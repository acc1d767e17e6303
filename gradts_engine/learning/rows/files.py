"""Finding and opening files: patterns, compression, encodings, lines."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from gradts_engine.errors import UsageError
from gradts_engine.nearest import did_you_mean

MAX_LINE = 1 << 20
"""Bytes of a line: 1 MiB. Encoders see some thousand characters of it; whatever is longer is another kind of file."""
SAMPLE = 1 << 16
"""Bytes that are looked at to tell what a file is."""

PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
"""How a compressed file begins; its name may say something else."""
PACKED_ENDINGS = (".gz", ".zst", ".bz2")
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks."""


def find_files(source: str) -> list[Path]:
    """The file of a name, or those that match a pattern with `*`, `?` or `[...]`, sorted by name.

    Raises UsageError where there is none, or what there is cannot be read as a file.
    """
    path = Path(source)
    try:
        if path.exists() or not glob.has_magic(source):
            return [_checked(path)]
        found = sorted(glob.glob(source, recursive=True))
    except (OSError, ValueError) as error:  # names that are too long, or hold NUL
        raise UsageError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not found:
        raise UsageError(f"{source}: no file matches")
    return [_checked(Path(name)) for name in found]


def _checked(path: Path) -> Path:
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, expected a file; for all files in it, a pattern such as {path / '*.jsonl'}")
    if not path.exists():
        if path.is_symlink():
            raise UsageError(f"{path}: is a link to {os.readlink(path)}, which is not there")
        beside = (p.name for p in path.parent.glob("*")) if path.parent.is_dir() else ()
        raise UsageError(f"{path}: no such file{did_you_mean(path.name, beside)}")
    if not path.is_file():
        raise UsageError(f"{path}: is not a regular file")
    return path


def ending_of(path: Path) -> str:
    """The ending that says what is in a file, without that of its compression."""
    name = path.name.lower()
    for packed in PACKED_ENDINGS:
        name = name.removesuffix(packed)
    return os.path.splitext(name)[1]


@dataclass(frozen=True)
class Opened:
    """A file that is open for reading: its text's encoding, its compression, its first characters, and its lines."""

    path: Path
    encoding: str
    compression: str | None
    sample: str
    newline: bytes
    file: BinaryIO

    def lines(self) -> Iterator[tuple[int, str]]:
        """Numbered lines with their ends, byte order marks dropped."""
        ascii_like = "\n".encode(self.encoding) == b"\n"
        return self._lines() if ascii_like and self.newline == b"\n" else self._text_lines()

    def _lines(self) -> Iterator[tuple[int, str]]:
        lines = iter(lambda: self.file.readline(MAX_LINE + 1), b"")
        for number, line in enumerate(lines, start=1):  # bytes, since only they tell on which line the text is broken
            if len(line) > MAX_LINE:
                raise UsageError(f"{self.path}:{number}: the line is longer than 1 MiB, expected a row")
            try:
                text = line.decode(self.encoding)
            except UnicodeDecodeError as error:
                raise _undecodable(f"{self.path}:{number}", self.encoding, f" (byte {error.start + 1} of the line)") from None
            yield number, text.removeprefix("\ufeff") if number == 1 else text

    def _text_lines(self) -> Iterator[tuple[int, str]]:
        """Of encodings whose line ends are not a byte, and of files whose lines end with a carriage return alone."""
        text = io.TextIOWrapper(self.file, self.encoding, newline="\r" if self.newline == b"\r" else "\n")
        number = 0
        try:
            while line := text.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise UsageError(f"{self.path}:{number}: the line is longer than 1 MiB, expected a row")
                line = line.removeprefix("\ufeff") if number == 1 else line
                yield number, line.removesuffix("\r") + "\n" if self.newline == b"\r" else line
        except UnicodeError:
            raise _undecodable(f"{self.path}:{number + 1}", self.encoding, "") from None


def _undecodable(place: str, encoding: str, where: str) -> UsageError:
    if encoding != "utf-8":
        return UsageError(f"{place}: is not {encoding}{where}")
    way_out = 'save it as UTF-8, or name its encoding in [tasks.NAME], such as encoding = "windows-1252"'
    return UsageError(f"{place}: is not UTF-8{where}: {way_out}")


@contextmanager
def open_text(path: Path, encoding: str | None = None) -> Iterator[Opened]:
    """Open a text file, unpacked. Raises UsageError for whatever goes wrong while it is read, with its name."""
    try:
        with path.open("rb") as raw:
            begin = raw.read(SAMPLE)
            raw.seek(0)
            compression = next((name for magic, name in PACKED.items() if begin.startswith(magic)), None)
            with _unpacked(raw, compression) as file:
                if compression:
                    begin = file.peek(SAMPLE)[:SAMPLE]
                encoding = encoding or _encoding(path, begin)
                newline = b"\r" if b"\n" not in begin and b"\r" in begin.rstrip(b"\r\n") else b"\n"
                sample = _decoded(path, encoding, begin)
                sample = sample.replace("\r", "\n") if newline == b"\r" else sample
                yield Opened(path, encoding, compression, sample, newline, cast(BinaryIO, file))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read: {reason}") from None


def _decoded(path: Path, encoding: str, begin: bytes) -> str:
    """The first characters, which may end within one."""
    try:
        return codecs.getincrementaldecoder(encoding)("replace").decode(begin).removeprefix("\ufeff")
    except UnicodeError as error:  # UTF-16 without its byte order mark
        raise UsageError(f"{path}: is not {encoding}: {error}") from None


def _unpacked(raw: BinaryIO, compression: str | None) -> io.BufferedReader:
    if compression == "gzip":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), SAMPLE)
    if compression:
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, "r"), compression), SAMPLE)
    return cast(io.BufferedReader, raw)


def _encoding(path: Path, begin: bytes) -> str:
    for mark, name in MARKS.items():
        if begin.startswith(mark):
            return name
    if len(begin) > 3 and begin[:200].count(0) * 3 > len(begin[:200]):
        order = "le" if begin[1] == 0 else "be"
        raise UsageError(f'{path}: looks like UTF-16 without a byte order mark: say encoding = "utf-16-{order}" in [tasks.NAME]')
    return "utf-8"
