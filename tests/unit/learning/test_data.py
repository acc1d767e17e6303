import csv
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.contracts import Instance
from gradts_engine.errors import ProblemsError, UsageError
from tests.unit.learning.rows import read, rows

KINDS = {"single": "classification", "pair": "classification", "pair-regression": "regression"}


def bad(*args, **fields) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        read(*args, **fields)
    return list(caught.value.problems)


# --- what is read ----------------------------------------------------------------------------------------------------


def test_instances_and_classes():
    data = read(test=rows(("d", "y"), ("e", "q")))
    assert (data.labels, data.unknown) == (("x", "y"), ("q",))
    assert data.splits["train"] == (Instance(0, ("a",), "x"), Instance(1, ("b",), "y"), Instance(2, ("c",), "x"))
    assert data.skipped == {"train": 0, "dev": 0, "test": 0}
    assert (data.name, data.type, data.metric) == ("t", "classification", "accuracy")


def test_columns():
    def pairs():
        return [{"s1": "a", "s2": "b", "y": 1}, {"s1": "c", "s2": "d", "y": False}]

    data = read(pairs, pairs, text=("s1", "s2"), label="y")
    assert data.splits["dev"] == (Instance(0, ("a", "b"), "1"), Instance(1, ("c", "d"), "false"))


def test_given_classes_keep_their_order_and_numbers_have_none():
    assert read(labels=("y", "z", "x")).labels == ("y", "z", "x")
    numbers = read(rows(("a", 1), ("b", "2.5")), rows(("a", 0)), kind="regression")
    assert numbers.labels == ()
    assert [instance.label for instance in numbers.splits["train"]] == [1.0, 2.5]


def test_words():
    sentence = rows((["Bonn", "is"], ["B-LOC", "O"]))
    data = read(sentence, sentence, kind="token_classification")
    assert data.labels == ("B-LOC", "O")
    assert data.splits["train"][0] == Instance(0, ("Bonn", "is"), ("B-LOC", "O"))


def test_limits_count_good_rows():
    dirty = rows(("", "x"), *((str(i), "xy"[i % 2]) for i in range(9)))
    data = read(dirty, limits={"train": 3, "dev": 1}, on_bad_row="skip", order="first")
    assert [instance.row for instance in data.splits["train"]] == [1, 2, 3]
    assert len(data.splits["dev"]) == 1
    assert data.skipped == {"train": 1, "dev": 0}


# --- bad rows --------------------------------------------------------------------------------------------------------


def test_bad_rows_of_all_splits_are_shown_together(tmp_path: Path):
    train, dev = tmp_path / "train.jsonl", tmp_path / "dev.csv"
    lines = [{"text": "a", "label": "x"}, {"txet": "a", "label": "x"}, {"text": " ", "label": "x"}, {"text": "a", "label": 1.5}]
    lines += [{"text": "a", "label": "z"}, {"text": None, "label": "x"}, {"text": "a", "label": None}]
    lines += [{"text": "\ud800", "label": "x"}]
    train.write_text("\n".join(map(json.dumps, lines)))
    dev.write_text("text,label\na,x\nb,yy\n")
    assert bad(str(train), str(dev), labels=("x", "yyy")) == [
        f"{train}:2: no column 'text'; did you mean 'txet'?",
        f"{train}:3: text is empty",
        f"{train}:4: label 1.5 is not a class name (a string or an integer)",
        f"{train}:5: unknown label 'z'",
        f"{train}:6: text is NoneType, expected a string",
        f"{train}:8: text or label holds half a surrogate pair, which is not Unicode",
        f"{dev}:3: unknown label 'yy'; did you mean 'yyy'?",
        "task 't': 7 bad rows in all; correct them, or leave them out with on_bad_row = \"skip\" in [data]",
    ]
    data = read(str(train), str(dev), labels=("x", "yyy"), on_bad_row="skip")
    assert data.skipped == {"train": 6, "dev": 1}
    assert data.splits["train"] == (Instance(0, ("a",), "x"),)


