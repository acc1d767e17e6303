"""A trial's gain is told against the primary alone in the same seed, wherever it is told."""

from rich.console import Console

from gradts_engine import tables
from gradts_engine.page.drawing import trials as bars
from gradts_engine.report import PrimaryResults, Trial


def trial(score: float, repeat: int, *names: str) -> Trial:
    return Trial(names, dict.fromkeys(names, 16), score, "", repeat, 1.0)


FOUND = PrimaryResults(
    "accuracy",
    "embedding",
    (),
    {},
    {},
    (trial(0.5, 0), trial(0.625, 0, "topic"), trial(0.75, 1), trial(0.5, 1, "topic"), trial(0.25, 2, "topic")),
    *[None] * 4,
)


def test_each_seed_has_a_primary_alone_of_its_own():
    console = Console(width=100)
    with console.capture() as capture:
        console.print(tables.trials(FOUND))
    rows = [line.split() for line in capture.get().splitlines() if "topic" in line or "alone)" in line]
    assert [row[0] for row in rows] == ["1", "1", "2", "2", "3"]
    gains = [next((cell for cell in row if cell[0] in "+-"), "") for row in rows]
    assert gains == ["", "+0.1250", "", "-0.2500", ""]  # of the third seed, nobody knows the primary alone
    assert (FOUND.alone, FOUND.alone_in(1), FOUND.alone_in(2)) == (0.5, 0.75, None)


def test_bars_are_of_one_seed():
    drawn = bars(FOUND)
    assert drawn is not None
    assert [bar.name for bar in drawn.bars] == ["alone", "topic"]
