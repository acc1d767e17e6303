"""Finds plugins, keeps a broken one from hurting the others, and holds what they registered, by name."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

import pluggy

from gradts_engine.contracts import EncoderSpec, ExecutorSpec, StrategySpec, TaskSpec, TaskTypeSpec
from gradts_engine.errors import PluginError
from gradts_engine.hooks import specs

Spec = TypeVar("Spec", TaskSpec, TaskTypeSpec, EncoderSpec, StrategySpec, ExecutorSpec)

KINDS: Mapping[str, type] = {
    "tasks": TaskSpec,
    "task_types": TaskTypeSpec,
    "encoders": EncoderSpec,
    "strategies": StrategySpec,
    "executors": ExecutorSpec,
}


class Registry(dict[str, Spec]):
    """Specifications by name. A name that two plugins claim raises when it is asked for, and only then."""

    def __init__(self) -> None:
        super().__init__()
        self.plugin: dict[str, str] = {}
        self.conflicts: dict[str, tuple[str, str]] = {}

    def register(self, plugin: str, spec: Spec) -> None:
        """Add what `plugin` provides under `spec.name`."""
        if spec.name in self:
            self.conflicts[spec.name] = (self.plugin[spec.name], plugin)
        else:
            self[spec.name] = spec
            self.plugin[spec.name] = plugin

    def __getitem__(self, name: str) -> Spec:
        if name in self.conflicts:
            first, second = self.conflicts[name]
            raise PluginError(
                f"{name!r} is registered by two plugins, {first!r} and {second!r}: uninstall one, or switch it off with "
                f"GRADTS_DISABLED_PLUGINS={second}"
            )
        return super().__getitem__(name)


@dataclass(frozen=True)
class Plugin:
    """An installed plugin: the entry point's name, its distribution, and why it is not in use, if so."""

    name: str
    distribution: str
    version: str
    error: str = ""
    disabled: bool = False


@dataclass(frozen=True)
class Catalog:
    """Everything that is registered, and by whom."""

    plugins: tuple[Plugin, ...]
    manager: pluggy.PluginManager
    tasks: Registry[TaskSpec] = field(default_factory=Registry)
    task_types: Registry[TaskTypeSpec] = field(default_factory=Registry)
    encoders: Registry[EncoderSpec] = field(default_factory=Registry)
    strategies: Registry[StrategySpec] = field(default_factory=Registry)
    executors: Registry[ExecutorSpec] = field(default_factory=Registry)

    def versions(self) -> dict[str, str]:
        """Version of each distribution that a working plugin comes from."""
        return {p.distribution: p.version for p in self.plugins if not p.error and not p.disabled}


def installed() -> tuple[EntryPoint, ...]:
    """Entry points of all plugins, the built-in one first, without importing them."""
    found = {e.name: e for e in entry_points(group=specs.GROUP)}
    return tuple(sorted(found.values(), key=lambda e: (e.name != "builtin", e.name)))


def _names(variable: str) -> set[str]:
    return {name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()}


def _enabled(name: str) -> bool:
    """`GRADTS_PLUGINS` lists the only plugins to use, `GRADTS_DISABLED_PLUGINS` those not to use; built-ins always are."""
    allowed = _names("GRADTS_PLUGINS")
    return name == "builtin" or ((not allowed or name in allowed) and name not in _names("GRADTS_DISABLED_PLUGINS"))


def _collect(catalog: Catalog, name: str, module: object) -> None:
    """Check and add everything that one plugin answers."""
    hooks = catalog.manager.get_hookcallers(module) or []
    for hook in hooks:
        kind = hook.name.removeprefix("gradts_")
        if kind not in KINDS:
            continue
        own = [impl for impl in hook.get_hookimpls() if impl.plugin is module]
        for spec in own[0].function():
            if not isinstance(spec, KINDS[kind]):
                raise TypeError(f"{hook.name}() returned {spec!r}, not a {KINDS[kind].__name__}")
            getattr(catalog, kind).register(name, spec)


@cache
def load_catalog() -> Catalog:
    """Import the enabled plugins and collect what they provide. A plugin that fails is listed with its error."""
    manager = pluggy.PluginManager("gradts")
    manager.add_hookspecs(specs)
    plugins: list[Plugin] = []
    catalog = Catalog(plugins=(), manager=manager)
    for entry in installed():
        distribution = entry.dist.name if entry.dist else "?"
        version = entry.dist.version if entry.dist else "?"
        error = ""
        if _enabled(entry.name):
            try:
                module = entry.load()
                manager.register(module, entry.name)
                manager.check_pending()
                _collect(catalog, entry.name, module)
            except Exception as failure:  # whatever a plugin's code raises must stay its own problem
                error = traceback.format_exception_only(failure)[-1].strip()
                if manager.has_plugin(entry.name):
                    manager.unregister(name=entry.name)
        plugins.append(Plugin(entry.name, distribution, version, error, not _enabled(entry.name)))
    return Catalog(tuple(plugins), manager, *(getattr(catalog, kind) for kind in KINDS))
