"""Files as people have them: what is detected of each, what can be set, and what is refused in a line."""

import bz2
import gzip
import json
import socket
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest

from gradts_engine.contracts import Dialect, Parallel, TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import detect, read_rows
from gradts_engine.learning.rows.cells import needed, unfold
from gradts_engine.learning.task_types import Classification, MultiLabel, Regression, TokenClassification

TWO = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def values(source, **dialect):
    return [dict(record.values) for record in read_rows(source, None, Dialect(**dialect))]


def fails(source, needs=(), **dialect) -> str:
    with pytest.raises(UsageError) as caught:
        list(read_rows(source, None, Dialect(**dialect), needs))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def words(source, **dialect):
    return [(row["tokens"], row["labels"]) for row in values(source, **dialect)]


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("a.csv", "text;label\na;x\nb;y\n", "csv, utf-8, semicolons"),
        ("a.csv", "text\tlabel\na\tx\nb\ty\n", "csv, utf-8, tabs, quoting none"),
        ("a.csv", "text|label\na|x\nb|y", "csv, utf-8, bars"),
        ("a.tsv", "text,label\na,x\nb,y\n", "tsv, utf-8, commas, quoting minimal"),
        ("a.txt", "text\tlabel\na\tx\nb\ty\n", "tsv, utf-8, tabs"),
        ("a.csv", "text,label\r\na,x\r\nb,y\r\n", "csv, utf-8, commas"),
        ("a.csv", "text,label\ra,x\rb,y\r", "csv, utf-8, commas"),
        ("a.csv", "\ufefftext,label\na,x\nb,y\n", "csv, utf-8, commas"),
        ("a.csv", "text,label\na,x\nb,y\n".encode("utf-16"), "csv, utf-16, commas"),
        ("a.csv", "text,label\r\na,x\r\nb,y\r\n".encode("utf-32"), "csv, utf-32, commas"),
        ("a.csv", ",text,label,,\n0,a,x,,\n1,b,y,,\n", "csv, utf-8, commas, 3 columns without a name left out"),
        ("a.csv.gz", gzip.compress(b"text,label\na,x\nb,y\n", mtime=0), "csv, gzip, utf-8, commas"),
        ("a.tsv.bz2", bz2.compress(b"text\tlabel\na\tx\nb\ty\n"), "tsv, bz2, utf-8, tabs"),
        (
            "a.jsonl.zst",
            pa.compress(b'{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}', "zstd", asbytes=True),
            "jsonl, zstd, utf-8",
        ),
        ("a.csv.gz", "text,label\na,x\nb,y\n", "csv, utf-8, commas"),
        ("a.CSV", "text,label\n\na,x\n\nb,y\n", "csv, utf-8, commas"),
        ("a.ndjson", "\n".join(map(json.dumps, TWO)), "jsonl, utf-8"),
        ("a.json", "\n".join(map(json.dumps, TWO)), "jsonl, utf-8"),
        ("a.json", json.dumps(TWO, indent=2), "json, utf-8"),
        ("a.jsonl", json.dumps(TWO), "json, utf-8"),
        ("a.txt", json.dumps(TWO), "json, utf-8"),
        ("a.json", json.dumps({"version": "1", "data": TWO}), "json, utf-8"),
        ("a.json", json.dumps({"text": ["a", "b"], "label": ["x", "y"]}), "json, utf-8"),
        ("a.json", json.dumps({"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": "y"}}), "json, utf-8"),
        ("a.json", "\ufeff" + json.dumps(TWO), "json, utf-8"),
    ],
)
def test_the_same_rows_however_they_are_written(write, name, content, shown):
    path = write(name, content)
    assert values(path) == TWO
    (found,) = detect(path)
    assert str(found) == shown


