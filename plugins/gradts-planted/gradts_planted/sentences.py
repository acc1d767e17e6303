"""One grammar writes the sentences of all tasks, so that no task helps another merely because their sentences look alike."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gradts_planted import words

T = TypeVar("T")
SPLITS = {"train": range(8), "dev": range(8, 11), "test": range(11, 16)}
"""Which sentences belong to which split: by the first hexadecimal digit of their hash, for good and in every task. So no sentence
that any task trains on is ever met again in the dev or test split of another."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sentence and the latent factors behind it.

    `slots` names the slot of the grammar that each word fills ("" for none); `praise` is above 0 where the sentence praises,
    `literal` where its opinion word alone would; `amount` is above 0 where there are many people.
    """

    words: tuple[str, ...]
    slots: tuple[str, ...]
    praise: float
    literal: float
    amount: float
    topic: str
    tense: str

    @property
    def text(self) -> str:
        """The sentence as people write it."""
        text = " ".join(self.words).replace(" ,", ",").replace(" .", ".").replace(" :", ":")
        return text[0].upper() + text[1:]


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """One of `items`. Only `random()` is promised to give the same numbers in every version of Python."""
    return items[int(rng.random() * len(items))]


def write_opinion(rng: random.Random, core: str = "") -> Scene:
    """People voice an opinion. `core` names a factor ("praise" or "amount") whose vocabulary is cut to its core."""
    literal = pick(rng, (1.0, -1.0))
    common, rest = (words.PRAISE_CORE, words.PRAISE_REST) if literal > 0 else (words.BLAME_CORE, words.BLAME_REST)
    degrees = words.DEGREE_CORE if core == "praise" else words.DEGREE_CORE | words.DEGREE_REST
    # As often negated as not: otherwise the adjective alone would nearly give the opinion away.
    negated = pick(rng, (False, True))
    degree = pick(rng, [phrase for phrase, factor in degrees.items() if (factor < 0) == negated])
    amounts = words.AMOUNT_CORE if core == "amount" else words.AMOUNT_CORE | words.AMOUNT_REST
    many = pick(rng, (False, True))
    amount = pick(rng, [phrase for phrase, number in amounts.items() if (number > words.MANY) == many])
    topic = pick(rng, tuple(words.TOPICS))
    tense = pick(rng, tuple(words.TENSES))
    slots = {
        "opinion": pick(rng, common if core == "praise" else common + rest),
        "degree": degree,
        "amount": amount,
        "thing": pick(rng, words.TOPICS[topic]),
        "people": pick(rng, words.PEOPLE),
        "person": pick(rng, words.PERSONS),
        "place": pick(rng, words.PLACES),
        **words.TENSES[tense],
    }
    return Scene(
        **_fill(pick(rng, words.FRAMES), slots),
        praise=literal * degrees[degree],
        literal=literal,
        amount=round(math.log10(amounts[amount] / words.MANY), 3),
        topic=topic,
        tense=tense,
    )


def write_bulletin(rng: random.Random, core: str = "") -> Scene:
    """A timetable without opinions and crowds. Its factors are all read off the month, so that a task has something to learn from
    it, but nothing that helps with opinions."""
    month = int(rng.random() * 12)
    side = 1.0 if month < 6 else -1.0
    slots = {
        "month": words.MONTHS[month],
        "vehicle": pick(rng, words.VEHICLES),
        "place": pick(rng, words.PLACES),
        "stop": pick(rng, words.STOPS),
    }
    topic, tense = tuple(words.TOPICS)[month % 4], tuple(words.TENSES)[month % 3]
    filled = _fill(pick(rng, words.BULLETINS), slots)
    return Scene(**filled, praise=side, literal=side, amount=side, topic=topic, tense=tense)


def _fill(frame: str, slots: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The words of a frame with its slots filled, and the slot that each word fills."""
    filled = [(slots[part[1:-1]], part[1:-1]) if part[0] == "{" else (part, "") for part in frame.split()]
    pairs = [(word, slot) for phrase, slot in filled for word in phrase.split()]
    return {"words": tuple(word for word, _ in pairs), "slots": tuple(slot for _, slot in pairs)}


def split_of(sentence: Sequence[str]) -> str:
    """The split that a sentence belongs to."""
    digit = int(hashlib.sha256(" ".join(sentence).encode()).hexdigest()[0], 16)
    return next(split for split, digits in SPLITS.items() if digit in digits)


def scenes(write: Callable[[random.Random, str], Scene], rng: random.Random, split: str, core: str) -> Iterator[Scene]:
    """Endless scenes of one split, no sentence twice."""
    seen = set()
    while True:
        scene = write(rng, core)
        if split_of(scene.words) == split and scene.words not in seen:
            seen.add(scene.words)
            yield scene
