"""Four toy tasks of all basic kinds, about words that a tiny encoder can learn in seconds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradts_engine.contracts import TaskSpec

GOOD, BAD = "lovely nice fine dear".split(), "grim awful sad sour".split()
NAMES, OTHERS = "anna otto".split(), "tomato bread buys sells the a red blue".split()
TOY_WORDS = (*GOOD, *BAD, *NAMES, *OTHERS)
"""Every word of the toy tasks: `tiny_encoder(folder, words=TOY_WORDS)` gives each a token of its own."""

SIZES: Mapping[str, Mapping[str, int]] = {
    task: {"train": 10 if task == "mood" else 36, "dev": 16, "test": 16} for task in ("mood", "pair", "stars", "tags")
}
"""Rows. `mood` has so few that `pair` and `stars`, whose labels depend on the same words, help it."""

RUN = """
[run]
encoder = "tiny"
primary = ["mood"]
devices = ["cpu"]
{run}
[data]
max_length = 32
overlap = "keep"
[training]
epochs = {epochs}
batch_size = 4
[multitask]
steps = {steps}
batch_size = 4
[selection]
strategy = "{strategy}"
confirm = "auto"
[tasks.mood]
type = "classification"
train = "mood.train.jsonl"
dev = "mood.dev.jsonl"
[tasks.stars]
type = "regression"
train = "stars.train.jsonl"
dev = "stars.dev.jsonl"
[tasks.tags]
type = "token_classification"
text = "words"
label = "tags"
train = "tags.train.jsonl"
dev = "tags.dev.jsonl"
"""

Rows = list[dict[str, Any]]


def _words(rng: random.Random, of: Sequence[str]) -> list[str]:
    words = [*rng.choices(of, k=2), *rng.choices(OTHERS, k=rng.randint(1, 3))]
    rng.shuffle(words)
    return words


def _mood(rng: random.Random) -> dict[str, Any]:
    good = rng.random() < 0.5
    return {"text": " ".join(_words(rng, GOOD if good else BAD)), "label": "good" if good else "bad"}


def _pair(rng: random.Random) -> dict[str, Any]:
    good = rng.random() < 0.5
    return {"one": " ".join(_words(rng, GOOD if good else BAD)), "two": rng.choice(OTHERS), "label": int(good)}


def _stars(rng: random.Random) -> dict[str, Any]:
    words = _words(rng, [*GOOD, *BAD])
    return {"text": " ".join(words), "label": sum((w in GOOD) - 0.5 * (w in BAD) for w in words)}


def _tags(rng: random.Random) -> dict[str, Any]:
    words = _words(rng, NAMES)
    return {"words": words, "tags": ["B-name" if word in NAMES else "O" for word in words]}


def toy_rows() -> dict[str, dict[str, Rows]]:
    """Rows of every split of every task, always the same."""
    makers = {"mood": _mood, "pair": _pair, "stars": _stars, "tags": _tags}
    return {
        task: {split: [make(random.Random(f"{task} {split} {i}")) for i in range(count)] for split, count in SIZES[task].items()}
        for task, make in makers.items()
    }


def toy_tasks() -> list[TaskSpec]:
    """The toy tasks as a plugin would register them: `mood` and `pair` (classes), `stars` (a number), `tags` (a class a word)."""
    rows = toy_rows()

    def spec(task: str, type_: str, **columns: Any) -> TaskSpec:
        def source(split: str) -> Callable[[], Rows]:
            return lambda: rows[task][split]

        return TaskSpec(name=task, type=type_, train=source("train"), dev=source("dev"), test=source("test"), **columns)

    return [
        spec("mood", "classification"),
        spec("pair", "classification", text=("one", "two")),
        spec("stars", "regression"),
        spec("tags", "token_classification", text="words", label="tags"),
    ]


def toy_run(folder: Path, *, epochs: int = 2, steps: int = 12, strategy: str = "trial", run: str = "") -> Path:
    """A tasks.toml of three toy tasks, with their files and a tiny encoder: `epochs` of each fine-tune, `steps` of each trial,
    `run` more lines for `[run]`."""
    from gradts_engine.testing.tiny import tiny_encoder

    tiny_encoder(folder / "tiny", words=TOY_WORDS)
    for task, splits in toy_rows().items():
        for split, rows in splits.items():
            (folder / f"{task}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = folder / "tasks.toml"
    config.write_text(RUN.format(epochs=epochs, steps=steps, strategy=strategy, run=run))
    return config
