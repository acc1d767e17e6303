"""People's files through the command line: what is read of them, in one plan of many tasks, and the one line where that cannot
be."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from gradts_engine.__main__ import main

TEXTS = [f"{a} {b} {c}" for a in ("good", "bad", "fine") for b in ("film", "book", "song", "play") for c in "abcde"]
TWO = [{"text": text, "label": "xy"[i % 2]} for i, text in enumerate(TEXTS)]
TAGGED = "".join(text.replace(" ", " O\n") + " B-X\n\n" for text in TEXTS)


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def relabelled(labels):
    return jsonl({"text": text, "label": labels[i % len(labels)]} for i, text in enumerate(TEXTS))


def csv(delimiter, rows=TWO):
    return "".join(delimiter.join(row) + "\n" for row in [("text", "label"), *(r.values() for r in rows)])


@pytest.fixture
def here(folder, monkeypatch, capsys):
    """A command in `folder`: its exit code, output and errors."""
    monkeypatch.chdir(folder)

    def here(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return main([*arguments]), *capsys.readouterr()

    return here


def write(folder: Path, encoder: Path, tasks, max_length=16):
    """tasks.toml, and the files that tasks name: `name: (table, {file: content})`."""
    lines = [f'[run]\nencoder = "{encoder}"\nprimary = ["{next(iter(tasks))}"]\n[data]\nmax_length = {max_length}\n']
    for name, (table, files) in tasks.items():
        for file, content in files.items():
            (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        fields = {"type": "classification", "train": next(iter(files), None), "dev_fraction": 0.2} | table
        lines += [f"[tasks.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None)]
    (folder / "tasks.toml").write_text("\n".join(lines) + "\n")


WORDS = {"type": "token_classification", "text": "words", "label": "tags"}
COLUMNS = {"type": "token_classification", "text": "tokens", "label": "labels"}
NUMBERED = jsonl({"words": text.split(), "tags": [0, i % 3, 2]} for i, text in enumerate(TEXTS))
EMPTY = "\t_" * 5
UD = f"# id = 1\n1-2\tab\t_\t_\t_{EMPTY}\n1\ta\ta\tDET\tXX{EMPTY}\n2\tb\tb\tNOUN\tYY{EMPTY}\n\n" * 60

RIGHT = {
    "one": ({"label": "one"}, {"shared.csv": csv(",").replace("label", "one").replace(",x", ",p").replace(",y", ",q")}),
    "same": ({}, {"same.jsonl": jsonl(TWO)}),
    "numbers": (WORDS, {"numbers.jsonl": NUMBERED}),
    "unlabelled": ({"test": "te.jsonl"}, {"un.jsonl": jsonl(TWO), "te.jsonl": relabelled([-1])}),
    "extra": ({"test": "new.jsonl"}, {"ex.jsonl": jsonl(TWO), "new.jsonl": relabelled(["x", "z"])}),
    "sorted": ({"train_limit": 6}, {"sorted.jsonl": jsonl(sorted(TWO, key=lambda row: row["label"]))}),
    "spelt": ({}, {"spelt.csv": csv(",", [r | {"label": ["1", "1.0", "2"][i % 3]} for i, r in enumerate(TWO)])}),
    "hash": (COLUMNS, {"hash.conll": TAGGED.replace("good O", "# O")}),
    "ud": (COLUMNS, {"ud.conllu": UD}),
    "semicolon": ({}, {"semi.csv": csv(";")}),
    "latin": ({"encoding": "latin-1"}, {"latin.csv": csv(",").replace("fine", "fin\xe9").encode("latin-1")}),
    "returns": ({}, {"returns.tsv": csv("\t").replace("\n", "\r")}),
    "split": ({"type": "multi_label"}, {"split.jsonl": relabelled(["a|b", "b", "c|a"])}),
    "holes": (WORDS, {"holes.jsonl": jsonl({"words": t.split(), "tags": ["B-X", -1, "O"]} for t in TEXTS)}),
}


@pytest.fixture(scope="module")
def found(encoder, session_folder):
    """What one `plan --json` says of all of `RIGHT`."""
    folder = session_folder / "right"
    folder.mkdir()
    write(folder, encoder, RIGHT)
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["plan", str(folder / "tasks.toml"), "--json", "--store", str(folder / ".gradts")]) == 0, err.getvalue()
    return {task["task"]: task for task in json.loads(out.getvalue())["tasks"]}


def total(task):
    return {name: sum(counts.values()) for name, counts in task["classes"].items()}


def test_texts_of_one_file_are_on_one_side(found):
    assert found["one"]["overlap"]["dev"] == dict.fromkeys(found, 0)
    assert found["one"]["dev"] == found["same"]["dev"]


@pytest.mark.parametrize("task", ["same", "semicolon", "latin", "returns"])
def test_every_row_is_read(found, task):
    assert total(found[task]) == {"x": 30, "y": 30}


def test_numbers_are_no_spans(found):
    assert (found["numbers"]["metric"], found["numbers"]["scheme"]) == ("token_accuracy", None)
    assert total(found["numbers"]) == {"0": 80, "1": 20, "2": 80}


def test_what_has_no_label_and_what_train_lacks(found):
    assert found["unlabelled"]["classes"][""] == {"train": 0, "dev": 0, "test": 60}
    assert found["extra"]["classes"]["z"] == {"train": 0, "dev": 0, "test": 30}
    assert any("'z' (30)" in warning for warning in found["extra"]["warnings"])


def test_a_limit_of_a_sorted_file_keeps_both_classes(found):
    counts = [of["train"] for of in found["sorted"]["classes"].values()]
    assert sum(counts) == 6
    assert min(counts) >= 2


def test_spellings_and_separators_are_shown(found):
    assert "'1', '1.0' look like one class in 2 spellings" in found["spelt"]["warnings"]
    assert total(found["split"]) == {"a": 40, "b": 40, "c": 20}
    assert any("'|' in 'label' is taken to separate classes" in warning for warning in found["split"]["warnings"])


def test_words_in_columns(found):
    assert total(found["hash"]) == {"B-X": 60, "O": 120}
    assert total(found["ud"]) == {"DET": 60, "NOUN": 60}
    assert total(found["holes"]) == {"B-X": 60, "O": 60}


WRONG = {
    "spans": (WORDS | {"metric": "span_f1"}, {"s.jsonl": NUMBERED}, "these tags mark no spans: 0, 1, 2; use metric ="),
    "three": (
        {"metric": "f1"},
        {"three.jsonl": relabelled("pqr")},
        "f1 is of one class, but there are 3 (p, q, r): use macro_f1",
    ),
    "none": ({}, {"none.jsonl": relabelled([-1])}, "none.jsonl: task 'none': no train row has a label (all 60"),
    "row": ({}, {"row.jsonl": jsonl(TWO[:1])}, "row.jsonl: task 'row' has 1 row, of which dev_fraction = 0.2 leaves none"),
    "head": ({}, {"head.csv": csv(",").partition("\n")[2]}, "head.csv: no columns 'text' and 'label' (csv"),
    "quote": ({}, {"quote.csv": csv(",").replace("good film b", '"good').replace("good film d", 'x"')}, "quote.csv:"),
    "bytes": ({}, {"bytes.csv": csv(",").replace("fine", "fin\xe9").encode("latin-1")}, "bytes.csv:42: is not UTF-8"),
    "ragged": ({}, {"ragged.csv": csv(",").replace("c,x", "c,x,y", 1)}, "ragged.csv:4: 3 fields, expected 2 as in the header"),
    "json": (
        {"dev": "b.jsonl", "dev_fraction": None},
        {"a.jsonl": '{"text"\n', "b.jsonl": '{"text": 1,}\n'},
        "a.jsonl:1: broken JSON",
    ),
    "parts": ({"type": "multi_label"}, {"parts.jsonl": relabelled(["a|b;c", "b"])}, "say what stands between them, such as sep"),
    "gone": ({"train": "gone.csv"}, {}, "gone.csv: no such file"),
}


def test_all_that_is_wrong_is_told_at_once(encoder, folder, here):
    write(folder, encoder, {name: (table, files) for name, (table, files, _) in WRONG.items()})
    code, out, err = here("plan", "tasks.toml")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    for *_, expected in WRONG.values():
        assert [expected in line for line in lines].count(True) == 1, (expected, err)
    assert len(lines) == len(WRONG) + 2, err  # the second file of `json`, and what is being read


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["data", "head.csv"], 2, "the first row looks like data: 'x' is a label of other rows, too"),
        (["data", "head.csv", "--header", "text,label", "--json"], 0, '"x"'),
        (["data", "no.csv"], 2, "no.csv: no such file"),
    ],
)
def test_a_file_by_itself(folder, encoder, here, arguments, code, said):
    (folder / "head.csv").write_text(csv(",").partition("\n")[2])
    found, out, err = here(*arguments, "--encoder", str(encoder))
    assert found == code
    if code:
        (line,) = err.splitlines()
        assert said in line
    else:
        assert total(json.loads(out)) == {"x": 30, "y": 30}


def test_more_positions_than_the_encoder_has(folder, encoder, here):
    write(folder, encoder, {"a": RIGHT["same"], "b": RIGHT["semicolon"]}, max_length=100_000)
    code, _, err = here("plan", "tasks.toml")
    assert code == 2
    assert "max_length" in err.splitlines()[-1]
    assert "Traceback" not in err
