"""Plugins as they are installed: each test makes real distributions, a module and its metadata, in a folder on sys.path."""

import json
import sys
from pathlib import Path

import pytest

from gradts_engine.__main__ import main
from gradts_engine.errors import PluginError, UsageError
from gradts_engine.hooks.catalog import forget, load_catalog

HEAD = "from gradts_engine import hookimpl\nfrom gradts_engine.contracts import *\n"


def encoders(*names: str) -> str:
    """A plugin module that registers encoders."""
    specs = ", ".join(f"EncoderSpec(name={name!r}, source=lambda: '')" for name in names)
    return f"{HEAD}@hookimpl\ndef gradts_encoders():\n    return [{specs}]\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`install(plugin, code)` installs the distribution `dist-PLUGIN` 1.0 with a module, and the entry point PLUGIN."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("GRADTS_PLUGINS", raising=False)
    monkeypatch.delenv("GRADTS_DISABLED_PLUGINS", raising=False)
    forget()
    modules = []

    def install(plugin: str, code: str, *, entry: str = "", group: str = "gradts.plugins.v1") -> None:
        module = f"plugin_{plugin}"
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(code)
        metadata = tmp_path / f"dist_{plugin}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{plugin}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{entry or plugin} = {module}\n")

    yield install
    forget()
    for module in modules:
        sys.modules.pop(module, None)


def plugin(name: str, distribution: str = ""):
    """How the catalog lists a plugin."""
    distribution = distribution or f"dist-{name}"
    (found,) = (p for p in load_catalog().plugins if (p.name, p.distribution) == (name, distribution))
    return found


def test_an_installed_plugin_is_found(install):
    install("mine", encoders("one", "two"))
    catalog = load_catalog()
    assert catalog.encoders["one"].name == "one"
    assert catalog.encoders.plugin["two"] == "mine"
    assert (plugin("mine").version, plugin("mine").error, plugin("mine").disabled) == ("1.0", "", False)
    assert catalog.versions()["dist-mine"] == "1.0"


