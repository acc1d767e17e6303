"""Do steps along a candidate's gradients lower the primary's held-out loss? An experiment: see docs/study.md.

The primary is trained by itself, and at half of its steps the mean gradient h of held-out train rows is compared with the unit
gradients g of a candidate's train rows, scaled as the primary's optimiser would scale them: the mean of <h, g> times the
learning rate over the loss. That is the influence that LESS chooses instances by (Xia et al., ICML 2024, arXiv 2402.04333), and
to first order the lookahead of TAG (Fifty et al., NeurIPS 2021, arXiv 2109.04617). Different from theirs: all linear layers of
the encoder, none of the head; projections from both sides, layer by layer, and the optimiser's squares as a product of rows and
columns (`scoring.projections`); the candidate's head is fitted to the primary's encoder, up to where it begins to know its rows
by heart; neither momentum nor the update of the squares by g itself is in g. Cost: .2 of a pair training a primary, half of its
own, and .08 a candidate, from the seconds of its jobs beside other work (docs/study.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from gradts_engine.contracts import Evidence, Repeats


def gradient(evidence: Evidence) -> Mapping[str, Repeats]:
    """The share of the primary's held-out loss that steps along a candidate's gradients take off, to first order: higher is
    better, and below 0 they add to it. NaN where the primary's training failed, or all rows of a candidate are held out."""
    repeats = range(evidence.repeats)
    return {c: Repeats(tuple(evidence.alignment(evidence.primary, c, r) for r in repeats)) for c in evidence.candidates}
