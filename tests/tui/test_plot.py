"""Curves in characters."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from gradts_tui.driver import Ascii
from gradts_tui.plot import DOTS, MARK, dots, plot, thinned

values = st.floats(-1e3, 1e3).map(lambda y: round(y, 4))
lines = st.lists(values, max_size=300).map(lambda ys: [(i + 0.5, y) for i, y in enumerate(ys)])


@given(lines, st.lists(values, max_size=8), st.integers(1, 120), st.integers(1, 30))
@example([(0.5, 0.0), (1.5, 1.0)], [], 6, 3)
def test_it_has_the_size_that_was_asked_for(line, scores, width, height):
    points = [(10.0 * i, y) for i, y in enumerate(scores, 1)]
    drawn = plot(line, points, max(len(line), 100), (width, height), ("bold", "red"))
    assert len(drawn) in (0, height)
    assert all(len(text.plain) <= width for text in drawn)


@given(st.lists(values, min_size=2, max_size=40), st.integers(2, 40), st.integers(1, 12))
def test_the_line_goes_through_every_point_without_a_gap(ys, width, height):
    end = float(len(ys))
    line = thinned([(i + 0.5, y) for i, y in enumerate(ys)], end, width * 2)
    grid = dots(line, end, width, height)
    lit = [[bool(grid[r // 4][c // 2] & DOTS[r % 4][c % 2]) for c in range(width * 2)] for r in range(height * 4)]
    columns = [{r for r in range(height * 4) if lit[r][c]} for c in range(width * 2)]
    used = [c for c, rows in enumerate(columns) if rows]
    assert used == list(range(used[0], used[-1] + 1))
    for before, after in pairwise(used):
        assert min(abs(a - b) for a in columns[before] for b in columns[after]) <= 1
    least = min(range(len(line)), key=lambda i: line[i][1])
    if line[least][1] < max(y for _, y in line):
        assert max(columns[int(line[least][0] / end * width * 2)]) == height * 4 - 1


def test_axes_name_the_ends_of_both_scales():
    drawn = plot([(0, 0.9), (50, 0.5), (100, 0.1)], [(50, 0.6), (100, 0.8)], 100, (40, 10), ("bold", "red"))
    top, bottom, foot = drawn[0].plain, drawn[-2].plain, drawn[-1].plain
    assert top.startswith("0.9 ")
    assert top.endswith(f"{MARK} 0.8")
    assert bottom.startswith("0.1 ")
    assert bottom.endswith("0.6")
    assert foot.split() == ["0", "100"]


def test_a_curve_survives_a_terminal_that_knows_ascii_alone():
    drawn = plot([(0, 0.9), (100, 0.1)], [], 100, (40, 10), ("bold", "red"))
    text = "\n".join(line.plain for line in drawn).translate(Ascii())
    assert text.isascii()
    assert "?" not in text
    assert sum(character in ".':" for character in text) >= 20
