"""Matrices as pictures: a colour and digits in each cell, names beside and above, as the terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradts_engine.tables import bounds, cell

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

WIDTH, HEIGHT, GAP, SIZE = 46, 26, 6, 14
"""Pixels: a cell's width and height, the space around names, the height of letters."""


def draw(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """A matrix and the names of its rows and columns as pixels [height, width, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(SIZE)
    names = [_name(name, font) for name in columns]
    turned = any(name.width > WIDTH for name in names)
    names = [name.rotate(90, expand=True) for name in names] if turned else names
    left, top = max(_name(name, font).width for name in rows), max(name.height for name in names)
    size = (left + WIDTH * len(columns) + GAP, top + HEIGHT * len(rows) + GAP)
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    for x, name in enumerate(names):
        picture.paste(name, (left + x * WIDTH + (WIDTH - name.width) // 2, top - name.height))
    low, high = bounds(matrix[np.isfinite(matrix)].tolist())
    for y, row in enumerate(rows):
        pen.text((left - GAP, top + (y + 0.5) * HEIGHT), row, "black", font, anchor="rm")
        for x, value in enumerate(matrix[y].tolist()):
            text = cell(value, low, high)
            ink, paper = (text.style.color, text.style.bgcolor) if not isinstance(text.style, str) else (None, None)
            corner = (left + x * WIDTH, top + y * HEIGHT)
            pen.rectangle((*corner, corner[0] + WIDTH - 1, corner[1] + HEIGHT - 1), paper.name if paper else "white")
            middle = (corner[0] + WIDTH / 2, corner[1] + HEIGHT / 2)
            pen.text(middle, text.plain, ink.name if ink else "grey", font, anchor="mm")
    return np.asarray(picture)


def _name(text: str, font: FreeTypeFont | ImageFont) -> Image:
    """A name on a strip of its own, so that it can be turned."""
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (int(font.getlength(text)) + 2 * GAP, SIZE + 2 * GAP), "white")
    ImageDraw.Draw(strip).text((GAP, strip.height / 2), text, "black", font, anchor="lm")
    return strip
