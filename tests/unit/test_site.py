"""The documentation site builds with every link checked, and fetches nothing."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_builds_and_needs_no_network(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    pages = {p.relative_to(tmp_path / "site").as_posix(): p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.html")}
    assert {"index.html", "method.html", "api.html", "howto/own-data.html"} <= set(pages)
    for name, text in pages.items():
        fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(https?://[^\"]*\.(?:js|css|png|woff2?))", text)
        assert not fetched, name
    assert "PrimaryResults" in pages["api.html"]
