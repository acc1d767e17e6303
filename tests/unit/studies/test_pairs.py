"""The table of pairs: it grows by whole rows, and never mixes protocols."""

import csv
import math
from dataclasses import replace

import pandas
import pytest

from gradts_engine.errors import UsageError
from gradts_engine.studies.pairs import ALONE, Cell, Row, append, cells, measure, read

CANDIDATES = {"a": ("b", "c"), "b": ("a",)}


def row(cell, score=50.0, protocol="p"):
    return Row(cell.target, cell.source, cell.seed, score, "accuracy", 1.5, protocol)


def test_a_seed_is_whole_before_the_next_begins():
    found = list(cells(CANDIDATES, 2))
    assert found[:5] == [Cell("a", ALONE, 0), Cell("a", "b", 0), Cell("a", "c", 0), Cell("b", ALONE, 0), Cell("b", "a", 0)]
    assert found[5:] == [replace(cell, seed=1) for cell in found[:5]]


def test_what_is_in_the_table_is_not_trained_again(tmp_path):
    path, trained, told = tmp_path / "pairs.csv", [], []
    wanted = list(cells(CANDIDATES, 1))

    def train(cell):
        if len(trained) == 2 and not told[3:]:
            raise KeyboardInterrupt
        trained.append(cell)
        return row(cell, score=len(trained))

    with pytest.raises(KeyboardInterrupt):
        measure(path, wanted, "p", train, lambda done, of: told.append((done, of)))
    told += [None, None]
    rows = measure(path, wanted, "p", train, lambda done, of: told.append((done, of)))
    assert trained == wanted
    assert [r.score for r in rows] == [1, 2, 3, 4, 5]
    assert told[-1] == (5, 5)
    assert read(path) == rows


def test_a_table_is_plain_csv(tmp_path):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell('with "quote", comma', ALONE, 0), score=math.nan))
    append(path, row(Cell("a", "b", 1), score=12.34567))
    frame = pandas.read_csv(path, keep_default_na=False, na_values={"score": ["nan"]})
    assert list(frame.columns) == ["target", "source", "seed", "score", "metric", "seconds", "protocol"]
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
    assert [r.source for r in read(path)] == [ALONE]
    assert path.read_bytes() == whole
    append(path, row(Cell("a", "b", 0)))
    assert [r.source for r in read(path)] == [ALONE, "b"]


@pytest.mark.parametrize("left", ["", "target,sou", "target,source,seed,score,metric,seconds,protocol"])
def test_a_header_that_a_crash_cut_is_made_again(tmp_path, left):
    path = tmp_path / "pairs.csv"
    path.write_text(left)
    assert read(path) == []
    append(path, row(Cell("a", ALONE, 0)))
    assert len(read(path)) == 1


def test_rows_of_another_protocol_are_refused(tmp_path):
    path = tmp_path / "pairs.csv"
    append(path, row(Cell("a", ALONE, 0), protocol="0123"))
    with pytest.raises(UsageError, match=r"pairs\.csv: was made with other settings.*protocol 0123, this is 4567"):
        read(path, "4567")
    assert len(read(path)) == len(read(path, "0123")) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", ":1: expected a table of pairs"),
        ("a note", ":1: expected a table of pairs"),
        ("target,source,seed,score,metric,seconds,protocol\na,,x,1,accuracy,1,p\n", ":2: broken row .*delete it"),
        ("target,source,seed,score,metric,seconds,protocol\na,,0\n", ":2: broken row"),
    ],
)
def test_other_files_are_refused(tmp_path, text, words):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read(path)
    assert path.read_text() == text
    assert list(csv.reader(path.open()))