def test_what_is_detected_can_be_set(write):
    assert values(write("a.csv", "a,x\nb,y\n"), header=("text", "label")) == TWO
    assert values(write("a.dat", "a::x\n"), format="csv", delimiter=":", header=("text", "", "label")) == TWO[:1]
    assert values(write("b.csv", 'text,label\n"a,x\n'), quoting="none") == [{"text": '"a', "label": "x"}]
    assert values(write("b.tsv", 'text\tlabel\n"a\tb"\tx\n'), quoting="minimal") == [{"text": "a\tb", "label": "x"}]
    assert values(write("c.csv", "text,label\ncafé,x\n".encode("windows-1252")), encoding="windows-1252")[0]["text"] == "café"
    assert values(write("d.csv", "text,label\n日本,x\n".encode("utf-16-le")), encoding="utf-16-le")[0]["text"] == "日本"
    assert values(write("e.txt", "a x\n\nb y\n"), format="lines") == [{"text": "a x"}, {"text": "b y"}]


def test_quotation_marks_between_tabs(write):
    """They are text, as in GLUE, unless doubled ones show that they are not."""
    assert values(write("a.tsv", 'text\tlabel\n"a" he said\tx\n"b"\ty\n'))[1] == {"text": '"b"', "label": "y"}
    assert values(write("b.tsv", 'text\tlabel\n"say ""a""\tb"\tx\n')) == [{"text": 'say "a"\tb', "label": "x"}]


def test_a_carriage_return_in_a_text(write):
    assert values(write("a.tsv", "text\tlabel\r\na\rb\tx\r\n")) == [{"text": "a\rb", "label": "x"}]
    assert values(write("a.csv", 'text,label\n"a\rb",x\n')) == [{"text": "a\rb", "label": "x"}]
    assert "a.csv:2: broken row: a carriage return" in fails(write("a.csv", "text,label\na\rb,x\n"))


def test_fields_of_any_length(write):
    long = "word " * 100_000
    assert values(write("a.csv", f"text,label\n{long},x\n"))[0]["text"] == long


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "Text,Label\na,x\n",
            "(csv, utf-8, commas; columns: Text, Label); did you mean 'Text'?; did you mean 'Label'?",
        ),
        ("a.csv", "a0,0\na1,1\n", "if this file has no header, name its 2 columns: header = [...]"),
        ("a.parquet", None, "no columns 'text' and 'label' (parquet; columns: other)"),
        ("a.txt", "a\nb\n", "no column 'label' (lines, utf-8; columns: text)"),
    ],
)
def test_a_missing_column_is_one_line(write, tmp_path, name, content, message):
    path = write(name, content or "")
    if content is None:
        pa.parquet.write_table(pa.table({"other": [1]}), path)
    assert message in fails(path, needs=("text", "label"))


