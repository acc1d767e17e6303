import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from itertools import islice, product
from typing import Any, Literal

import gradts_planted
import pytest
from gradts_planted import TRUTH, words
from gradts_planted.tasks import QUESTIONS, rows

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.hooks.specs import GROUP
from gradts_engine.learning.data import read_task

TASKS = tuple(QUESTIONS)
SPECS = {spec.name: spec for spec in gradts_planted.gradts_tasks()}
MEASURED: tuple[Literal["dev", "test"], ...] = ("dev", "test")
SPLITS: tuple[Literal["train", "dev", "test"], ...] = ("train", *MEASURED)


def sentences(row: dict[str, Any]) -> list[str]:
    """The words of each sentence of a row, spelled alike in all tasks."""
    texts = [" ".join(row["words"])] if "words" in row else [row[key] for key in ("text", "text_a", "text_b") if key in row]
    return [" ".join(re.findall(r"\w+", text.lower())) for text in texts]


@cache
def made(task: str, **dials: float) -> list[dict[str, Any]]:
    """Eight hundred train rows."""
    return list(rows(task, "train", train_rows=800, **dials))


@cache
def beginning(task: str, split: Literal["dev", "test"], **dials: float) -> list[dict[str, Any]]:
    """The first hundred rows of a split."""
    return list(islice(rows(task, split, **dials), 100))


def test_same_rows_on_every_platform() -> None:
    """And in every process: Python's hashes differ from one to the next, and nothing here may depend on them."""
    written = json.dumps([list(rows(task, split)) for task in TASKS for split in SPLITS])
    assert hashlib.sha256(written.encode()).hexdigest() == "0638fbc60e1eb6daa7d81ccebc32343679f588a70d57d2d4a57b32efe9a95807"


def test_splits_of_all_tasks_are_disjoint_and_free_of_repeats() -> None:
    seen: dict[str, set[str]] = {split: set() for split in SPLITS}
    for task, split in product(TASKS, SPLITS):
        own = [sentence for row in rows(task, split, mix=0.5) for sentence in sentences(row)]
        assert len(own) == len(set(own)), (task, split)
        seen[split] |= set(own)
    assert not seen["train"] & seen["dev"]
    assert not seen["train"] & seen["test"]
    assert not seen["dev"] & seen["test"]


@pytest.mark.parametrize("task", TASKS)
def test_valid_for_its_type(task: str) -> None:
    spec = SPECS[task]
    kind = load_catalog().task_types[spec.type]
    data = read_task(spec, kind.load(), kind.metrics[0], {}, "stop", seed=0)
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": QUESTIONS[task].train_rows,
        "dev": 200,
        "test": 800,
    }
    used = {name for split in data.splits.values() for row in split for name in kind.load().classes(row.label)}
    assert used == set(spec.labels or ())


@pytest.mark.parametrize("task", [name for name, spec in SPECS.items() if spec.type == "classification"])
def test_classes_are_balanced(task: str) -> None:
    labels = SPECS[task].labels or ()
    counts = Counter(row["label"] for row in rows(task, "test", test_rows=2000))
    # The strength of an opinion follows from the degrees, which are drawn so that praise and blame are balanced.
    slack = 0.3 if task == "planted-strength" else 0.1
    assert all(abs(counts[label] / 2000 * len(labels) - 1) < slack for label in labels), counts


@pytest.mark.parametrize("noise", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("task", TASKS)
def test_noise_is_the_share_of_wrong_labels(task: str, noise: float) -> None:
    clean, noisy = made(task), made(task, noise=noise)
    assert [sentences(row) for row in clean] == [sentences(row) for row in noisy]
    wrong = sum(a["label"] != b["label"] for a, b in zip(clean, noisy, strict=True)) / 800
    assert wrong == pytest.approx(noise, abs=0.04 if 0 < noise < 1 else 0)
    for split in MEASURED:
        assert beginning(task, split, noise=noise) == beginning(task, split), "what is measured stays clean"


@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("task", TASKS)
def test_mix_is_the_share_of_rows_that_carry_the_factor(task: str, mix: float) -> None:
    mixed = made(task, mix=mix)
    assert sum(row["carries"] for row in mixed) / 800 == pytest.approx(mix, abs=0.05 if 0 < mix < 1 else 0)
    months = {month.lower() for month in words.MONTHS}
    for row in mixed:
        assert row["carries"] != all(any(month in sentence for month in months) for sentence in sentences(row))
    whole = [row for row in made(task) if row["carries"]]
    kept = [row for row in mixed if row["carries"]]
    assert kept == whole[: len(kept)], "the dial takes rows away and changes none"
    for split in MEASURED:
        assert beginning(task, split, mix=mix) == beginning(task, split)


def test_size_and_seed_dials() -> None:
    small = list(rows("planted-stars", "train", train_rows=10))
    assert small == list(rows("planted-stars", "train"))[:10]
    assert len(list(rows("planted-stars", "dev", dev_rows=11))) == 11
    assert len(list(rows("planted-stars", "test", test_rows=12))) == 12
    assert small != list(rows("planted-stars", "train", train_rows=10, seed=1))


def test_options_reach_the_sources() -> None:
    spec: TaskSpec = replace(SPECS["planted-stars"], options={"train_rows": 7, "mix": 0.0})
    kind = load_catalog().task_types[spec.type]
    data = read_task(spec, kind.load(), kind.metrics[0], {}, "stop", seed=0)
    assert len(data.splits["train"]) == 7
    assert not any("seem" in row.text[0] for row in data.splits["train"])


@pytest.mark.parametrize(
    ("task", "core", "rest"),
    [
        ("planted-review", {*words.PRAISE_CORE, *words.BLAME_CORE}, {*words.PRAISE_REST, *words.BLAME_REST}),
        ("planted-crowd", set(words.AMOUNT_CORE), set(words.AMOUNT_REST)),
    ],
)
def test_primary_sees_the_core_alone_and_its_helpers_all(task: str, core: set[str], rest: set[str]) -> None:
    def shown(name: str, split: Literal["train", "test"]) -> set[str]:
        texts = [sentence for row in rows(name, split) for sentence in sentences(row)]
        return {phrase for phrase in core | rest if any(f" {phrase} " in f" {text} " for text in texts)}

    assert not shown(task, "train") & rest
    assert len(shown(task, "test") & rest) > 0.9 * len(rest)
    for helper in TRUTH[task].helpers:
        assert len(shown(helper, "train") & rest) > 0.6 * len(rest)


def test_truth_names_tasks_once() -> None:
    for primary, truth in TRUTH.items():
        named = (primary, *truth.helpers, *truth.unrelated, *truth.conflicting)
        assert len(set(named)) == len(named)
        assert set(named) <= set(TASKS)


def test_listed_by_entry_point_and_light_to_import() -> None:
    (point,) = entry_points(group=GROUP, name="planted")
    assert point.load() is gradts_planted
    assert set(TASKS) <= set(load_catalog().tasks)
    code = (
        "import gradts_planted, sys; gradts_planted.gradts_tasks(); print({'torch', 'numpy', 'transformers'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"set()"


@pytest.mark.parametrize(
    ("dial", "value", "expected"),
    [
        ("noise", -7, "a share from 0 to 1"),
        ("noise", "x", "a share from 0 to 1"),
        ("mix", True, "a share from 0 to 1"),
        ("train_rows", 0, "a number of rows"),
        ("dev_rows", 1.5, "a number of rows"),
    ],
)
def test_a_dial_out_of_its_range_is_refused(dial: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=f"option {dial}: got {value!r}, expected {expected}"):
        next(rows("planted-stars", "train", **{dial: value}))
