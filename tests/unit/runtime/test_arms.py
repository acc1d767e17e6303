"""What trials say, before anybody judges them."""

import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

from gradts_engine.contracts import Auxiliary
from gradts_engine.runtime.arms import Arms, on_the_seeds_of

A, B, C = ((Auxiliary(name),) for name in "abc")


def test_a_seed_that_is_better_for_all_is_no_gain():
    """`c` lacks seed 1, which is better by .10; it is compared as if it had it."""
    tried = {(): {0: 0.70, 1: 0.80}, A: {0: 0.72, 1: 0.82}, B: {0: 0.71, 1: 0.80}, C: {0: 0.70}}
    assert on_the_seeds_of(A, tried) == pytest.approx([0.75, 0.77, 0.755, 0.75 - 0.01 / 6])
    assert on_the_seeds_of(C, tried) == pytest.approx([0.70, 0.72, 0.71, 0.70]), "on seed 0 alone"


def test_a_training_that_failed_has_no_score_and_no_say():
    tried = {(): {0: 0.70, 1: math.nan}, A: {0: 0.72, 1: 0.82}, B: {0: 0.71}}
    np.testing.assert_allclose(on_the_seeds_of(A, tried), [math.nan, 0.77, 0.76])
    assert np.isnan(on_the_seeds_of((), tried)[0])


def test_what_has_no_seed_in_common_is_not_compared():
    """As a strategy of a plugin may try them."""
    told, arms = [], Arms.__new__(Arms)
    arms.prepared, arms.emit = SimpleNamespace(usable=lambda primary, selection: selection), told.append
    arms._judged = defaultdict(dict)
    arms._tried = {"p": {A: {0: SimpleNamespace(result={"score": 0.7})}, B: {1: SimpleNamespace(result={"score": 0.8})}}}
    arms.tell_expected("p", A, judge=None)
    arms.tell_expected("p", C, judge=None)
    assert told == []


def test_trials_of_the_same_seeds_are_their_means():
    draw = np.random.default_rng(0).random((3, 4))
    tried = {s: dict(enumerate(row)) for s, row in zip(((), A, B), draw.tolist(), strict=True)}
    np.testing.assert_allclose(on_the_seeds_of(B, tried), draw.mean(1))
