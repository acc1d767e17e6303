"""The fixture that isolates plugin discovery."""

from collections.abc import Callable
from types import ModuleType

import pytest

from gradts_engine import hookimpl
from gradts_engine.__main__ import main
from gradts_engine.contracts import EncoderSpec
from gradts_engine.hooks.catalog import Catalog, load_catalog, versions

pytest_plugins = ["gradts_engine.testing.fixtures"]


def module(name: str, encoder: str) -> ModuleType:
    made = ModuleType(name)

    @hookimpl
    def gradts_encoders() -> list[EncoderSpec]:
        return [EncoderSpec(name=encoder, source=lambda: "")]

    made.gradts_encoders = gradts_encoders  # type: ignore[attr-defined]
    return made


def test_there_is_what_was_asked_for_and_nothing_else(
    isolated_catalog: Callable[..., Catalog], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "minilm-l6" in load_catalog().encoders
    assert "gradts-minilm" in versions()
    catalog = isolated_catalog(module("pack.mine", "one"), "no_such_module")
    assert set(catalog.encoders) == {"one"}
    assert catalog.encoders.plugin["one"] == "mine"
    assert "gradts-minilm" not in versions()
    assert "trial" in catalog.strategies
    assert [p.error for p in catalog.plugins] == ["", "", "ModuleNotFoundError: No module named 'no_such_module'"]
    assert main(["encoders"]) == 0
    assert "minilm" not in capsys.readouterr().out


def test_afterwards_everything_is_as_before() -> None:
    assert "minilm-l6" in load_catalog().encoders
    assert "one" not in load_catalog().encoders
    assert "gradts-minilm" in versions()


def test_allow_lists_of_the_environment_do_not_matter(
    isolated_catalog: Callable[..., Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADTS_DISABLED_PLUGINS", "mine")
    monkeypatch.delenv("GRADTS_DISABLED_PLUGINS")
    assert set(isolated_catalog(module("mine", "two")).encoders) == {"two"}
