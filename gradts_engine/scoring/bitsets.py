"""Agreement of rankings by sets of bits, compiled by numba: many times faster than signs where there are many heads.

For each head i of a ranking, the set of all heads ranked strictly lower is one bit a head; it grows while one walks up the sorted
ranking. Pairs on which two rankings agree are then counted by the bits of `lower_x[i] & lower_y[i]`, those on which they
disagree by `higher_x[i] & lower_y[i]`, 64 pairs at a time, and ties are in no set. Needs numba, the extra "fast", which compiles
on the first call of a process for about a second. What it compiled is not kept on disk: numba's cache is a pickle, by
which whoever can write to its folder could run anything here.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 1 << 16
"""Values sorted at a time: small enough for the order to stay in the processor's cache."""


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _bits(word: np.uint64) -> np.int64:
    """How many bits are set; LLVM knows this form and makes the processor's own instruction of it."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _lower(values: np.ndarray, order: np.ndarray, sets: np.ndarray) -> int:
    """Set bit j of sets[i] wherever values[j] < values[i], given the order that sorts [K] values; how many bits were set."""
    heads, words = len(order), sets.shape[1]
    lower = np.zeros(words, np.uint64)
    count = start = 0
    for k in range(heads):
        i = order[k]
        if k > 0 and values[i] != values[order[k - 1]]:
            for j in order[start:k]:  # only now, so that tied heads are in none of each other's sets
                lower[j >> 6] |= np.uint64(1) << np.uint64(j & 63)
            start = k
        for word in range(words):
            sets[i, word] = lower[word]
        count += start
    return count


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _compare(x_sets: np.ndarray, ys: np.ndarray, order: np.ndarray, agreement: np.ndarray, untied: np.ndarray) -> None:
    """Fill agreement [M, N] and untied [N] for x_sets [2, M, K * W], lower and higher, and ys [N, K] with their order."""
    heads = ys.shape[1]
    sets = np.empty((heads, x_sets.shape[2] // heads), np.uint64)
    flat = sets.reshape(-1)
    for n in range(len(ys)):
        untied[n] = _lower(ys[n], order[n], sets)
        for m in range(x_sets.shape[1]):
            lower, higher, count = x_sets[0, m], x_sets[1, m], 0
            for word in range(len(flat)):
                count += _bits(lower[word] & flat[word]) - _bits(higher[word] & flat[word])
            agreement[m, n] = count


def agreement_by_bitsets(x: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same as `correlation.agreement_by_signs`."""
    x, ys = (np.asarray(values, np.result_type(values, np.float32)) for values in (x, ys))  # numba knows no float16
    (mains, heads), count = x.shape, len(ys)
    agreement, x_untied, untied = np.empty((mains, count)), np.empty(mains), np.empty(count)
    x_sets = np.empty((2, mains, heads, -(-heads // 64)), np.uint64)
    for m in range(mains):
        for sets, values in zip(x_sets, (x[m], -x[m]), strict=True):
            x_untied[m] = _lower(values, np.argsort(values), sets[m])
    flat = x_sets.reshape(2, mains, -1)
    step = max(1, BLOCK // heads)
    for start in range(0, count, step):
        block = ys[start : start + step]
        _compare(flat, block, np.argsort(block, axis=1), agreement[:, start : start + step], untied[start : start + step])
    return agreement, x_untied, untied