def test_the_built_ins_come_first_and_through_the_same_hooks(install):
    install("aaa", encoders("one"))
    catalog = load_catalog()
    assert catalog.plugins[0].name == "builtin"
    assert {"classification", "regression", "token_classification"} <= set(catalog.task_types)
    assert {"trial", "threshold", "fine-grained"} <= set(catalog.strategies)
    assert next(iter(catalog.executors)) == "threads"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (f"{HEAD}@hookimpl\ndef gradts_encoders():\n    raise OSError('no disk')", "gradts_encoders() raised OSError: no disk"),
        (
            f"{HEAD}@hookimpl\ndef gradts_encoders():\n    return None",
            "gradts_encoders() returned None, not a list of EncoderSpec",
        ),
        (f"{HEAD}@hookimpl\ndef gradts_tasks():\n    return ['rte']", "gradts_tasks() returned 'rte', not a TaskSpec"),
        (f"{HEAD}@hookimpl\ndef gradts_tasks(config):\n    return []", "Argument(s) {'config'} are declared in the hookimpl"),
        (f"{HEAD}@hookimpl\ndef gradts_task():\n    return []", "unknown hook 'gradts_task'"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_error_and_hurts_nobody(install, code, error):
    install("broken", code)
    install("good", encoders("one"))
    catalog = load_catalog()
    assert error in plugin("broken").error
    assert "\n" not in plugin("broken").error
    assert plugin("good").error == ""
    assert catalog.encoders["one"].name == "one"
    assert "dist-broken" not in catalog.versions()
    assert "broken" not in dict(catalog.manager.list_name_plugin())


def test_a_plugin_for_another_interface_is_named_and_not_imported(install, capsys):
    from gradts_engine.__main__ import main

    install("later", "raise AssertionError('imported')", group="gradts.plugins.v2")
    install("good", encoders("one"))
    catalog = load_catalog()
    assert "made for gradts.plugins.v2, but this GradTS has gradts.plugins.v1" in plugin("later").error
    assert "plugin_later" not in sys.modules
    assert "one" in catalog.encoders
    assert "dist-later" not in catalog.versions()
    assert main(["plugins", "--json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["plugin"] == "later")
    assert (row["distribution"], row["state"]) == ("dist-later", "broken")


def test_a_task_whose_files_are_missing_says_which(install, capsys):
    from gradts_engine.__main__ import main

    spec = "TaskSpec(name='lost', type='classification', train='/no/such/place/train.jsonl', dev_fraction=0.1)"
    install("tasks", f"{HEAD}@hookimpl\ndef gradts_tasks():\n    return [{spec}]\n")
    assert main(["tasks", "show", "lost"]) == 2
    assert "/no/such/place/train.jsonl: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "Upper", "", "a b", "a\n", "x" * 65, "\u202e"])
def test_a_plugin_with_a_name_that_is_none_is_broken(install, name):
    install("broken", encoders(name))
    assert "expected up to 64 of a-z" in plugin("broken").error
    assert name not in load_catalog().encoders


def test_what_a_plugin_prints_does_not_get_into_an_answer(install, capsys):
    install("loud", f"print('imported')\n{encoders('one')}".replace("    return", "    print('asked')\n    return"))
    assert main(["plugins", "--json"]) == 0
    shown = capsys.readouterr()
    assert {row["plugin"]: row["state"] for row in json.loads(shown.out)}["loud"] == "in use"
    assert "imported\nasked\n" in shown.err


@pytest.mark.parametrize("metadata", ["", "Name: dist-broken\n", "Version: 1.0\n", None])
def test_broken_metadata_hurt_nobody(install, tmp_path, metadata, capsys):
    install("broken", encoders("one"))
    install("good", encoders("two"))
    path = tmp_path / "dist_broken-1.0.dist-info" / "METADATA"
    path.unlink() if metadata is None else path.write_text(metadata)
    assert load_catalog().encoders["two"].name == "two"
    for command in (["--version"], ["plugins"], ["encoders"]):
        assert main(command) == 0
    assert "dist-good 1.0" in capsys.readouterr().out


def test_a_plugin_that_fails_in_one_hook_registers_nothing(install):
    install("half", f"{encoders('one')}@hookimpl\ndef gradts_tasks():\n    return 1\n")
    assert "one" not in load_catalog().encoders


def test_two_plugins_with_one_name_conflict_only_when_it_is_asked_for(install):
    install("first", encoders("shared", "one"))
    install("second", encoders("shared", "two"))
    found = load_catalog().encoders
    assert found["one"].name == "one"
    assert found["two"].name == "two"
    assert "shared" in found
    for ask in (found.__getitem__, found.get):
        with pytest.raises(
            PluginError, match=r"'shared' is registered by two plugins, 'first' and 'second'.*DISABLED_PLUGINS=second"
        ):
            ask("shared")
    assert found.get("none of these") is None


@pytest.mark.parametrize("name", ["second", "gradts-second"])
def test_a_disabled_plugin_ends_a_conflict_and_is_not_imported(install, monkeypatch, name):
    install("first", encoders("shared"))
    install("second", "raise AssertionError('imported')")
    monkeypatch.setenv("GRADTS_DISABLED_PLUGINS", f"{name}, third")
    assert load_catalog().encoders["shared"].name == "shared"
    assert plugin("second").disabled
    assert plugin("second").error == ""
    assert "dist-second" not in load_catalog().versions()


def test_an_allow_list_leaves_the_built_ins_and_nothing_else(install, monkeypatch):
    install("first", encoders("one"))
    install("second", encoders("two"))
    monkeypatch.setenv("GRADTS_PLUGINS", "second")
    catalog = load_catalog()
    assert set(catalog.encoders) == {"two"}
    assert "trial" in catalog.strategies
    assert plugin("first").disabled


def test_an_allow_list_with_a_name_that_nobody_has(install, monkeypatch):
    install("first", encoders("one"))
    monkeypatch.setenv("GRADTS_PLUGINS", "first,frist")
    with pytest.raises(UsageError, match=r"^GRADTS_PLUGINS names frist, which is not installed; installed are builtin, .*first"):
        load_catalog()


@pytest.mark.parametrize("name", ["taken", "builtin"])
def test_of_two_plugins_with_one_entry_point_name_the_second_is_refused(install, name):
    install("aaa", encoders("one"), entry="taken")
    install("bbb", encoders("two"), entry=name)
    catalog = load_catalog()
    assert "another plugin has the name" in plugin(name, "dist-bbb").error
    assert set(catalog.encoders) >= {"one"}
    assert "two" not in catalog.encoders
    assert "trial" in catalog.strategies


def test_events_reach_the_plugins_that_observe(install):
    install("observer", f"{HEAD}seen = []\n@hookimpl\ndef gradts_event(event):\n    seen.append(event)\n")
    load_catalog().manager.hook.gradts_event(event="an event")
    assert sys.modules["plugin_observer"].seen == ["an event"]
