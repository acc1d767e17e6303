"""Where a journal is written, and how soon its progress is gathered."""

import pytest

from gradts_engine.runtime.journal import progress


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.db"


@pytest.fixture
def fast(monkeypatch):
    """Progress is gathered at once, and kept in every part of a curve."""
    monkeypatch.setattr(progress, "SHORTEST", 0.0)
    monkeypatch.setattr(progress, "SPACING", 0.0)
