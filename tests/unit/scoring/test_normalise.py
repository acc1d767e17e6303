"""Normalised importance, of instances and of tasks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradts_engine.scoring.normalise import normalise, task_importance

MATRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 12)),
    elements=st.floats(1e-6, 1e3),
    unique=True,
)


@given(MATRICES)
def test_normalised_importance(raw: np.ndarray) -> None:
    """Head by head as the definition reads; a matrix by itself or among others."""
    found = normalise(raw)
    assert found.dtype == np.float32
    for matrix, scaled in zip(raw, found, strict=True):
        shares = [[value / sum(row) for value in row] for row in matrix.tolist()]
        low, high = min(map(min, shares)), max(map(max, shares))
        if high - low > 1e-9:
            expected = [[(share - low) / (high - low) for share in row] for row in shares]
            np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)
            assert (scaled.min(), scaled.max()) == (0.0, 1.0)
            assert np.array_equal(normalise(matrix), scaled)


@given(MATRICES, st.data())
def test_the_size_of_a_layers_gradients_does_not_matter(raw: np.ndarray, draw: st.DataObject) -> None:
    """Powers of two, so that nothing is rounded."""
    powers = draw.draw(hnp.arrays(np.int64, (*raw.shape[:2], 1), elements=st.integers(-20, 20)))
    assert np.array_equal(normalise(raw * 2.0**powers), normalise(raw), equal_nan=True)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 3)),
        np.full((2, 3), 0.25),
        [[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]],
        [[1.0, 2.0, np.inf], [1.0, 2.0, 3.0]],
        [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]],
    ],
    ids=["zero", "constant", "nan", "infinite", "a layer without gradient"],
)
def test_what_has_no_ranking_is_nan(matrix: Any) -> None:
    """And leaves its neighbours alone."""
    good = np.arange(6.0).reshape(2, 3)
    found = normalise([good, matrix])
    assert np.isnan(found[1]).all()
    assert np.array_equal(found[0], normalise(good))
    assert np.isfinite(found[0]).all()


def test_a_tasks_importance_is_the_mean_of_raw_normalised() -> None:
    raw = np.array([[[1, 3], [2, 2]], [[5, 3], [8, 4]]], np.float32)
    # mean [[3, 3], [5, 3]]; shares [[1/2, 1/2], [5/8, 3/8]]
    assert task_importance([raw]).tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_a_tasks_mean_loses_nothing_among_many_instances() -> None:
    """float32 would leave 2**24 where it is, whatever is added."""
    raw = np.ones((1001, 1, 3), np.float32)
    raw[0] = [[2**24, 2**24 + 2, 2**24 + 4]]
    raw[1:, :, 0] = 0.001
    mean = raw.astype(np.float64).mean(0)
    assert np.array_equal(task_importance([raw]), normalise(mean))
    assert not np.array_equal(task_importance([raw]), normalise(raw[0]))


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(2), st.just(3)), elements=st.floats(0.5, 2, width=32)),
    st.integers(1, 9),
)
def test_a_tasks_importance_from_pieces(raw: np.ndarray, size: int) -> None:
    """float32 summed in float64 is exact here, whatever the pieces."""
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
    assert np.array_equal(task_importance(pieces), task_importance([raw]), equal_nan=True)