@pytest.mark.parametrize(
    ("name", "content", "dialect", "message"),
    [
        (
            "a.csv",
            "text,label\ncafé,x\n".encode("cp1252"),
            {},
            "a.csv:2: is not UTF-8 (byte 4 of the line): save it as UTF-8, or name",
        ),
        ("a.csv", "text,label\na,x\n".encode("utf-16-be"), {}, 'say encoding = "utf-16-be"'),
        ("a.csv", "text,label\na,x\n", {"encoding": "utf-16"}, "is not utf-16"),
        ("a.csv", "text,label\n日,x\n", {"encoding": "ascii"}, "a.csv:2: is not ascii (byte 1 of the line)"),
        (
            "a.csv",
            "a,x\nb,y,z\n",
            {"header": ("text", "label")},
            "a.csv:2: 3 fields, expected 2 as in header = ['text', 'label']",
        ),
        ("a.csv", "text,label\nb,y\n", {"header": ("text", "label")}, "leave header out"),
        ("a.csv", "a,,a\n1,2,3\n", {}, "a.csv:1: the header names a column twice"),
        (
            "a.csv",
            'text,label\n"a" b,x\n',
            {},
            "a.csv:2: broken row: ',' expected after '\"': if quotation marks are text in this file",
        ),
        ("a.json", "3", {}, "expected a list of objects"),
        ("a.json", "[1]", {}, "a.json: row 1: expected an object"),
        ("a.json", '{"a": [1, 2],\n "b": [1]}', {}, "expected a list of objects"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": [{}]}]}]}', {}, "article 1: is not as in SQuAD: KeyError: 'question'"),
        ("a.json", '[{"a": 1},', {}, "a.json: broken JSON"),
        (
            "a.csv.gz",
            gzip.compress(b"text,label\n" + bytes(range(97, 123)) * 9999, mtime=0)[:-20],
            {},
            "a.csv.gz: cannot be read",
        ),
        ("a.csv.gz", b"\x1f\x8b nonsense", {}, "a.csv.gz: cannot be read"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd nonsense", {}, "a.csv.zst: cannot be read"),
        ("a.zip", b"PK", {}, "unknown kind of file '.zip'"),
        ("a.conll", "a O\nb\n", {}, "a.conll:2: one column, expected 2 as in line 1"),
        ("a.conll", "a X O\n", {"header": ("word", "ner")}, "a.conll:1: 3 columns, expected 2 as in header = ['word', 'ner']"),
        ("a.conllu", "1\ta\n", {}, "a.conllu:1: 2 columns, expected 10 of CoNLL-U"),
        ("a.iob", "a b\tO O\nc\tO O\n", {"format": "sentences"}, "a.iob:2: 1 words but 2 labels"),
    ],
)
def test_what_is_refused(write, name, content, dialect, message):
    assert message in fails(write(name, content), **dialect)


def test_quotation_marks_that_hide_rows(write):
    """A field over several lines is fine, unless each of its lines looks like a row and has a label that others have."""
    rows = 'text,label\na,x\n"b is open,x\nc,y\nd,x\n e is closed",y\nf,y\n'
    assert "a.csv:3: the quotation mark in this line closes in line 6" in fails(write("a.csv", rows))
    assert [row["label"] for row in values(write("a.csv", rows), quoting="none")] == ["x", "x", "y", "x", "y", "y"]
    letter = 'text,label\na,x\n"Dear Ada,\nI am well,\n\nyours, B",y\n'
    assert values(write("b.csv", letter))[1]["text"] == "Dear Ada,\nI am well,\n\nyours, B"


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_comment_with_as_many_blanks_as_there_are_columns(write):
    """Of a file with tabs it is a comment all the same."""
    found = read_rows(write("a.conll", "# intent: x\n1\tto\tO\n#\t#\tO\n\n#\tgo\tO\n"))
    assert [row.values["1"] for row in found] == [["to", "#"], ["go"]]


def test_hash_is_a_word_unless_the_columns_say_otherwise(write):
    text = "# O\nSochi B-LOC\n\n# a comment of several words\n# id = 1\nwe O\n# O\n \t\nhi O\n"
    expected = [(["#", "Sochi"], ["O", "B-LOC"]), (["we", "#"], ["O", "O"]), (["hi"], ["O"])]
    assert words(write("a.conll", text)) == expected
    assert words(write("a.txt", text)) == expected
    assert words(write("b.conll", "# id 3\tdomain=en\nAda _ _ B-PER\n")) == [(["Ada"], ["B-PER"])]
    assert words(write("c.bio", "# sent = x\nAda NN I B-PER\n")) == [(["Ada"], ["B-PER"])]


def test_columns_by_name(write):
    (row,) = values(write("a.conll", "Ada NNP B-NP B-PER\n"), header=("word", "pos", "chunk", "ner"))
    assert (row["pos"], row["labels"]) == (["NNP"], ["B-PER"])
    line = "1\tAda\tada\tPROPN\tNNP\tNumber=Sing\t0\troot\t_\tSpaceAfter=No\n"
    for name in ("a.conllu", "a.conll", "a.txt"):
        (row,) = values(write(name, f"#no blank\n{line}"))
        assert (row["tokens"], row["labels"], row["xpos"], row["feats"]) == (["Ada"], ["PROPN"], ["NNP"], ["Number=Sing"])
    assert words(write("b.conll", "New York,B-LOC\n"), delimiter=",") == [(["New York"], ["B-LOC"])]


def test_a_sentence_a_line(write):
    assert words(write("a.iob", "show flights\tO O\n\nto boston\tO B-city\n")) == [
        (["show", "flights"], ["O", "O"]),
        (["to", "boston"], ["O", "B-city"]),
    ]
    assert words(write("b.iob", "New York\tB-LOC\nhi\tO\n")) == [(["New York", "hi"], ["B-LOC", "O"])]


def test_words_in_strings():
    kind = TokenClassification()
    for text, label in [("Ada runs", "B O"), ('["Ada", "runs"]', "['B', 'O']"), (["Ada", "runs"], np.array(["B", "O"]))]:
        read = kind.read_text([text])
        assert (read, kind.read_label(label, read)) == (("Ada", "runs"), ("B", "O"))
    assert kind.read_label("[0, 1]", ("Ada", "runs")) == ("0", "1")
    assert kind.read_text(["[ music ]"]) == ("[", "music", "]")
    with pytest.raises(ValueError, match="looks like a printed array"):
        kind.read_text(["['Ada' 'runs']"])


def test_squad(write):
    question = {"id": "7", "question": "Where?", "answers": [{"text": "Rome", "answer_start": 3}]}
    article = {"title": "t", "paragraphs": [{"context": "In Rome.", "qas": [question, {"question": "Who?"}]}]}
    first, second = values(write("a.json", json.dumps({"version": "2", "data": [article]})))
    assert first == {
        "question": "Where?",
        "context": "In Rome.",
        "answers": {"text": ["Rome"], "answer_start": [3]},
        "id": "7",
        "title": "t",
    }
    assert second["answers"] == {"text": [], "answer_start": []}


# --- several files ---------------------------------------------------------------------------------------------------


def test_several_files_are_one_source(write, tmp_path):
    first, second = write("p1.csv", "text,label\na,x\n"), write("p2.jsonl", json.dumps(TWO[1]))
    rows = list(read_rows((first, second)))
    assert [record.values for record in rows] == TWO
    assert [(record.row, record.line, record.file) for record in rows] == [(0, 2, first), (1, 1, second)]
    assert values(str(tmp_path / "p*")) == TWO
    assert "no file matches" in fails(str(tmp_path / "q*.csv"))
    write("odd[1].csv", "text,label\na,x\n")
    assert values(str(tmp_path / "odd[1].csv")) == TWO[:1]
    assert "p3.csv: no such file; did you mean 'p1.csv'?" in fails((first, str(tmp_path / "p3.csv")))


def test_files_that_belong_together(write):
    text, label = write("seq.in", "show flights\n\nto boston\n"), write("seq.out", "O O\n\nO B-city\n")
    source = Parallel((("text", text), ("label", label)))
    assert values(source) == [{"text": "show flights", "label": "O O"}, {"text": "to boston", "label": "O B-city"}]
    assert [found.columns for found in detect(source)] == [("text",), ("label",)]
    shorter = Parallel((("text", text), ("label", write("short", "O O\n"))))
    assert "short: ends before line 2, which" in fails(shorter)


# --- cells -----------------------------------------------------------------------------------------------------------


def labels_of(spec, kind, rows, tmp_path):
    path = tmp_path / "cells.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    records = read_rows(str(path), None, spec.dialect, needed(spec, labelled=True))
    unfolded = [unfold(spec, record, kind.word_level).values for record in records]
    return [kind.read_label(row[spec.label], kind.read_text([row[spec.text]])) for row in unfolded]


def test_several_classes_in_a_string_or_in_columns(tmp_path):
    spec = TaskSpec(name="t", type="multi_label", train="t", separator="|")
    rows = [{"text": "a", "label": label} for label in ("x| y", "", "z", ["x"])]
    assert labels_of(spec, MultiLabel(), rows, tmp_path) == [("x", "y"), (), ("z",), ("x",)]
    spec = TaskSpec(name="t", type="multi_label", train="t", indicators=("rude", "kind"))
    rows = [{"text": "a", "rude": a, "kind": b} for a, b in ((1, 0), ("1", "1.0"), (False, 0.0))]
    assert labels_of(spec, MultiLabel(), rows, tmp_path) == [("rude",), ("rude", "kind"), ()]
    with pytest.raises(ValueError, match="column 'rude' is 2, expected 0 or 1"):
        labels_of(spec, MultiLabel(), [{"text": "a", "rude": 2, "kind": 0}], tmp_path)
    with pytest.raises(ValueError, match="separator = "):
        MultiLabel().read_label("x|y", ("a",))
    spec = TaskSpec(name="t", type="token_classification", train="t", separator="/")
    assert labels_of(spec, TokenClassification(), [{"text": "New York/is", "label": "B/O"}], tmp_path) == [("B", "O")]


@pytest.mark.parametrize("text", ["1_000", "１", "0x10", "inf", "nan", "", "1,5", "1e", "True"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="is not a"):
        Regression().read_label(text, ("a",))


@pytest.mark.parametrize("text", ["1000", " -1.5 ", "+2", ".5", "5.", "1e3", "-0", "1E-05"])
def test_what_is_a_number(text):
    assert Regression().read_label(text, ("a",)) == float(text)


# --- Parquet and the Hub ---------------------------------------------------------------------------------------------


def test_class_names_in_parquet_files(tmp_path):
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["no", "yes"]),
        tags=datasets.List(datasets.ClassLabel(names=["O", "B-X"])),
    )
    rows = {"text": ["a", "b"], "label": [1, -1], "tags": [[0, 1], []]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    assert values(str(tmp_path / "a.parquet")) == [
        {"text": "a", "label": "yes", "tags": ["O", "B-X"]},
        {"text": "b", "label": None, "tags": []},
    ]
    old = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "tags": [{"names": ["O"], "_type": "ClassLabel"}]}
    for features, expected in ((old, {"label": "yes", "tags": ["O"]}), ({"label": 3}, {"label": 1, "tags": [0]})):
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        pa.parquet.write_table(pa.table({"label": [1], "tags": [[0]]}).replace_schema_metadata(metadata), tmp_path / "b.parquet")
        assert values(str(tmp_path / "b.parquet")) == [expected]
    metadata = {"huggingface": json.dumps({"info": {"features": old}})}
    pa.parquet.write_table(pa.table({"label": [7]}).replace_schema_metadata(metadata), tmp_path / "c.parquet")
    assert "class 7 of 2 (no, yes, ...)" in fails(str(tmp_path / "c.parquet"))


def test_the_hub_without_a_network_is_told_at_once():
    """In a process of its own, at a Hub that does not answer."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code = "import datasets, time; from gradts_engine.learning.rows import read_rows; began = time.monotonic()\n"
        code += "try: list(read_rows('hf:owner/no-such-data-set:train'))\n"
        code += "except Exception as error: print(time.monotonic() - began, type(error).__name__, error)"
        ran = subprocess.run(
            [sys.executable, "-c", code], env={"HF_ENDPOINT": address, "HOME": "/nowhere"}, capture_output=True, text=True
        )
    seconds, kind, *message = ran.stdout.split(maxsplit=2)
    assert kind == "UsageError"
    assert "cannot be loaded" in message[0]
    assert float(seconds) < 8


def test_a_class_name_is_a_string():
    assert Classification().read_label(np.int64(3), ("a",)) == "3"
