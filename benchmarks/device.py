"""Where the benchmarks compute: on the device that GRADTS_BENCH_DEVICE (or `--device`) names, on the CPU without."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from time import perf_counter

VARIABLE = "GRADTS_BENCH_DEVICE"
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
"""Of a processor, as Linux calls them: those that say how fast products are."""


def device() -> str:
    """As torch calls it."""
    return os.environ.get(VARIABLE, "cpu")


def on_gpu() -> bool:
    """Whether it is not the CPU."""
    return device() != "cpu"


def now() -> float:
    """Seconds of a clock, read once the device has computed all that it was given."""
    if on_gpu():
        import torch

        torch.cuda.synchronize(device())
    return perf_counter()


def automatic() -> str:
    """The number format that `precision = "auto"` is here."""
    from gradts_engine.contracts import Device
    from gradts_engine.runtime.executors import native_formats
    from gradts_engine.runtime.facts import resolve_precision

    return resolve_precision("auto", [Device(device(), native_formats(device()))])


def precisions(usual: str, other: str) -> dict[str, str]:
    """Number formats by what they add to a case's name: nothing for what a user gets by default, and the `other` one if it is
    another and the device computes in it by itself."""
    return {"": usual} | ({f" {other}": other} if usual != other and other in ("fp32", automatic()) else {})


def described() -> str:
    """Device and processor, with what this has for short formats."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.+)$", text, re.MULTILINE)
    features = [name for name in FEATURES if flags and name in flags[1].split()]
    processor = f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"
    if features:
        processor += f" with {', '.join(features)}"
    if not on_gpu():
        return processor
    import torch

    return f"{torch.cuda.get_device_name(device())} in {processor}"
