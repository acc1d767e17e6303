"""The frame of the benchmarks: what its rows say. Nothing here asserts how long something takes."""

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import startup, tau
from benchmarks.__main__ import NAMES, main
from benchmarks.frame import Case, Measured, measure, summary

FOUR_TIMES = Case("four", 3, partial(Measured, 2.0, "same"), partial(Measured, 8.0, "same"), facts={"rows": 10})
SECONDS = Case("seconds", 0.35, partial(Measured, 0.5), at_most=True)

COUNTER = """
from benchmarks.frame import Measured
calls = []
def count(step):
    calls.append(step)
    return Measured(float(sum(calls)))
"""


def test_rows():
    with_baseline, without = measure("fake", [FOUR_TIMES, SECONDS], turns=2)
    expected = {"name": "fake", "case": "four", "ratio": 4.0, "low": 4.0, "high": 4.0, "target": 3, "unit": "x", "met": True}
    assert with_baseline.items() >= {**expected, "ours": 2.0, "baseline": 8.0, "turns": 2, "rows": 10}.items()
    assert without.items() >= {"case": "seconds", "ratio": 0.5, "unit": "s", "met": False, "baseline": None}.items()
    assert {"machine", "threads", "load", "date", "versions"} < with_baseline.keys()


@pytest.mark.parametrize(
    ("at_most", "target", "ratio", "low", "high", "met"),
    [
        (False, 4, 4, 2, 8, True),
        (False, 4.1, 4, 2, 8, False),
        (True, 0.25, 0.25, 0.125, 0.5, True),
        (True, 0.2, 0.25, 0.125, 0.5, False),
    ],
)
def test_median_and_spread_are_of_turns(at_most, target, ratio, low, high, met):
    case = Case("x", target, FOUR_TIMES.ours, FOUR_TIMES.baseline, at_most)
    found = summary(case, [(1, 4), (2, 4), (1, 8), (2, 8), (1, 4)])
    assert [found[key] for key in ("ratio", "low", "high", "met", "ours", "baseline")] == [ratio, low, high, met, 1, 4]


def test_each_side_stays_in_a_process_of_its_own_and_the_first_turn_does_not_count(tmp_path, monkeypatch):
    """In one process, the two sides would add to the same sum."""
    (tmp_path / "counter.py").write_text(COUNTER)
    monkeypatch.syspath_prepend(tmp_path)
    from counter import count

    (row,) = measure("fake", [Case("counts", 1, partial(count, 1), partial(count, 10))], turns=5)
    assert (row["ours"], row["baseline"]) == (4, 40)  # the medians of 2 to 6 and of 20 to 60


def test_different_results_are_an_error():
    case = Case("wrong", 1, partial(Measured, 1.0, "ours"), partial(Measured, 1.0, "theirs"))
    with pytest.raises(AssertionError, match="wrong: the two sides computed different things"):
        next(measure("fake", [case], turns=1))


def test_command_prints_a_table_and_writes_json(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(startup, "cases", lambda: [FOUR_TIMES, SECONDS])
    outcome = CliRunner().invoke(main, ["startup", "--json", str(tmp_path / "rows.json")], catch_exceptions=False)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["name"], row["case"], row["ratio"]) for row in rows] == [("startup", "four", 4.0), ("startup", "seconds", 0.5)]
    assert "4 x" in outcome.output
    assert "0.5 s" in outcome.output
    assert "threads: " in outcome.output


def test_every_benchmark_has_cases_with_names_of_their_own():
    assert {"startup", "tau"} <= set(NAMES)
    assert len({case.name for case in tau.cases()}) == 12
    assert {case.name for case in tau.cases()} > {f"{mains}x{heads}" for mains in (1, 8) for heads in (72, 144, 384)}
    assert len({case.name for case in startup.cases()}) == 4


def test_sides_of_tau_compute_the_same(monkeypatch):
    monkeypatch.setattr(tau, "INSTANCES", 40)
    monkeypatch.setattr(tau, "CALLS", 16)
    tau.rankings.cache_clear()
    for case in tau.cases():
        ours, baseline = case.ours(), case.baseline()
        assert len(ours.result) == 16 * 8
        assert ours.result == baseline.result
    tau.rankings.cache_clear()


def test_startup_commands_answer_as_expected():
    assert all(case.ours().value > 0 for case in startup.cases())
