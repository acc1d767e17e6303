"""A hook of the site: links out of docs/ (the README, code, plugins) lead to pages or name their file, since the site has no
files beside its pages. Links that lead nowhere stay as they are, and the strict build fails on them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: object, **_: object) -> str:
    """The page with such links as code; the file has to exist."""
    folder = (ROOT / "docs" / page.file.src_uri).parent  # type: ignore[attr-defined]

    def named(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(ROOT / "docs") or not target.exists():
            return link[0]
        return f"{link[1]} (`{target.relative_to(ROOT).as_posix()}`)"

    return LINK.sub(named, markdown)
