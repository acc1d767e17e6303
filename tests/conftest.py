"""Data that are too large, or not free enough, to live in the repository; tests that need them are skipped without them."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two threads for the tiny models of the tests cost more than they bring; set before torch is imported, and for child processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long a test takes says nothing on a busy machine.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set {variable} to run this test")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests of `make torture` have noted with `record_property`: numbers of things summed over all processes, others as they
    are."""
    sums: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, noted in report.user_properties:
            if isinstance(noted, int):
                sums[name] += noted
            else:
                terminalreporter.write_line(f"{name}: {noted}")
    for name, number in sums.items():
        terminalreporter.write_line(f"{name}: {number:,}")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real labelled tasks: `tasks/NAME/SPLIT.jsonl` and `index.json`."""
    return _folder("GRADTS_DATA", SHARED / "data")


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Results of the published code, to compare with."""
    return _folder("GRADTS_GOLDEN", SHARED / "golden")
