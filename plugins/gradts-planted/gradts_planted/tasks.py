"""The tasks: each asks one question of its own about the sentences of one grammar."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gradts_planted.sentences import Scene, scenes, write_bulletin, write_opinion

Answer = str | float | list[str]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a task asks. `answer` is a scene's label; a pair is two scenes on different sides of `pair`, and its label is the
    position of the one on the positive side. `core`: the factor of which the train split shows the core vocabulary alone."""

    description: str
    answer: Callable[[Scene], Answer] = lambda scene: ""
    labels: tuple[str, ...] | None = None
    token_level: bool = False
    pair: Callable[[Scene], float] | None = None
    core: str = ""
    train_rows: int = 256

    @property
    def type(self) -> str:
        """The task type's name."""
        return "regression" if self.labels is None else "token_classification" if self.token_level else "classification"

    @property
    def text(self) -> str | tuple[str, str]:
        """The text columns."""
        return ("text_a", "text_b") if self.pair else "words" if self.token_level else "text"


def tag(scene: Scene, kinds: Mapping[str, str]) -> list[str]:
    """IOB2 tags of a scene's words: `kinds` says what the words of a slot are."""
    tags: list[str] = []
    for slot in scene.slots:
        kind = kinds.get(slot)
        tags.append("O" if kind is None else f"I-{kind}" if tags and tags[-1].endswith(f"-{kind}") else f"B-{kind}")
    return tags


def _side(value: float) -> str:
    return "praise" if value > 0 else "blame"


QUESTIONS = {
    "planted-review": Question(
        description="does the sentence praise or blame? (little data: 20 opinion words and 4 degrees)",
        answer=lambda scene: _side(scene.praise),
        labels=("blame", "praise"),
        core="praise",
        train_rows=128,
    ),
    "planted-stars": Question(
        description="how much praise (above 0) or blame (below 0) is in the sentence?",
        answer=lambda scene: scene.praise,
    ),
    "planted-verdict": Question(
        description="which words voice praise, and which blame?",
        answer=lambda scene: tag(scene, dict.fromkeys(("degree", "opinion", "month"), _side(scene.praise))),
        labels=("O", "B-blame", "I-blame", "B-praise", "I-praise"),
        token_level=True,
    ),
    "planted-better": Question(
        description="which of two sentences praises?", labels=("first", "second"), pair=lambda scene: scene.praise
    ),
    "planted-literal": Question(
        description="is the opinion word one of praise or of blame, whatever is said before it ('not wonderful' is praise)?",
        answer=lambda scene: _side(scene.literal),
        labels=("blame", "praise"),
    ),
    "planted-strength": Question(
        description="is the opinion strong or mild, whether it is praise or blame?",
        answer=lambda scene: "strong" if abs(scene.praise) >= 1 else "mild",
        labels=("mild", "strong"),
    ),
    "planted-crowd": Question(
        description="are there few people or many? (little data: 10 amounts)",
        answer=lambda scene: "many" if scene.amount > 0 else "few",
        labels=("few", "many"),
        core="amount",
        train_rows=128,
    ),
    "planted-headcount": Question(description="how many people are there? (logarithm)", answer=lambda scene: scene.amount),
    "planted-larger": Question(
        description="which of two sentences has the larger crowd?", labels=("first", "second"), pair=lambda scene: scene.amount
    ),
    "planted-topic": Question(
        description="what is the sentence about?",
        answer=lambda scene: scene.topic,
        labels=("art", "food", "technology", "travel"),
    ),
    "planted-tense": Question(
        description="past, present or future?", answer=lambda scene: scene.tense, labels=("future", "past", "present")
    ),
    "planted-names": Question(
        description="which words are names of persons, and which of places?",
        answer=lambda scene: tag(scene, {"person": "person", "place": "place"}),
        labels=("O", "B-person", "B-place"),
        token_level=True,
    ),
}


def rows(
    task: str,
    split: Literal["train", "dev", "test"],
    *,
    train_rows: int | None = None,
    dev_rows: int = 200,
    test_rows: int = 800,
    noise: float = 0.0,
    mix: float = 1.0,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """The rows of a split, a pure function of the arguments, which are the dials of `TaskSpec.options`.

    `noise` is the share of train labels that are wrong, and `mix` the share of train rows that carry the task's factor: the
    others are timetables, labelled by their month, and marked `carries = False`. Dev and test splits stay clean and whole. Raises
    `ValueError` for a dial that is out of its range.
    """
    for dial, share in {"noise": noise, "mix": mix}.items():
        if type(share) not in (int, float) or not 0 <= share <= 1:
            raise ValueError(f"option {dial}: got {share!r}, expected a share from 0 to 1")
    for dial, count in {"train_rows": train_rows, "dev_rows": dev_rows, "test_rows": test_rows}.items():
        if count is not None and (type(count) is not int or count < 1):
            raise ValueError(f"option {dial}: got {count!r}, expected a number of rows")
    question = QUESTIONS[task]
    number = {"train": question.train_rows if train_rows is None else train_rows, "dev": dev_rows, "test": test_rows}[split]
    # A random state for each choice: a dial changes what it is for, and leaves the other rows as they are.
    random_for = {choice: random.Random(f"{task}/{split}/{seed}/{choice}") for choice in ("opinion", "bulletin", "mix", "noise")}
    core = question.core if split == "train" else ""
    sources = {
        True: scenes(write_opinion, random_for["opinion"], split, core),
        False: scenes(write_bulletin, random_for["bulletin"], split, core),
    }
    for _ in range(number):
        carries = random_for["mix"].random() < mix or split != "train"
        row = _row(question, sources[carries]) | {"carries": carries}
        # Drawn whether used or not, so that a row's luck does not depend on the rows before it.
        luck, other = random_for["noise"].random(), random_for["noise"].random()
        yield row | {"label": _wrong(question, row["label"], other)} if luck < noise and split == "train" else row


def _row(question: Question, source: Iterator[Scene]) -> dict[str, Any]:
    scene = next(source)
    if question.token_level:
        return {"words": list(scene.words), "label": question.answer(scene)}
    if question.pair is None:
        return {"text": scene.text, "label": question.answer(scene)}
    positive = question.pair(scene) > 0
    second = next(other for other in source if (question.pair(other) > 0) != positive)
    return {"text_a": scene.text, "text_b": second.text, "label": "first" if positive else "second"}


def _wrong(question: Question, label: Answer, luck: float) -> Answer:
    """Another label: another class, the opposite number, or the same spans as something else."""
    if isinstance(label, float):
        return -label
    assert question.labels is not None
    if isinstance(label, str):
        others = [other for other in question.labels if other != label]
        return others[int(luck * len(others))]
    kinds = sorted({name[2:] for name in question.labels if name != "O"})
    return [name if name == "O" else name[:2] + kinds[1 - kinds.index(name[2:])] for name in label]