def test_every_damaged_file_is_named(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "x"}\n{"text"')
    (tmp_path / "b.csv").write_text("text,label\na,x,y\n")
    (tmp_path / "c.csv").write_text("text,label\n,x\n")
    named = [str(tmp_path / name) for name in ("a.jsonl", "none.csv", "b.csv", "c.csv")]
    found = bad(tuple(named[:2]), named[2], test=named[3])
    assert [problem.partition(": ")[0] for problem in found] == [
        f"{named[0]}:2",
        named[1],
        f"{named[2]}:2",
        f"{named[3]}:2",
        "task 't'",
    ]


def test_a_bad_row_of_a_file_that_is_two_splits_is_shown_once(tmp_path: Path):
    path = tmp_path / "both.csv"
    path.write_text("text,label\na,x\n,y\nb,y\n")
    assert bad(str(path), str(path)) == [
        f"{path}:3: text is empty",
        "task 't': 1 bad row in all; correct them, or leave them out with on_bad_row = \"skip\" in [data]",
    ]
    assert len(bad(rows(("", "x")), rows(("", "x")))) == 3, "two functions of one name are two sources"


def test_many_bad_rows_are_counted():
    *shown, total = bad(rows(*[("", "x")] * 25))
    assert len(shown) == 10
    assert shown[0].endswith("<lambda>(): row 1: text is empty")
    assert total.startswith("task 't': 25 bad rows in all (15 of them not shown)")


@pytest.mark.parametrize(
    ("kind", "text", "label", "message"),
    [
        ("regression", "a", "high", "label 'high' is not a number"),
        ("regression", "a", float("inf"), "label inf is not a finite number"),
        ("token_classification", ["a", "b"], ["O"], "2 words but 1 labels"),
        ("token_classification", "a b", ["O"], "2 words but 1 labels"),
        ("token_classification", 3, ["O"], "text is int, expected a list of words"),
        ("classification", "a", "x\ny\x1b", "unknown label 'x\\ny\\x1b'"),
    ],
)
def test_bad_row(kind, text, label, message):
    problem, _ = bad(rows((text, label)), kind=kind, dev=rows(), labels=("p", "q"))
    assert problem.endswith(f"row 1: {message}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": rows()}, "<lambda>(): task 't' has no train rows (0 skipped)"),
        ({"dev": rows(("", "x")), "on_bad_row": "skip"}, "<lambda>(): task 't' has no dev rows (1 skipped)"),
        (
            {"train": rows(("a", "x")), "dev": None, "dev_fraction": 0.5},
            "task 't' has 1 row, of which dev_fraction = 0.5 leaves none to train with",
        ),
        ({"train": rows(("a", "x")), "dev": rows(("b", "x"))}, "task 't' has one class, 'x', expected at least 2"),
    ],
)
def test_nothing_to_learn_from(fields, message):
    with pytest.raises(UsageError) as caught:
        read(**fields)
    assert message in str(caught.value)


# --- digest ----------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


CONTENT = st.lists(st.tuples(TEXT, st.sampled_from(["x", "y", "3"])), min_size=1)


@given(content=CONTENT)
def test_the_format_of_a_file_does_not_change_the_digest(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("formats")
    table = [{"text": text, "label": label} for text, label in [*content, ("last", "z"), ("first", "x")]]
    (folder / "a.jsonl").write_text("\n\n".join(map(json.dumps, table)))
    pq.write_table(pa.Table.from_pylist(table), folder / "b.parquet")
    with (folder / "c.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["label", "text"])
        writer.writeheader()
        writer.writerows(table)
    data = [read(str(path), str(path)) for path in sorted(folder.iterdir())]
    assert data[0].digests == data[1].digests == data[2].digests
    assert data[0] == data[1] == data[2]


@given(content=CONTENT, data=st.data())
def test_any_change_of_content_changes_the_digest(content, data):
    content = [*content, ("last", "z"), ("first", "x"), ("second", "y")]
    before = read(rows(*content)).digests["train"]
    i = data.draw(st.integers(0, len(content) - 1))
    text, label = content[i]
    for changed in ((text + "!", label), (text, label + "!")):
        assert read(rows(*content[:i], changed, *content[i + 1 :])).digests["train"] != before
    assert read(rows(*content, content[0])).digests["train"] != before
    assert read(rows(*content), labels=("z", "y", "x", "3")).digests["train"] != before


def test_rows_that_are_skipped_and_names_do_not_change_the_digest():
    dirty = rows(("a", "x"), ("", "x"), ("b", "y"), ("c", "x"))
    assert read(dirty, on_bad_row="skip", name="other").digests == read().digests


def test_a_change_of_the_test_split_leaves_the_others_alone():
    before, after = (read(test=rows((text, "x"))).digests for text in ("d", "e"))
    assert before["test"] != after["test"]
    assert (before["train"], before["dev"]) == (after["train"], after["dev"])
    assert before["train"] == before["dev"]  # the same rows


# --- real data -------------------------------------------------------------------------------------------------------


def test_real_tasks(data_dir: Path):
    """Every published sample is read whole, with the classes that were counted when it was made."""
    index = json.loads((data_dir / "index.json").read_text())
    assert index
    for name, entry in index.items():
        kind = KINDS.get(entry["type"], "token_classification")
        text = {"token_classification": "tokens"}.get(kind, ("text_a", "text_b") if "pair" in entry["type"] else "text")
        files = {split: str(data_dir / "tasks" / name / f"{split}.jsonl") for split in entry["splits"]}
        label = "labels" if text == "tokens" else "label"
        data = read(files.pop("train"), files.pop("dev"), kind=kind, test=files.get("test"), text=text, label=label)
        for split, instances in data.splits.items():
            assert len(instances) == entry["splits"][split]["rows"]
        if kind != "regression":
            assert {*data.labels, *data.unknown} == {c for split in data.splits for c in entry["splits"][split]["labels"]}


def test_reading_is_fast():
    """Reading 20,000 rows takes seconds at most, whatever the machine."""
    source = rows(*((f"text {i}", str(i % 3)) for i in range(20_000)))
    start = time.perf_counter()
    read(source, source)
    assert time.perf_counter() - start < 10
