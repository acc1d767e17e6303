"""What docs/architecture.md says is so: its rooms are those of the contracts, its streets lead through files that there are."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def test_the_rooms_are_those_of_the_contracts():
    spec = spec_from_file_location("make_rooms", ROOT / "docs" / "make_rooms.py")
    make_rooms = module_from_spec(spec)
    spec.loader.exec_module(make_rooms)
    text = PAGE.read_text(encoding="utf-8")
    assert make_rooms.page(text) == text, "the rooms have changed: python docs/make_rooms.py"
    assert "runtime\n" in text


def test_each_room_that_is_drawn_is_there_and_each_that_is_there_is_drawn():
    rooms, runtime = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    for drawn, folder in ((rooms, ROOT / "gradts_engine"), (runtime, ROOT / "gradts_engine" / "runtime")):
        names = {name for name in re.split(r"[\s.]+", drawn) if name} - {"gradts_tui"}
        there = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
        assert names <= there
        assert there - names <= {"__init__", "testing", "scaffold", "demo", "__pycache__"}


def test_the_three_streets_lead_through_files_that_there_are():
    text = PAGE.read_text(encoding="utf-8")
    streets = re.split(r"^## ", text, flags=re.MULTILINE)[2:]
    assert [street.splitlines()[0] for street in streets] == [
        "A row to a model",
        "An event to a pixel",
        "A key press to a decision",
    ]
    for street in streets:
        stops = re.findall(r"`(gradts_\w+/[\w/]+\.py)`", street)
        assert len(stops) > 5
        assert [stop for stop in stops if not (ROOT / stop).is_file()] == []
