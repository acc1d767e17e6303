"""When enough instances are scored, against what all of them say."""

import numpy as np
import pytest

from gradts_engine.scoring.correlation import kendall_tau
from gradts_engine.scoring.normalise import task_importance
from gradts_engine.scoring.settled import AGREE, BLOCK, settled


def made(instances: int, noise: float, seed: int) -> np.ndarray:
    """Raw importance of heads that differ, of instances that differ by `noise`, with heavy tails as real ones."""
    rng = np.random.default_rng(seed)
    heads = rng.lognormal(0, 0.3, (4, 6))
    return (heads * rng.lognormal(0, noise, (instances, 4, 6))).astype(np.float32)


def shards(raw: np.ndarray, asked: list[int]):
    for start in range(0, len(raw), BLOCK):
        asked.append(start)
        yield raw[start : start + BLOCK]


@pytest.mark.parametrize(("noise", "few"), [(0.05, True), (0.6, True), (3.0, False)])
def test_more_instances_are_asked_for_where_they_differ_more(noise, few):
    raw, asked = made(6000, noise, 1), []
    enough = settled(shards(raw, asked), len(raw))
    assert enough == min(len(asked) * BLOCK, len(raw))
    assert (enough < 3000) == few
    assert settled(shards(raw, []), len(raw)) == enough


def test_what_is_settled_is_what_all_instances_say():
    """The rule may be wrong once in twenty times, and looks more than once."""
    wrong = 0
    for seed in range(40):
        raw = made(4000, 1.0, seed)
        enough = settled(shards(raw, []), len(raw))
        tau = kendall_tau(task_importance([raw]), task_importance([raw[:enough]])[None])[0]
        wrong += tau < AGREE
    assert wrong <= 5


def test_few_instances_and_rankings_that_are_none_are_all_scored():
    assert settled(shards(made(BLOCK - 1, 0.01, 0), []), BLOCK - 1) == BLOCK - 1
    assert settled(shards(np.zeros((3 * BLOCK, 2, 2), np.float32), []), 3 * BLOCK) == 3 * BLOCK
