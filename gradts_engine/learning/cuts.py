"""Which rows are dev rows, and which are used where there are too many: decided by a hash of what a row says, not by its place.

A text gets a number from 0 to 1 that depends on nothing but the text (as `normalised` leaves it) and `[data] seed`, and is a dev
text where that is below `dev_fraction`. So equal texts stay together, and the same text is on the same side in every task that is
cut with the same fraction; with a larger fraction more texts become dev texts, and none becomes a train text. This leaves no room
to balance the classes of a cut: a text has other classes in other tasks. Samples are balanced.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def normalised(texts: Iterable[str], *, words: bool = False) -> str:
    """What is compared of a row: its texts without regard to case, Unicode form and length of white space; words as the sentence
    with blanks between them."""
    parts = [" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts]
    return (" " if words else "\n").join(parts)


def hashes(texts: Iterable[str], seed: int | str = "") -> np.ndarray:
    """A 64-bit number for each text, [N] uint64, in which equal texts are equal and different seeds have nothing in common."""
    salt = hashlib.sha256(str(seed).encode()).digest()[:16]
    digests = (hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8, salt=salt).digest() for text in texts)
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def dev_side(texts: Sequence[str], fraction: float, seed: int) -> np.ndarray:
    """Whether each text is on the dev side, [N] bool: a pure function of the text, for any list that it is in."""
    return hashes(texts, f"cut/{seed}") < fraction * 2.0**64


def lowest(texts: Sequence[str], fraction: float, seed: int) -> np.ndarray:
    """`dev_side` where there are too few texts for it: exactly `fraction` of the rows, at least one, equal texts cut apart."""
    count = min(len(texts), max(1, round(len(texts) * fraction)))
    chosen = np.zeros(len(texts), bool)
    chosen[np.argsort(hashes(_numbered(texts), f"cut/{seed}"), kind="stable")[:count]] = True
    return chosen


def sample(rows: Sequence[T], limit: int | None, text: Callable[[T], str], stratum: Callable[[T], object], seed: int) -> list[T]:
    """`limit` of the rows, in their order: of each stratum its share, and where there is room at least one.

    Which ones is again a matter of hashes, so that a row more in the file changes at most a row of the sample or so.
    """
    if limit is None or limit >= len(rows):
        return list(rows)
    ranks = hashes(_numbered([text(row) for row in rows]), f"sample/{seed}")
    strata: dict[object, list[int]] = defaultdict(list)
    for i in np.argsort(ranks, kind="stable").tolist():
        strata[stratum(rows[i])].append(i)
    chosen = [
        i for members, n in zip(strata.values(), _shares([*map(len, strata.values())], limit), strict=True) for i in members[:n]
    ]
    return [rows[i] for i in sorted(chosen)]


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    """`limit` in proportion to sizes: one each where that fits, the rest by the method of largest remainders."""
    least = 1 if len(sizes) <= limit else 0
    exact = np.array(sizes) * (limit / sum(sizes))
    shares = np.clip(np.floor(exact).astype(np.int64), least, sizes)
    while (missing := limit - int(shares.sum())) != 0:
        step = 1 if missing > 0 else -1
        movable = shares < sizes if step > 0 else shares > least
        need = np.where(movable, step * (exact - shares), -np.inf)
        for i in np.argsort(-need, kind="stable")[: min(abs(missing), int(movable.sum()))]:
            shares[i] += step
    return [int(n) for n in shares]


def _numbered(texts: Sequence[str]) -> list[str]:
    """Equal texts made different by how many came before."""
    seen: Counter[str] = Counter()
    numbered = []
    for text in texts:
        numbered.append(f"{text}\n\n{seen[text]}" if seen[text] else text)
        seen[text] += 1
    return numbered
