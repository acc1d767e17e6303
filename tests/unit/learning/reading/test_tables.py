"""Tables, however they are written."""

import bz2
import gzip
import json

import pyarrow as pa
import pytest

from gradts_engine.learning.rows import detect
from tests.unit.learning.reading.sources import TWO, fails, values


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


def test_quotation_marks_that_enclose_a_field_far_from_the_beginning(write):
    rows = "".join(f"row {i}\tx\n" for i in range(9000))
    path = write("a.tsv", f'text\tlabel\n{rows}"He said ""hi"" to me"\ty\n')
    assert 'a.tsv:9002: quotation marks seem to enclose a field, unlike before; say quoting = "minimal"' in fails(path)
    assert values(path, quoting="minimal")[-1]["text"] == 'He said "hi" to me'
    assert values(path, quoting="none")[-1]["text"] == '"He said ""hi"" to me"'


def test_a_line_that_the_sample_cuts_off_is_not_judged(write):
    rows = "".join(f"row {i} {'word ' * (30 + i % 7)}\tclass{i % 2}\n" for i in range(900))
    assert values(write("a.txt", f"text\tlabel\n{rows}"))[899]["label"] == "class1"


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
        ("a.jsonl", '{"text": "a", "label": "x", "label": "y"}', {}, 'a.jsonl:1: broken JSON: two values for "label"'),
        ("a.json", '[{"text": "a", "text": "b"}]', {}, 'a.json: broken JSON: two values for "text"'),
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
