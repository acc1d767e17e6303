"""What is said of candidates that a predictor knows nothing of, and why."""

import math

import pytest

from gradts_engine.contracts import Evidence, Ranking, Repeats, StoredTrial
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime.ranking import silent

NOTHING = {"main-effect": dict.fromkeys(("b", "c"), Repeats((math.nan,)))}


def said(*trials: StoredTrial) -> str:
    evidence = Evidence(primary="a", candidates=("b", "c"), trials=trials)
    ranking = Ranking(
        primary="a",
        candidates=("b", "c"),
        predictor="main-effect",
        predicted=NOTHING,
        instance_tau=lambda task: pytest.fail(task),
    )
    (line,) = silent(ranking, evidence, load_catalog())
    return line


def test_no_trials_and_trials_that_do_not_differ_are_told_apart():
    line = said(StoredTrial(primary="a", auxiliaries=("b",), repeat=0, score=0.5))  # the primary's own tell it nothing
    assert line.startswith("main-effect says nothing of b, c for a, so they are not tried: no such trial is stored; set pilots")
    alike = [StoredTrial(primary="d", auxiliaries=(name,), repeat=0, score=0.5) for name in ("b", "c")]
    assert said(*alike).endswith(
        "not tried: in the trials there are, scores with other primaries do not differ; longer ones (steps in [multitask]) may"
    )
