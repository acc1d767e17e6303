"""What was found by looking at the screens: filters that let nothing through, wide terminals, light ones."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color as RichColor
from rich.color import ColorSystem
from textual.color import Color
from textual.containers import VerticalScroll
from textual.widgets import OptionList

from gradts_engine import events
from gradts_tui.screens.help import Help
from gradts_tui.state import INFO, RunState, advance
from gradts_tui.themes import THEMES
from gradts_tui.widgets.lines import folds
from gradts_tui.widgets.looks import colour
from gradts_tui.widgets.matrix import MatrixView
from tests.tui.conftest import screen_text, settle
from tests.tui.invented import RUN

pytestmark = pytest.mark.anyio


async def press(app, pilot, *keys: str) -> str:
    """The screen after some keys."""
    await settle(app, pilot)
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


def test_colours_are_those_that_a_terminal_of_256_has():
    levels = {0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF}
    for theme in THEMES.values():
        inks = [getattr(theme, f.name) for f in fields(theme)] + list(theme.variables.values())
        for ink in (ink for ink in inks if isinstance(ink, str) and ink.startswith("#")):
            rgb = set(Color.parse(ink).rgb)
            grey = len(rgb) == 1 and (min(rgb) - 8) % 10 == 0
            assert grey or rgb <= levels, (theme.name, ink)


@pytest.mark.parametrize("theme", THEMES)
async def test_words_are_readable_in_sixteen_colours(ui, theme, monkeypatch):
    for name, value in {"COLORTERM": "", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)

    def sixteen(colour):
        return colour.downgrade(ColorSystem.STANDARD).get_truecolor().hex

    for phase in ("failed", "judged-done"):
        app = ui(phase, theme=theme)
        async with app.run_test(size=(80, 24)) as pilot:
            app.show(app.first)
            for key in ("1", "2", "3", "4", "5", "6", "r", "slash", "escape", "question_mark", "escape", "ctrl+p"):
                await press(app, pilot, key)
                above = {"ctrl+p": OptionList, "question_mark": VerticalScroll}.get(key)  # what is behind it is dimmed
                place = (app.screen.query_one(above) if above else app.screen).region
                lines = app.screen._compositor.render_strips()[place.y : place.bottom]
                drawn = [s for line in lines for s in line.crop(place.x, place.right) if any(map(str.isalnum, s.text))]
                pairs = {(sixteen(s.style.color), sixteen(s.style.bgcolor)): s.text for s in drawn}
                assert {key: text for key, text in pairs.items() if contrast(*key) < 2} == {}, key


def test_states_are_bright_in_sixteen_colours_where_contrast_is_asked_for():
    inks = [THEMES["high-contrast"].variables[f"text-{name}"] for name in ("success", "warning", "error", "accent")]
    assert [ink for ink in inks if RichColor.parse(ink).downgrade(ColorSystem.STANDARD).number < 8] == []


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


async def test_what_a_filter_finds_is_not_folded_and_what_was_folded_is_again(ui):
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        before = await press(app, pilot)
        assert "wnut17  " not in before
        assert await press(app, pilot, "slash", *"wnut", "enter") != before
        assert screen_text(app).count("✓ wnut17") == 3  # embedded, tuned, scored
        assert await press(app, pilot, "escape") == before


async def test_a_list_of_runs_without_a_match_says_so(ui):
    app = ui("done", run=None)
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        assert "Nothing here has 'mrs' in its name" in await press(app, pilot, "slash", *"mrs", "enter")
        assert "glue-5f3a91c7" in await press(app, pilot, "escape")


async def test_tabs_can_be_clicked(ui):
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        line = (await press(app, pilot)).splitlines()[1]
        for name in ("Results", "Log", "Runs"):
            await pilot.click(offset=(line.index(name) + 1, 1))
            await settle(app, pilot)
            assert name.lower() == app.screen.NAME
            if name != "Runs":
                line = screen_text(app).splitlines()[1]


async def test_a_log_that_follows_is_at_its_end_whatever_its_size(ui):
    app = ui("done")
    async with app.run_test(size=(100, 30)) as pilot:
        app.show(app.first)
        await press(app, pilot, "6")
        for size in ((80, 24), (61, 17), (140, 40), (62, 20)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot)
            lines = screen_text(app).splitlines()
            assert lines[-3].split("  ")[1].strip() == "run done", lines
            assert "following" in lines[-2]
        words = "".join("".join(line.rstrip("▁▂▃▄▅▆▇█") for line in lines).split())  # without the scroll bar
        assert f"in/home/ada/experiments/.gradts/runs/{RUN}/models/rte" in words  # wrapped, not cut


@given(st.lists(st.text("ab", min_size=1, max_size=15), max_size=12).map(" ".join), st.integers(1, 20))
def test_long_lines_are_cut_between_words(text, room):
    parts = [text[start:end] for start, end in folds(text, room)]
    assert max(map(len, parts)) <= room
    words = [word for part in parts for word in part.split()]
    assert "".join(words) == text.replace(" ", "")
    assert [word for word in text.split() if len(word) <= room and word not in words] == []


async def test_titles_of_two_large_maps_are_whole_in_80_columns(ui):
    app = ui("scored", sizes={"rte": 40, "mrpc": 40}, shape=(24, 16))
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        lines = (await press(app, pilot, "2", "v")).splitlines()
        title = next(line for line in lines if "heads 0-7" in line)
        assert title.count("heads 0-7") == 2
        assert title.split()[0] == "rte"
        assert " mrpc " in title
        assert "\N{HORIZONTAL ELLIPSIS}" not in title


async def test_a_trial_is_told_once_and_as_its_stage_is_named(ui):
    app = ui("done")
    run = app.first.runs[0]
    told = [line.text for line in run.log if line.level >= INFO and "mrpc + qnli" in line.text and "epoch" not in line.text]
    assert told == ["trial rte + mnli + mrpc + qnli: 0.6931"]


async def test_names_that_differ_at_their_ends_can_be_told_apart(ui):
    sizes = {"rte": 24} | {f"a_very_long_name_of_a_task_{i:02}": 24 for i in range(6)}
    app = ui("scored", sizes=sizes)
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        text = await press(app, pilot, "3")
        for i in range(6):
            assert f"task_{i:02}" in text
        assert "a_very_l" in text


def test_time_of_work_is_not_that_of_nights_and_pauses():
    started = events.RunStarted("r", "/t.toml", "e", ("a",), ("a",), ("cpu",), {}, {})
    told = [
        (100.0, started),
        (110.0, events.Warned("x")),
        (120.0, events.RunEnded("waiting")),
        (9000.0, started),
        (9005.0, events.RunPaused()),
        (9500.0, events.RunResumed()),
        (9507.0, events.RunEnded("done")),
    ]
    run = RunState("r", Path("/r"))
    for seq, (when, event) in enumerate(told, 1):
        run = advance(run, [(seq, when, event)])
    at_once = advance(RunState("r", Path("/r")), [(i, when, event) for i, (when, event) in enumerate(told, 1)])
    assert run.worked == at_once.worked == 20 + 5 + 7


async def test_trials_to_come_are_a_branch_before_they_begin(ui):
    app = ui("running")
    async with app.run_test(size=(120, 60)) as pilot:
        app.show(app.first)
        line = next(line for line in (await press(app, pilot)).splitlines() if "Trials of rte" in line)
        assert "up to 8" in line


async def test_repeats_with_other_seeds_are_told_apart(ui):
    app = ui("done")
    run, now = app.first.runs[0], app.first.now
    for stage, subject, about in (
        ("trial", "rte + mnli, repeat 1", events.About("rte", (("mnli", None),), 1)),
        ("tune", "cola, repeat 1", events.About("cola", (), 1)),
    ):
        started = events.StageStarted(stage, subject, f"key of {subject}", about)
        run = advance(run, [(run.seq + 1, now, started)], run.engine)
    app.first = replace(app.first, runs=(run,))
    async with app.run_test(size=(120, 60)) as pilot:
        app.show(app.first)
        text = await press(app, pilot)
        assert "+ mnli, repeat 1" in text
        assert "cola, repeat 1" in text
        assert "8 of 9" in text  # tuned


async def test_a_run_that_computes_no_importance_says_so(ui):
    app = ui("running")
    run = app.first.runs[0]
    lean = replace(run.view, started=replace(run.view.started, needs=("state",)), stages={}, named={})
    app.first = replace(app.first, runs=(replace(run, view=lean),))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(app.first)
        for key in ("2", "3"):
            assert "computes no importance of heads" in await press(app, pilot, key)


async def test_green_red_and_blue_are_those_of_the_theme_wherever_they_are_said(ui):
    for theme in ("light", "high-contrast"):
        app = ui("done", theme=theme)
        async with app.run_test(size=(80, 24)) as pilot:
            app.show(app.first)
            for key, word, ink in (("1", "+0.0759", "text-success"), ("4", "-0.0073", "text-error"), ("2", "█", "primary")):
                await press(app, pilot, key)
                drawn = [s for strip in app.screen._compositor.render_strips() for s in strip if word in s.text]
                assert {s.style.color.get_truecolor().hex for s in drawn} == {theme_ink(app, ink)}, (theme, word)


def theme_ink(app, name):
    theme = app.current_theme
    return theme.primary if name == "primary" else theme.variables[name]
