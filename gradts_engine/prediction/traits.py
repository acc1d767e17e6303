"""What else may tell how much a candidate helps: its size, the form of its inputs, and how far its own labels can be learnt.

Nothing of it depends on what the tasks are about, and none has an order of its own: `stacked` weighs them, where stored trials
teach it to. Cost: none but that of the probe, which learnability is made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradts_engine.contracts import Evidence, Repeats
from gradts_engine.prediction.probe import gains


def size(evidence: Evidence) -> Mapping[str, Repeats]:
    """Logarithm of a candidate's train rows."""
    return {c: Repeats((math.log(evidence.sizes.get(c, 0) or 1),) * evidence.repeats) for c in evidence.candidates}


def form(evidence: Evidence) -> Mapping[str, Repeats]:
    """1 where its inputs are of the same form as the primary's, else 0."""
    alike = {c: evidence.forms.get(c) == evidence.forms.get(evidence.primary) for c in evidence.candidates}
    return {c: Repeats((float(same),) * evidence.repeats) for c, same in alike.items()}


def learnability(evidence: Evidence) -> Mapping[str, Repeats]:
    """Nats a label of its own that its tuned encoder gains over the pretrained one."""
    return {c: gains(evidence, c, c) for c in evidence.candidates}
