"""Notes what was tried."""

import pytest


@pytest.fixture(autouse=True)
def _noted(request, record_property):
    if request.node.get_closest_marker("torture"):
        people = request.node.originalname in ("test_settings", "test_rows")
        record_property("damaged tasks.toml and rows" if people else "damaged files", request.node.callspec.params["inputs"])
