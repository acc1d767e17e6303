"""Draws the rooms in docs/architecture.md from the import contracts: `python docs/make_rooms.py`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def layers(name: str) -> list[list[str]]:
    """Modules of each layer of a contract, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = (c for c in contracts if c["name"].startswith(name))
    return [re.split(r" [:|] ", layer.replace("gradts_engine.", "")) for layer in contract["layers"]]


def drawn(found: list[list[str]]) -> str:
    """A line a layer."""
    return "\n".join(line for names in found for line in [" . ".join(names)])


def page(text: str) -> str:
    """The page with the rooms as they are."""
    rooms = ["gradts_tui", *drawn(layers("Imports point down")).splitlines()]
    blocks = iter(["\n".join(rooms), drawn(layers("In the runtime"))])
    return re.sub(r"```text\n.*?```", lambda _: f"```text\n{next(blocks)}\n```", text, flags=re.DOTALL)


if __name__ == "__main__":
    path = ROOT / "docs" / "architecture.md"
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
