"""A store of artifacts."""

import pytest

from gradts_engine.runtime.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)
