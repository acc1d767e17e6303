"""What was found by looking at the screens: filters that let nothing through, wide terminals, light ones."""

import pytest
from textual.color import Color

from gradts_tui.screens.help import Help
from gradts_tui.themes import THEMES
from gradts_tui.widgets.looks import colour
from gradts_tui.widgets.matrix import MatrixView
from tests.tui.conftest import screen_text, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def press(app, pilot, *keys: str) -> str:
    """The screen after some keys."""
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot)
    return screen_text(app)


@pytest.mark.parametrize("key", ["2", "3", "5"])
async def test_a_filter_that_lets_nothing_through_says_so(ui, key):
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        before = await press(app, pilot, key)
        assert "Nothing here" not in await press(app, pilot, "slash", *"RT", "enter")
        assert "Nothing here has 'mrs' in its name" in await press(app, pilot, "slash", *"MRS", "enter")
        after = await press(app, pilot, "escape")
        assert "Nothing here" not in after
        assert after.splitlines()[-1] == before.splitlines()[-1]  # all keys work again


async def test_on_a_wide_screen_what_belongs_together_is_together(ui):
    app = ui("done")
    async with app.run_test(size=(200, 60)) as pilot:
        app.show(app.first)
        lines = (await press(app, pilot)).splitlines()
        assert next(line for line in lines if "Trials of rte" in line).index("4 of 4") < 72
        await press(app, pilot, "2", "v")
        one, two = app.screen.query(MatrixView)
        assert two.region.x < one.whole + 10
        assert app.screen.query_one("#spread").region.y < one.region.bottom + 3
        await press(app, pilot, "3")
        matrix = app.screen.query_one(MatrixView)
        assert app.screen.query_one("#side").region.x < matrix.whole + 10


@pytest.mark.parametrize("theme", THEMES)
async def test_states_are_readable_in_every_theme(ui, theme):
    app = ui("done", theme=theme)
    async with app.run_test(size=(80, 24)):
        for ink in ("text-success", "text-warning", "text-error", "text-accent"):
            for ground in ("panel", "background"):
                assert contrast(colour(app, ink), app.theme_variables[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    """Of two colours, from 1 to 21, as the Web Content Accessibility Guidelines have it; they ask for 4.5."""
    dark, light = sorted(luminance(Color.parse(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Color) -> float:
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_help_leaves_out_keys_that_everybody_knows(ui):
    app = ui("done")
    async with app.run_test(size=(100, 50)) as pilot:
        app.show(app.first)
        text = await press(app, pilot, "2", "question_mark")
        assert isinstance(app.screen, Help)
        assert "Compare" in text
        assert "pgdn" not in text
