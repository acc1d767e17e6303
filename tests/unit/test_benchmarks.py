"""The frame of the benchmarks: what its rows say. Nothing here asserts how long something takes."""

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import readme, real, scaling, scoring, startup, tau
from benchmarks.__main__ import NAMES, main
from benchmarks.frame import Case, Close, Measured, measure, summary

FOUR_TIMES = Case("four", 3, partial(Measured, 2.0, "same", "a"), partial(Measured, 8.0, "same"), facts={"rows": 10}, turns=2)
SEEN = {"ours": ["a", "a"], "baseline": [None, None]}
SECONDS = Case("seconds", 0.35, partial(Measured, 0.5), at_most=True, turns=2)

COUNTER = """
from benchmarks.frame import Measured
calls = []
def count(step):
    calls.append(step)
    return Measured(float(sum(calls)))
"""


@pytest.mark.parametrize(("tasks", "primaries"), [(5, 1), (5, 5)])
def test_simulated_devices(tasks, primaries):
    """One device is never idle; more of them are never faster than the longest chain of jobs, or than all of them at work."""
    one, three = (scaling.Run(tasks, primaries, devices, 1).simulated() for devices in (1, 3))
    assert one.seconds == pytest.approx(scaling.START + one.work)
    assert max(three.chain, three.work / 3) + scaling.START <= three.seconds < one.seconds
    assert one.jobs == three.jobs > 2 * tasks + 5 * primaries


def test_rows():
    with_baseline, without = measure("fake", [FOUR_TIMES, SECONDS])
    expected = {"name": "fake", "case": "four", "ratio": 4.0, "low": 4.0, "high": 4.0, "target": 3, "unit": "x", "met": True}
    assert with_baseline.items() >= {**expected, "ours": 2.0, "baseline": 8.0, "turns": 2, "rows": 10, "seen": SEEN}.items()
    assert without.items() >= {"case": "seconds", "ratio": 0.5, "unit": "s", "met": False, "baseline": None}.items()
    assert {"machine", "device", "threads", "load", "date", "versions"} < with_baseline.keys()


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
    found = summary(case, [(Measured(a), Measured(b)) for a, b in [(1, 4), (2, 4), (1, 8), (2, 8), (1, 4)]])
    assert [found[key] for key in ("ratio", "low", "high", "met", "ours", "baseline")] == [ratio, low, high, met, 1, 4]


def test_each_side_stays_in_a_process_of_its_own_and_the_first_turn_does_not_count(tmp_path, monkeypatch):
    """In one process, the two sides would add to the same sum."""
    (tmp_path / "counter.py").write_text(COUNTER)
    monkeypatch.syspath_prepend(tmp_path)
    from counter import count

    (row,) = measure("fake", [Case("counts", 1, partial(count, 1), partial(count, 10), turns=5)])
    assert (row["ours"], row["baseline"]) == (4, 40)  # the medians of 2 to 6 and of 20 to 60


def test_different_results_are_an_error():
    case = Case("wrong", 1, partial(Measured, 1.0, "ours"), partial(Measured, 1.0, "theirs"))
    with pytest.raises(AssertionError, match="wrong: the two sides computed different things"):
        next(measure("fake", [case]))


def test_close_results_are_equal():
    assert Close([1.0, 2.0], 0.1) == Close([1.05, 1.95], 0.1)
    assert Close([1.0, 2.0], 0.1) != Close([1.0, 2.2], 0.1)
    assert Close([1.0, float("nan")], 0.1) != Close([1.0, 2.0], 0.1)


def test_command_prints_a_table_and_writes_json(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(startup, "cases", lambda: [FOUR_TIMES, SECONDS])
    outcome = CliRunner().invoke(main, ["startup", "--turns", "1", "--json", str(tmp_path / "rows.json")], catch_exceptions=False)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["case"], row["ratio"], row["turns"], row["device"]) for row in rows] == [
        ("four", 4.0, 1, "cpu"),
        ("seconds", 0.5, 1, "cpu"),
    ]
    assert "4 x" in outcome.output
    assert "0.5 s" in outcome.output
    assert "threads: " in outcome.output


def test_every_benchmark_has_cases_with_names_of_their_own():
    assert {"memory", "pipeline", "scoring", "startup", "tau", "training"} <= set(NAMES) == set(readme.MEANING)
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


def test_sides_of_scoring_compute_the_same(data_dir, monkeypatch):
    monkeypatch.setenv("GRADTS_DATA", str(data_dir))
    monkeypatch.setattr(scoring, "ROWS", 12)
    monkeypatch.setattr(scoring, "PART", 3)
    for case in ("cola", "chunk_conll2000"):
        ours, baseline = scoring.ours(case), scoring.baseline(case)
        assert len(ours.result.numbers) == 4 * 72
        assert ours.result == baseline.result
    real.encoded.cache_clear()
    scoring.tuned.cache_clear()


def test_benchmarks_without_data_are_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADTS_DATA", str(tmp_path))
    outcome = CliRunner().invoke(main, ["scoring"], catch_exceptions=False)
    assert "scoring: skipped, no data in" in outcome.output.replace("\n", " ")
    assert outcome.exit_code == 0


def test_rows_that_were_not_measured_again_are_kept_and_the_readme_shows_all(tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "cases", lambda: [SECONDS])
    monkeypatch.setattr(tau, "cases", lambda: [FOUR_TIMES])
    rows, page = tmp_path / "rows.json", tmp_path / "page.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    for name in ("tau", "startup", "startup"):
        arguments = [name, "--json", str(rows), "--readme", str(page)]
        assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    assert [row["case"] for row in json.loads(rows.read_text())] == ["four", "seconds"]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "four **4x (4 to 4)**" in text
    assert "seconds 0.5 s (0.5 to 0.5), target 0.35 s" in text


def test_the_readme_shows_the_committed_rows():
    root = Path(__file__).resolve().parents[2]
    rows = json.loads((root / "benchmarks" / "results.json").read_bytes())
    assert readme.table(rows) in (root / "README.md").read_text(encoding="utf-8")
    assert {row["name"] for row in rows} <= set(NAMES)
