"""No prediction at all: what any predictor, and any strategy that is led by one, has to beat. Costs nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gradts_engine.contracts import Evidence, Repeats


def chance(evidence: Evidence) -> Mapping[str, Repeats]:
    """A value between 0 and 1 for each candidate, a function of the names and the run's seed alone."""
    return {
        c: Repeats(tuple(_draw(evidence.seed, evidence.primary, c, r) for r in range(evidence.repeats)))
        for c in evidence.candidates
    }


def _draw(*of: object) -> float:
    return int.from_bytes(hashlib.sha256("/".join(map(str, of)).encode()).digest()[:8], "big") / 2**64
