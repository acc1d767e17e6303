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
