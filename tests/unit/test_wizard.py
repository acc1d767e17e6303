"""What `init` takes the files of a folder for."""

from pathlib import Path

import pytest

from gradts_engine.wizard.looking import look

ROWS = "text,label\n" + "".join(f"word {i},{'good' if i % 2 else 'bad'}\n" for i in range(20))


def tasks(folder: Path, *names: str) -> dict[str, dict[str, str]]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(ROWS, encoding="utf-8")
    found, problems = look(folder, text={}, label={}, type={})
    assert not problems
    return {task.name: dict(task.files) for task in found}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("reviews-train.csv", "reviews-dev.csv"), {"reviews": {"train": "reviews-train.csv", "dev": "reviews-dev.csv"}}),
        (("r/train.csv", "r/test.csv"), {"r": {"train": "r/train.csv", "test": "r/test.csv"}}),
        (("train/r.csv", "dev/r.csv"), {"r": {"train": "train/r.csv", "dev": "dev/r.csv"}}),
        (("r/train/all.csv", "r/dev/all.csv"), {"all": {"train": "r/train/all.csv", "dev": "r/dev/all.csv"}}),
        (("a/r.csv", "b/r.csv"), {"r": {"train": "a/r.csv"}, "r-2": {"train": "b/r.csv"}}),
        (("My réviews (1).csv",), {"my-reviews-1": {"train": "My réviews (1).csv"}}),
        (("a b.csv", "a-b.csv"), {"a-b": {"train": "a b.csv"}, "a-b-2": {"train": "a-b.csv"}}),
        (("电影.csv", "音乐.csv"), {"task": {"train": "电影.csv"}, "task-2": {"train": "音乐.csv"}}),
        (("-rf.csv", "x\x1b[31m.csv"), {"rf": {"train": "-rf.csv"}, "x-31m": {"train": "x\x1b[31m.csv"}}),
    ],
)
def test_no_file_is_lost_whatever_it_is_called(tmp_path, names, expected):
    assert tasks(tmp_path, *names) == expected


def test_a_file_of_one_class_is_no_task(tmp_path):
    (tmp_path / "one.csv").write_text(ROWS.replace("good", "bad"))
    found, problems = look(tmp_path, text={}, label={}, type={})
    assert (found, problems) == ([], ["one.csv: all of 'label' is bad (20): nothing to learn"])


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ("premise,hypothesis,label", ("premise", "hypothesis")),
        ("text_a,text_b,label", ("text_a", "text_b")),
        ("id,Sentence1,Sentence2,label", ("Sentence1", "Sentence2")),
        ("first,second,label", ("first", "second")),
        ("question,answer,label", ("question", "answer")),
        ("text,label,data", ("text",)),
        ("text,text_b,label", ("text",)),
        ("s1,label,s3", ("s1",)),
        ("question1,question2,id1,id2,label", ("question1", "question2")),
        ("id1,id2,question1,question2,label", ("question1", "question2")),
        ("text,id1,id2,label", ("text",)),
    ],
)
def test_both_halves_of_a_pair_are_found_and_what_is_not_used_is_said(tmp_path, columns, text):
    names = columns.split(",")

    def cell(name, i):
        return "ab"[i % 2] if name == "label" else str(10**30 + i) if name.startswith("id") else f"word {i} of {name}"

    rows = [",".join(cell(name, i) for name in names) for i in range(20)]
    (tmp_path / "a.csv").write_text("\n".join([columns, *rows]))
    (found,), _ = look(tmp_path, text={}, label={}, type={})
    assert found.text == text
    unused = [name for name in names if name not in (*text, "label")]
    assert list(found.unused) == unused
    assert found.described.endswith(f"; not used: {', '.join(unused)}" if unused else "train a.csv")


def test_a_file_without_a_header_is_no_task(tmp_path):
    (tmp_path / "a.csv").write_text("".join(f"word {i},{'good' if i % 2 else 'bad'}\n" for i in range(20)))
    found, (problem,) = look(tmp_path, text={}, label={}, type={})
    assert found == []
    assert problem.startswith(f"{tmp_path / 'a.csv'}: the first row looks like data: 'bad' is a label of other rows, too")
    (named,), _ = look(tmp_path, text={}, label={"a": "bad"}, type={})
    assert named.label == "bad"
