import csv
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import ENDINGS, Record, read_rows

ROWS = [{"text": "a b", "label": "x"}, {"text": 'say "hi", ü', "label": "y"}]


def values(source, **options):
    return [dict(record.values) for record in read_rows(source, options)]


def fails(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        list(read_rows(source, options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


# --- formats ---------------------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_rows(write, tmp_path: Path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert values(str(tmp_path / "a.parquet")) == ROWS
    assert values(write("a.jsonl", "\n".join(map(json.dumps, ROWS)))) == ROWS
    assert values(write("a.csv", 'text,label\na b,x\n"say ""hi"", ü",y\n')) == ROWS
    assert values(write("a.tsv", 'text\tlabel\na b\tx\nsay "hi", ü\ty\n')) == ROWS
    assert values(lambda: ROWS) == ROWS


def test_positions_and_lines(write):
    lines = write("a.jsonl", '{"a": 1}\n\n{"a": 2}\n')
    assert list(read_rows(lines)) == [Record(0, 1, {"a": 1}, lines), Record(1, 3, {"a": 2}, lines)]
    rows = list(read_rows(write("a.csv", '\ufefftext\r\n\r\n"two\nlines"\r\nlast\r\n')))
    assert [record[:3] for record in rows] == [(0, 3, {"text": "two\nlines"}), (1, 5, {"text": "last"})]
    assert [(record.row, record.line) for record in read_rows(lambda: ROWS)] == [(0, None), (1, None)]


def test_conll_columns(write):
    text = "-DOCSTART- -X- O\n\n# a longer comment\nBonn NNP B-LOC\nis VBZ O\n\n\n#1 CD O\n# NN B-X\n"
    first, second = read_rows(write("a.conll", text))
    assert first.line == 4
    assert first.values == {
        "tokens": ["Bonn", "is"],
        "labels": ["B-LOC", "O"],
        "0": ["Bonn", "is"],
        "1": ["NNP", "VBZ"],
        "2": ["B-LOC", "O"],
    }
    assert (second.line, second.values["tokens"]) == (8, ["#1", "#"])
    assert values(write("b.iob", "a\u3000b\tO\r\n#\tB-X\r\n"))[0]["tokens"] == ["a\u3000b", "#"]


def test_conllu_leaves_out_what_is_not_a_word(write):
    words = ["# text = vámonos", "1-2\tvámonos" + "\t_" * 8, "1\tvamos\t_\tVERB" + "\t_" * 6]
    words += ["2\tnos\t_\tPRON" + "\t_" * 6, "2.1\tx" + "\t_" * 8]
    (row,) = values(write("a.conllu", "\n".join(words)))
    assert (row["1"], row["3"]) == (["vamos", "nos"], ["VERB", "PRON"])


def test_functions_take_options():
    def rows(count: int = 1):
        return ({"text": str(i)} for i in range(count))

    assert len(values(rows, count=3)) == 3
    assert "rows(): wrong options: got an unexpected keyword argument 'cuont'" in fails(rows, cuont=3)
    assert "rows(): wrong options: got an unexpected keyword argument 'cuont'" in fails(partial(rows), cuont=3)


def test_a_function_says_what_is_wrong_with_its_options():
    def rows(share: float):
        if not 0 <= share <= 1:
            raise ValueError(f"share: got {share}, expected 0 to 1")
        yield {"text": str(share)}

    assert fails(rows, share=7) == "rows(): share: got 7, expected 0 to 1"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", ["", '"'])
def test_excel_is_told_the_delimiter_in_a_first_line(write, delimiter, end, quoting):
    rows = [["text", "label"], [f"{quoting}a b{quoting}", "x"], ["c", "y"], ["sep=", ""]]
    text = f"sep={delimiter}{end}" + "".join(delimiter.join(row) + end for row in rows)
    found = values(write("a.csv", text))
    assert found[1:] == [{"text": "c", "label": "y"}, {"text": "sep=", "label": ""}]
    assert found[0]["text"] in ("a b", '"a b"' if delimiter == "\t" else "")  # between tabs quotation marks may be text


def test_hub(tmp_path: Path, monkeypatch):
    """The `datasets` library reads a local folder by the same name as a data set of the Hub."""
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["no", "yes"]),
        tags=datasets.List(datasets.ClassLabel(names=["O", "B-X"])),
    )
    rows = {"text": ["a", "b"], "label": [1, -1], "tags": [[0, 1], []]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert values("hf:owner/name:train") == [
        {"text": "a", "label": "yes", "tags": ["O", "B-X"]},
        {"text": "b", "label": None, "tags": []},
    ]
    assert "cannot be loaded" in fails("hf:owner/name:dev")
    assert "cannot be loaded" in fails("hf:owner/name/other:train")


def test_hub_without_a_network(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    message = fails("hf:owner/no-such-data-set:train")
    assert "cannot be loaded" in message
    assert "use a file" in message


@pytest.mark.parametrize("source", ["hf:owner/name", "hf::train", "hf:a/b/c/d:train", "hf:owner/:train", "hf:a:"])
def test_hub_names(source):
    assert "expected hf:owner/name:split" in fails(source)


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": 1\n', "a.jsonl:2: broken JSON: Expecting ',' delimiter at character 9"),
        ("a.jsonl", "[" * 100_000, "a.jsonl: broken JSON"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "a.jsonl:2: expected a JSON object a line"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}', "a.jsonl:2: is not UTF-8 (byte 8 of the line)"),
        ("a.csv", 'a,b\n1,"2\n3"\n1,2,3\n', "a.csv:4: 3 fields, expected 2 as in the header"),
        ("a.csv", 'a,b\n1,"2\n', "a.csv:2: broken row"),
        ("a.csv", b"a,b\n1,2\n1,\xe9\n", "a.csv:3: is not UTF-8"),
        ("a.csv", "a,a\n1,2\n", "a.csv:1: the header names a column twice"),
        ("a.tsv", "a\tb\n1\n", "a.tsv:2: one field, expected 2 as in the header"),
        ("a.parquet", "PAR1 not at all", "a.parquet: damaged or not a Parquet file"),
        ("a.conll", "a O\nb X O\n", "a.conll:2: 3 columns, expected 2 as in line 1"),
        ("a.conll", "a O\n\nb\n", "a.conll:3: one column, expected a word and its label"),
        ("a.xlsx", "", "a.xlsx: unknown kind of file '.xlsx', expected one of .jsonl, .ndjson, .json, .csv, .tsv"),
    ],
)
def test_damaged_files(write, name, content, message):
    assert message in fails(write(name, content))


def test_missing_files(write, tmp_path: Path):
    write("train.jsonl", "")
    assert fails(str(tmp_path / "trian.jsonl")).endswith("no such file; did you mean 'train.jsonl'?")
    assert fails(str(tmp_path / "none" / "x.csv")).endswith("no such file")
    assert "is a folder" in fails(str(tmp_path))
    link = tmp_path / "dev.jsonl"
    link.symlink_to("gone.jsonl")
    assert fails(str(link)) == f"{link}: is a link to gone.jsonl, which is not there"


def test_rows_are_read_as_they_are_asked_for(write):
    rows = read_rows(write("a.jsonl", '{"a": 1}\nbroken'))
    assert next(rows).values == {"a": 1}


@given(content=st.binary(), suffix=st.sampled_from(sorted(ENDINGS)))
def test_any_bytes_give_rows_or_an_error(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("bytes") / f"a{suffix}"
    path.write_bytes(content)
    with suppress(UsageError):
        for record in read_rows(str(path)):
            assert isinstance(record.values, dict)


@given(rows=st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))))
def test_csv_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("a", "b"), *rows])
    assert [tuple(row.values()) for row in values(str(path))] == rows
