"""Pytest fixtures: `pytest_plugins = ["gradts_engine.testing.fixtures"]` in a test module, or in the conftest.py at the root."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from gradts_engine.hooks import catalog
from gradts_engine.hooks.catalog import BUILTIN, Catalog, load_catalog
from gradts_engine.hooks.specs import GROUP


@pytest.fixture
def isolated_catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Catalog]]:
    """`isolated_catalog(module, ...)`: for the rest of the test there are the built-ins and these plugins, whatever is installed.

    A plugin is a module or the name of one; its last part is the name of its entry point. The answer is the catalog, which is
    also what commands run in this process see. One that does not import is listed with its error, as an installed one is.
    """
    monkeypatch.delenv("GRADTS_PLUGINS", raising=False)
    monkeypatch.delenv("GRADTS_DISABLED_PLUGINS", raising=False)

    def isolate(*plugins: ModuleType | str) -> Catalog:
        for plugin in plugins:
            if isinstance(plugin, ModuleType):
                monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
        names = [plugin if isinstance(plugin, str) else plugin.__name__ for plugin in plugins]
        entries = [("builtin", BUILTIN), *((name.rpartition(".")[2], name) for name in names)]
        found = tuple(EntryPoint(name, module, GROUP) for name, module in entries)
        monkeypatch.setattr(catalog, "installed", lambda: found)
        catalog.forget()
        return load_catalog()

    yield isolate
    monkeypatch.undo()
    catalog.forget()
