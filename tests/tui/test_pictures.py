"""The pictures of the documentation are what the UI draws now."""

import os
import re
from pathlib import Path

import pytest

from tests.tui.conftest import settle

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SHOWN = {
    "run": ("trials", (120, 40), "dark", []),
    "select": ("waiting", (80, 24), "light", ["4"]),
    "correlation": ("done", (200, 60), "dark", ["3", "down"]),
    "importance": ("done", (120, 40), "high-contrast", ["2", "v", "down", "right"]),
}

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", SHOWN)
async def test_picture(name, ui):
    phase, size, theme, keys = SHOWN[name]
    app = ui(phase, theme=theme)
    async with app.run_test(size=size) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        for key in keys:
            await pilot.press(key)
            await settle(app, pilot)
        drawn = own_font(app.export_screenshot())
    path = PICTURES / f"{name}.svg"
    if os.environ.get("GRADTS_PICTURES") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert path.exists(), f"no {path}: make it with `make pictures`"
    assert drawn == path.read_text(encoding="utf-8"), f"{path} is not what the UI draws now: look, and `make pictures`"


def own_font(svg: str) -> str:
    """With the reader's own font: nothing is loaded from elsewhere."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*Fira Code[^;]*;", "font-family: monospace;", svg)
