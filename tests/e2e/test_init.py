"""`init`: from files to a tasks.toml that `plan` and `run` take."""

import csv
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from gradts_engine.__main__ import main
from gradts_engine.testing import TOY_WORDS, tiny_encoder

PROGRAM = str(Path(sys.executable).with_name("gradts-engine"))


def table(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(), *rows])


@pytest.fixture
def folder(tmp_path):
    """Four tasks of different kinds, in files of different names."""
    tiny_encoder(tmp_path / ".tiny", words=TOY_WORDS)
    table(tmp_path / "reviews.csv", "id review sentiment", [[i, f"word {i}", ("praise", "blame")[i % 2]] for i in range(40)])
    for split, rows in (("train", 40), ("validation", 8)):
        pairs = [[f"one {i}", f"two {i}", i % 7 + 0.5] for i in range(rows)]
        table(tmp_path / "pairs" / f"{split}.tsv.csv", "sentence1 sentence2 score", pairs)
    lines = [json.dumps({"tokens": ["a", "b"], "ner_tags": ["O", "X"]}) for _ in range(30)]
    (tmp_path / "names-train.jsonl").write_text("\n".join(lines))
    (tmp_path / "notes.md").write_text("nothing")
    return tmp_path


@pytest.fixture
def init(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`init` of the folder, with nobody to ask: its exit code, output and errors."""

    def init(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return main(["init", str(folder), "--encoder", str(folder / ".tiny"), *arguments]), *capsys.readouterr()

    return init


def test_a_folder_becomes_a_run_that_can_be_planned(folder, init):
    code, out, err = init("--primary", "reviews", "--budget", "quick")
    assert code == 0, err
    assert "reviews; strategy halving" in out  # of the plan
    settings = tomllib.loads((folder / "tasks.toml").read_text())
    assert settings["run"]["primary"] == ["reviews"]
    assert settings["data"]["train_limit"] == 500
    assert settings["selection"]["halving"] == {"seeds": 0}  # minutes, and no verdict
    expected = {
        "reviews": {"type": "classification", "train": "reviews.csv", "text": "review", "label": "sentiment"},
        "names": {"type": "token_classification", "train": "names-train.jsonl", "text": "tokens", "label": "ner_tags"},
    }
    tasks = settings["tasks"]
    for name, table_ in expected.items():
        assert tasks[name] == table_ | {"dev_fraction": 0.3}  # of 40 rows and of 30
    pairs = next(task for task in tasks.values() if task["type"] == "regression")
    assert pairs["text"] == ["sentence1", "sentence2"]
    assert set(pairs) == {"type", "train", "dev", "text", "label"}
    before = (folder / "tasks.toml").read_text()
    code, _, err = init("--primary", "names")
    assert (code, err.count("\n")) == (2, 1)
    assert "--force" in err
    assert (folder / "tasks.toml").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--primary names or"),
        (["--primary", "revews"], "did you mean 'reviews'"),
        (["--primary", "reviews", "--text", "reviews=nothing"], "no column 'nothing'"),
        (["--primary", "reviews", "--label", "reviews"], "expected TASK=VALUE"),
        (["--primary", "reviews", "--tasks", "reviews"], "expected files of two tasks"),
        (["--primary", "reviews", "--tasks", "names, reviews", "--encoder", "minilm-l7"], "no encoder or folder 'minilm-l7'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(folder, init, arguments, words):
    code, _, err = init(*arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert not (folder / "tasks.toml").exists()


def test_a_person_is_asked(folder):
    """In a terminal of its own: questions wait for answers, and a wrong answer is asked again."""
    ours, theirs = pty.openpty()
    command = [PROGRAM, "init", str(folder)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said, answers = "", {"to be improved?": "nothing\n", "is not one of": "names\n", "Budget": "quick\n"}
    answers |= {"Encoder (": "/none\n", "no encoder or folder": f"{folder / '.tiny'}\n"}
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                said += os.read(ours, 4096).decode()
            except OSError:
                break
        for question in [q for q in answers if q in said]:
            os.write(ours, answers.pop(question).encode())
    assert process.wait(60) == 0, said
    assert tomllib.loads((folder / "tasks.toml").read_text())["run"]["primary"] == ["names"]
    assert "wrote " in said


def test_the_settings_are_there_without_the_documentation():
    """Every key of the reference, and its default; a section alone; a wrong name."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAM, "settings", *arguments], capture_output=True, text=True, timeout=120, check=False)

    said, documented = call().stdout, Path(__file__).parents[2].joinpath("docs", "settings.md").read_text(encoding="utf-8")
    keys = re.findall(r"^\| `(\w+)` \|", documented, flags=re.MULTILINE)
    assert len(keys) > 60
    assert keys == re.findall(
        r"^ (\w+) ", "\n".join(x for x in said.splitlines() if not x.startswith(" key ")), flags=re.MULTILINE
    )
    (training,) = json.loads(call("training", "--json").stdout)
    assert next(s["default"] for s in training["settings"] if s["key"] == "epochs") == "3"
    wrong = call("trainin")
    assert (wrong.returncode, wrong.stderr) == (2, "unknown section 'trainin'; did you mean 'training'?\n")
