"""Words with tags, questions with answers, and sources of several files."""

import json

import numpy as np
import pytest

from gradts_engine.contracts import Parallel
from gradts_engine.learning.rows import detect, read_rows
from gradts_engine.learning.task_types import MultiLabel, TokenClassification
from tests.unit.learning.reading.sources import TWO, fails, values


def words(source, **dialect):
    return [(row["tokens"], row["labels"]) for row in values(source, **dialect)]


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
    assert kind.read_label("[X] O [Y]", ("a", "b", "c")) == ("[X]", "O", "[Y]")
    for wrong in ("['Ada' 'runs']", '["Ada" "runs"]'):
        with pytest.raises(ValueError, match="looks like a printed array"):
            kind.read_text([wrong])
    for wrong in ("[3 0]", "[B-PER, O]", " [3\n 0] "):  # as numpy prints numbers, or a list without quotation marks
        with pytest.raises(ValueError, match="looks like a printed array"):
            kind.read_label(wrong, ("Ada", "runs"))


def test_an_object_is_no_list_of_its_names():
    """{"toxic": 0, "insult": 1} does not name both."""
    with pytest.raises(ValueError, match="label is dict, expected a list of class names"):
        MultiLabel().read_label({"toxic": 0, "insult": 1}, ("a",))
    with pytest.raises(ValueError, match="text is dict, expected a list of words"):
        TokenClassification().read_text([{"a": 1}])
    with pytest.raises(ValueError, match="label is dict, expected a list with one label a word"):
        TokenClassification().read_label({"a": 1}, ("a",))


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
