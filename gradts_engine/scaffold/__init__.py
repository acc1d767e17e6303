"""A new plugin package, written from the files in `files/`: those in `common`, and those of its kind.

A file's path and text hold `$name` (the plugin), `$distribution`, `$module` and `$kind`; `.txt` at its end is dropped.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from string import Template

from gradts_engine.errors import UsageError

KINDS = ("tasks", "encoder", "strategy", "executor")
FILES = Path(__file__).with_name("files")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def create(name: str, kind: str, parent: Path) -> Path:
    """Write the package `gradts-NAME` into a new folder of that name in `parent`, and return the folder.

    Raises UsageError for a name that no package can have, or an installed one has, and where the folder exists.
    """
    name = name.removeprefix("gradts-")
    if not NAME.fullmatch(name) or len(name) > 50:
        raise UsageError(f"{name!r} is not a plugin's name, expected a-z, 0-9 and '-', such as my-tasks")
    names = {"name": name, "distribution": f"gradts-{name}", "module": f"gradts_{name.replace('-', '_')}", "kind": kind}
    if any(metadata.distributions(name=names["distribution"])):
        raise UsageError(f"{names['distribution']} is installed, and another one would take its place; choose another name")
    folder = parent / names["distribution"]
    if folder.exists():
        raise UsageError(f"{folder} exists; choose another name, or move it away")
    try:
        for part in ("common", kind):
            _write(FILES / part, folder, names)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return folder


def _write(source: Path, target: Path, names: dict[str, str]) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for entry in source.iterdir():
            _write(entry, target / Template(entry.name).substitute(names).removesuffix(".txt"), names)
    else:
        target.write_text(Template(source.read_text(encoding="utf-8")).substitute(names), encoding="utf-8")
