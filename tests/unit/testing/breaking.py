"""A contract test, run on what breaks it."""

from typing import Any

import pytest


def broken(contract: Any, test: str, message: str, **attributes: Any) -> None:
    """A test of the contract fails, and says why."""
    with pytest.raises(AssertionError, match=message):
        getattr(type("Broken", (contract,), attributes)(), test)()
