"""The table of pairs: it grows by whole rows, and never mixes protocols."""

import csv
import math
from dataclasses import replace

import numpy as np
import pandas
import pytest
from scipy import stats

from gradts_engine.errors import UsageError
from gradts_engine.studies.pairs import ALONE, Cell, Row, append, cells, gains, measure, mend, read, read_some
from gradts_engine.studies.truth import truth

CANDIDATES = {"a": ("b", "c"), "b": ("a",)}


def row(cell, score=50.0, key="k"):
    return Row(cell.target, cell.source, cell.seed, score, "accuracy", 1.5, key)


def test_a_seed_is_whole_before_the_next_begins():
    found = list(cells(CANDIDATES, 2))
    assert found[:5] == [Cell("a", ALONE, 0), Cell("a", "b", 0), Cell("a", "c", 0), Cell("b", ALONE, 0), Cell("b", "a", 0)]
    assert found[5:] == [replace(cell, seed=1) for cell in found[:5]]


def test_what_is_in_the_table_is_not_trained_again(tmp_path):
    path, trained, told = tmp_path / "pairs.csv", [], []
    wanted = dict.fromkeys(cells(CANDIDATES, 1), "k")

    def train(missing, stop):
        for cell in missing:
            if len(trained) == stop:
                raise KeyboardInterrupt
            trained.append(cell)
            yield row(cell, score=len(trained))

    with pytest.raises(KeyboardInterrupt):
        measure(path, wanted, lambda missing: train(missing, 2), lambda *n: told.append(n))
    assert told == [(0, 5), (1, 5), (2, 5)]
    append(path, row(Cell("another", "study", 7), key="another"))
    rows = measure(path, wanted, lambda missing: train(missing, None), lambda *n: told.append(n))
    assert trained == list(wanted)
    assert [r.score for r in rows] == [1, 2, 3, 4, 5]
    assert told[3:] == [(2, 5), (3, 5), (4, 5), (5, 5)]


def test_a_table_is_plain_csv(tmp_path):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell('with "quote", comma', ALONE, 0), score=math.nan))
    append(path, row(Cell("a", "b", 1), score=12.34567))
    frame = pandas.read_csv(path, keep_default_na=False, na_values={"score": ["nan"]})
    assert list(frame.columns) == ["target", "source", "seed", "score", "metric", "seconds", "key"]
    assert frame["target"].tolist() == ['with "quote", comma', "a"]
    assert frame["source"].tolist() == ["", "b"]
    assert math.isnan(frame["score"][0])
    assert frame["score"][1] == 12.3457


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_that_a_crash_cut_is_made_again(tmp_path, cut):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell("a", ALONE, 0)))
    whole = path.read_bytes()
    append(path, row(Cell("a", "b", 0)))
    path.write_bytes(path.read_bytes()[:-cut])
    cut_off = path.read_bytes()
    mend(path)
    assert [r.source for r in read(path)] == [ALONE]
    assert path.read_bytes() == whole
    path.write_bytes(cut_off)  # as a study that goes on finds it
    wanted = {Cell("a", ALONE, 0): "k", Cell("a", "b", 0): "k"}
    measure(path, wanted, lambda missing: (row(cell, score=51.0) for cell in missing), lambda *n: None)
    assert [(r.source, r.score) for r in read(path)] == [(ALONE, 50.0), ("b", 51.0)]


@pytest.mark.parametrize("left", ["", "target,sou", "target,source,seed,score,metric,seconds,key"])
def test_a_header_that_a_crash_cut_is_made_again(tmp_path, left):
    path = tmp_path / "pairs.csv"
    path.write_text(left)
    assert read(path) == []
    mend(path)
    append(path, row(Cell("a", ALONE, 0)))
    assert len(read(path)) == 1


def test_reading_changes_nothing_and_takes_a_whole_last_row_without_an_end(tmp_path):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell("a", ALONE, 0)))
    append(path, row(Cell("a", "b", 0)))
    for left, sources in ((path.read_bytes()[:-1], [ALONE, "b"]), (path.read_bytes()[:-8], [ALONE])):
        path.write_bytes(left)
        assert [r.source for r in read(path)] == sources
        assert path.read_bytes() == left


def test_a_whole_last_row_without_an_end_is_checked_as_any_other(tmp_path):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell("a", ALONE, 0)))
    path.write_text(path.read_text() + "a,,0,51,accuracy,1,k")
    with pytest.raises(UsageError, match=r":3: a alone, seed 0: score 51\.0000, but 50\.0000"):
        read(path)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ([Cell("a", ALONE, 0)], "no target has both rows with a source and rows alone"),
        ([Cell("a", "b", 0)], "no target has both"),
        ([Cell("a", "b", 0), Cell("a", ALONE, 0), Cell("c", "b", 0)], "target c has no row alone"),
    ],
)
def test_gains_need_a_primary_alone_and_with_others(tmp_path, made, words):
    for cell in made:
        append(tmp_path / "pairs.csv", row(cell))
    with pytest.raises(UsageError, match=words):
        read_some(tmp_path / "pairs.csv")


def test_what_was_trained_otherwise_is_refused_before_anything_is_trained(tmp_path):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell("a", "b", 1), key="0123"))
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"pairs\.csv: a with b, seed 1, was trained with other settings"):
        measure(path, dict.fromkeys(cells(CANDIDATES, 2), "4567"), lambda missing: pytest.fail("trained"), lambda *n: None)
    assert path.read_bytes() == before


def test_gains_are_taken_seed_by_seed():
    scores = {("a", ALONE): (50, 60), ("a", "b"): (51, 64), ("a", "c"): (math.nan, 57), ("b", ALONE): (10, 20)}
    rows = [row(Cell(*pair, seed), score) for pair, both in scores.items() for seed, score in enumerate(both)]
    found = gains(rows, CANDIDATES, 2)
    np.testing.assert_array_equal(found["a"], [[1, 4], [math.nan, -3]])
    np.testing.assert_array_equal(found["b"], [[math.nan, math.nan]])
    told = truth(rows, CANDIDATES, 2)
    assert list(told["primaries"]["a"]["candidates"]) == ["b", "c"]
    assert told["primaries"]["a"]["candidates"]["b"]["gain"] == 2.5
    low, high = stats.ttest_1samp([1, 4], 0).confidence_interval()
    assert (told["primaries"]["a"]["candidates"]["b"]["low"], told["primaries"]["a"]["candidates"]["b"]["high"]) == (
        round(low, 3),
        round(high, 3),
    )
    assert told["primaries"]["b"] == {
        "metric": "accuracy",
        "alone": 15.0,
        "reliability": None,
        "candidates": {"a": {"gain": None, "low": None, "high": None}},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", ":1: no column target"),
        ("a note", ":1: no column target"),
        ("target,source,seed,score,metric,seconds,key\na,,x,1,accuracy,1,p\n", ":2: broken row .*delete it"),
        ("target,source,seed,score,metric,seconds,key\na,,0\n", ":2: fewer cells"),
        ("target,source,seed,score,metric,seconds,key\na,,-1,1,accuracy,1,p\n", ":2: broken row .*a seed from 0"),
        ("target,source,seed,score,metric,seconds,key\na,,0,inf,accuracy,1,p\n", ":2: broken row .*a finite score"),
        (
            "target,source,seed,score,metric,seconds,key\na,,0,1,accuracy,1,p\na,,0,2,accuracy,1,p\n",
            ":3: a alone, seed 0: score 2.0000, but 1.0000 is in a row before; delete one",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, text, words):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read(path)
    assert path.read_text() == text
    assert list(csv.reader(path.open()))
