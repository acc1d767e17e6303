"""Our tau-b of many matrices at once equals scipy's of one pair at a time, to the last bit."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import kendalltau

from gradts_engine.scoring import bitsets, correlation
from gradts_engine.scoring.correlation import correlate_tasks, kendall_tau
from gradts_engine.scoring.normalise import normalise, task_importance

VALUES = {
    "ties": st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0]),
    "special": st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan]),
    "plain": st.floats(-1e6, 1e6, width=32),
}


@pytest.fixture(params=[bitsets.agreement_by_bitsets, correlation.agreement_by_signs], autouse=True, scope="module")
def agreement(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything here holds with numba and without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "agreement", lambda comparisons: request.param)
        yield


def scipys(main: np.ndarray, others: np.ndarray) -> np.ndarray:
    """In float64, which every type of numbers fits into: newer versions answer in the type of what they are given."""
    main, others = main.astype(np.float64), others.astype(np.float64)
    return np.array([kendalltau(main.ravel(), other.ravel()).statistic for other in others])


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a.view(np.int64)[~np.isnan(a)], b.view(np.int64)[~np.isnan(b)]) and np.array_equal(a, b, equal_nan=True)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """One matrix and up to six others; [L, H] with L * H from 2 to 36."""
    layers, heads = draw(st.integers(1, 6)), draw(st.integers(2, 6))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    values = VALUES[draw(st.sampled_from(sorted(VALUES)))]
    main = draw(hnp.arrays(dtype, (layers, heads), elements=values))
    return main, draw(hnp.arrays(dtype, (draw(st.integers(1, 6)), layers, heads), elements=values))


@settings(deadline=None)  # the first call compiles
@given(matrices())
@example((np.array([[0.0, 1.0]]), np.array([[[1.0, 0.0]], [[2.0, 2.0]], [[0.0, np.nan]], [[-0.0, np.inf]]])))
def test_equals_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert same_bits(kendall_tau(*pair), scipys(*pair))


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(2, 400), decimals=st.integers(0, 8), dtype=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 999)
)
def test_equals_scipy_for_many_heads(n: int, decimals: int, dtype: Any, seed: int) -> None:
    """Rounded, so that anything between almost all pairs and none is tied."""
    rng = np.random.default_rng(seed)
    main, others = rng.random((1, n)).round(decimals).astype(dtype), rng.random((3, 1, n)).round(decimals).astype(dtype)
    others[0] = main + (others[0] / 8).round(decimals)
    assert same_bits(kendall_tau(main, others), scipys(main, others))


@pytest.mark.parametrize("count", [1, 163, 164, 655, 656, 1400])
def test_rows_of_several_blocks(count: int) -> None:
    """At 400 heads a block holds 163 or 655 instances; constants and NaN are found in every one."""
    assert (bitsets.BLOCK // 400, correlation.BLOCK // 400) == (163, 655)
    rng = np.random.default_rng(count)
    main, others = rng.random((20, 20)), rng.random((count, 20, 20)).round(2)
    others[::17] = 0.5
    others[5::23, 0, 0] = np.nan
    tau = kendall_tau(main, others)
    assert same_bits(tau, scipys(main, others))
    assert np.isnan(tau[::17]).all()


def test_several_main_matrices_at_once() -> None:
    rng = np.random.default_rng(0)
    mains, others = rng.random((2, 3, 4, 5)).round(1), rng.random((7, 4, 5)).round(1)
    mains[0, 1] = 0.5
    tau = kendall_tau(mains, others)
    assert tau.shape == (2, 3, 7)
    for i, j in np.ndindex(2, 3):
        assert same_bits(tau[i, j], scipys(mains[i, j], others))


def test_no_instances() -> None:
    assert kendall_tau(np.eye(3), np.empty((0, 3, 3))).shape == (0,)


@pytest.mark.parametrize("main", [np.full((2, 2), 0.5), np.array([[0.1, 0.2], [0.3, np.nan]])], ids=["constant", "nan"])
def test_a_main_matrix_without_a_ranking(main: np.ndarray) -> None:
    assert np.isnan(kendall_tau(main, np.arange(8.0).reshape(2, 2, 2))).all()


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64, np.uint8])
def test_other_types_of_numbers(dtype: Any) -> None:
    values = np.random.default_rng(0).integers(0, 100, (5, 4, 5)).astype(dtype)
    assert same_bits(kendall_tau(values[0], values), scipys(values[0], values))


MUCH = correlation.COMPILED + 1
NO_NUMBA = "import sys; sys.modules['numba'] = None"


@pytest.mark.parametrize(
    ("before", "comparisons", "expected"),
    [
        ("", correlation.COMPILED + 1, "bitsets"),
        ("", correlation.COMPILED, "signs"),
        (NO_NUMBA, correlation.COMPILED + 1, "signs"),
    ],
)
def test_numba_is_used_for_much_where_it_is_installed(before: str, comparisons: int, expected: str) -> None:
    code = f"{before}\nfrom gradts_engine.scoring import correlation; print(correlation.agreement({comparisons}).__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == f"agreement_by_{expected}"


def test_tasks_are_correlated_as_one_pair_after_the_other():
    rng = np.random.default_rng(0)
    raw = {task: rng.random((n, 2, 4)) for task, n in {"a": 7, "b": 12, "c": 1}.items()}
    candidates = {"a": ["c", "b"], "c": ["a"], "b": []}

    def shards(task: str) -> list[np.ndarray]:
        return [raw[task][:5], raw[task][5:]] if len(raw[task]) > 5 else [raw[task]]

    found = correlate_tasks(candidates, shards)
    assert {primary: list(row) for primary, row in found.items()} == candidates
    for primary, row in found.items():
        for task, (tau, of_instances) in row.items():
            main = task_importance([raw[primary]])
            assert tau == kendall_tau(main, task_importance([raw[task]])[None])[0]
            assert np.array_equal(of_instances, kendall_tau(main, normalise(raw[task])))
