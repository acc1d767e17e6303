"""What the tests of several plugins need."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """GRADTS_DATA names a folder with real tasks; without one, the test is skipped."""
    folder = Path(os.environ.get("GRADTS_DATA", SHARED))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set GRADTS_DATA to run this test")
    monkeypatch.setenv("GRADTS_DATA", str(folder))
