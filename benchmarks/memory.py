"""The largest memory of a process that scores: against the number of instances, and for long texts.

`10000` and `100000`: generated short rows, scored shard by shard into one file as in a run; the peak of resident memory, or of
the GPU's, as a multiple of that with 1,000 rows. `512 tokens` and `128 tokens`: gigabytes with texts of that length.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.frame import Case, Measured

WORDS = "the a red blue old new cat dog house tree runs sees likes eats makes and or but quickly slowly".split()
SHORT = 6
"""Words of a short row."""
FLAT = 1.1
MOST = 2.5
"""Gigabytes at 512 tokens."""


def peak(rows: int, words: int, length: int) -> float:
    """Megabytes that a process of its own needed at most to score so many rows."""
    code = f"from benchmarks.memory import score; score({rows}, {words}, {length})"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(child.stdout.split()[-1])


def score(rows: int, words: int, length: int) -> None:
    """Encode and score generated rows; prints the peak of this process in megabytes."""
    import numpy as np
    import torch

    from benchmarks import real
    from benchmarks.device import device, on_gpu
    from gradts_engine.contracts import Instance
    from gradts_engine.learning.batches import encode
    from gradts_engine.learning.task_types import Classification
    from gradts_engine.runtime.shards import stored_shards, write_raw
    from gradts_engine.runtime.workspaces import Workspace
    from gradts_engine.scoring.importance import GradientPass

    rng = random.Random(0)
    instances = [Instance(i, (" ".join(rng.choices(WORDS, k=words)),), "ab"[i % 2]) for i in range(rows)]
    data = encode("generated", Classification(), ("a", "b"), instances, real.encoder().tokenizer_for(False), length)
    model = real.model(data)
    passing = GradientPass(model, data, real.encoder().head_sites(model.encoder), device=device())
    with TemporaryDirectory() as folder:
        space = Workspace(Path(folder) / "work")
        for _ in stored_shards(space, rows, passing.importance):
            pass
        write_raw(Path(folder) / "raw.safetensors", stored_shards(space, rows, passing.importance), np.arange(rows))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(torch.cuda.max_memory_allocated(device()) / 1e6 if on_gpu() else resident)


def megabytes(rows: int) -> Measured:
    """Short rows."""
    found = peak(rows, SHORT, 32)
    return Measured(found, seen=f"{found:.0f} MB")


def gigabytes(length: int) -> Measured:
    """Few rows that fill `length` tokens."""
    return Measured(peak(24, length, length) / 1000)


def cases() -> list[Case]:
    """`10000`, `100000`, `128 tokens` and `512 tokens`."""
    flat = partial(Case, target=FLAT, baseline=partial(megabytes, 1000), at_most=True, unit="MB", warm_up=False)
    long = partial(Case, target=MOST, at_most=True, unit="GB", warm_up=False)
    return [
        flat("10000", ours=partial(megabytes, 10_000)),
        flat("100000", ours=partial(megabytes, 100_000), turns=1),
        *(long(f"{length} tokens", ours=partial(gigabytes, length)) for length in (128, 512)),
    ]
