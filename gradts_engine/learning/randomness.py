"""Random numbers of code that is not ours."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

ALONE = threading.RLock()
"""Held by what works with state of the whole process: generators, and functions of torch that transformers swaps as it loads."""


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Within: the process's generators give what `seed` says, and have afterwards the state that they had before. Whatever is
    seeded there, trainings on GPUs, which go on meanwhile in other threads, draw what they would have drawn."""
    builder = threading.get_ident()
    with ALONE:
        seed_all = torch.cuda.manual_seed_all

        def seed_all_but_gpus(seed: int) -> None:
            if threading.get_ident() != builder:
                seed_all(seed)

        with torch.random.fork_rng(devices=[]):
            of_python, of_numpy = random.getstate(), np.random.get_state()
            # torch.manual_seed, and whatever calls it, seeds every GPU through this function.
            torch.cuda.manual_seed_all = seed_all_but_gpus
            try:
                random.seed(seed)
                np.random.seed(seed % 2**32)
                torch.default_generator.manual_seed(seed)
                yield
            finally:
                torch.cuda.manual_seed_all = seed_all
                random.setstate(of_python)
                np.random.set_state(of_numpy)
