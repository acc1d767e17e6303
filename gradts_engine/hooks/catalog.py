"""Finds plugins, keeps a broken one from hurting the others, and holds what they registered, by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, TypeVar, overload

import pluggy

from gradts_engine.contracts import EncoderSpec, ExecutorSpec, PredictorSpec, StrategySpec, TaskSpec, TaskTypeSpec
from gradts_engine.errors import PluginError, UsageError
from gradts_engine.events import Event
from gradts_engine.hooks import specs
from gradts_engine.names import RULE, is_name

AnySpec = TaskSpec | TaskTypeSpec | EncoderSpec | PredictorSpec | StrategySpec | ExecutorSpec
Spec = TypeVar("Spec", bound=AnySpec)
T = TypeVar("T")

KINDS: Mapping[str, type[AnySpec]] = {
    "tasks": TaskSpec,
    "task_types": TaskTypeSpec,
    "encoders": EncoderSpec,
    "predictors": PredictorSpec,
    "strategies": StrategySpec,
    "executors": ExecutorSpec,
}

BUILTIN = "gradts_engine.hooks.builtin"
FAMILY = specs.GROUP.rpartition(".")[0] + "."
"""What the groups of all versions of the plugin interface begin with."""


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

    @overload
    def get(self, name: str, default: None = None, /) -> Spec | None: ...
    @overload
    def get(self, name: str, default: Spec | T, /) -> Spec | T: ...
    def get(self, name: str, default: Any = None, /) -> Any:
        """The specification, or `default`; raises as `[]` does for a name that two plugins claim."""
        try:
            return self[name]
        except KeyError:
            return default


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
    predictors: Registry[PredictorSpec] = field(default_factory=Registry)
    strategies: Registry[StrategySpec] = field(default_factory=Registry)
    executors: Registry[ExecutorSpec] = field(default_factory=Registry)

    def versions(self) -> dict[str, str]:
        """Version of each distribution that a working plugin comes from."""
        return {p.distribution: p.version for p in self.plugins if not p.error and not p.disabled}


def installed() -> tuple[EntryPoint, ...]:
    """Entry points of all plugins, the built-in one first, without importing them."""
    return tuple(sorted(entry_points(group=specs.GROUP), key=lambda e: (e.value != BUILTIN, e.name, e.value)))


def others() -> tuple[EntryPoint, ...]:
    """Entry points of plugins for another version of the plugin interface, which are listed and not imported."""
    every = entry_points()
    groups = sorted(group for group in every.groups if group.startswith(FAMILY) and group != specs.GROUP)
    return tuple(entry for group in groups for entry in every.select(group=group))


def distribution(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of what brought an entry point; `?` where its metadata are broken."""
    try:
        return (entry.dist.name or "?", entry.dist.version or "?") if entry.dist else ("?", "?")
    except Exception:  # metadata are read when they are asked for, and each kind of damage has an error of its own
        return "?", "?"


@cache
def versions() -> Mapping[str, str]:
    """Versions of engine, torch, transformers and plugins, read from their metadata without importing them; once, since what is
    loaded stays as it was, whatever is installed later."""
    return {name: version(name) for name in ("gradts", "torch", "transformers")} | dict(map(distribution, installed()))


def forget() -> None:
    """Look again at what is installed when the catalog or versions are next asked for."""
    load_catalog.cache_clear()
    versions.cache_clear()


def _names(variable: str) -> set[str]:
    """Plugins, as they or their distributions are called."""
    return {name.strip().removeprefix("gradts-") for name in os.environ.get(variable, "").split(",") if name.strip()}


def _enabled(name: str) -> bool:
    """`GRADTS_PLUGINS` lists the only plugins to use, `GRADTS_DISABLED_PLUGINS` those not to use; built-ins always are."""
    allowed = _names("GRADTS_PLUGINS")
    return name == "builtin" or ((not allowed or name in allowed) and name not in _names("GRADTS_DISABLED_PLUGINS"))


def _provided(hook: pluggy.HookCaller, module: object) -> Sequence[AnySpec]:
    """What a plugin's implementation of a hook answers, checked."""
    (own,) = (impl for impl in hook.get_hookimpls() if impl.plugin is module)
    kind = KINDS[_kind(hook)]
    try:
        answer: Any = own.function()
    except Exception as error:
        raise PluginError(f"{hook.name}() raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, Sequence):
        raise TypeError(f"{hook.name}() returned {answer!r}, not a list of {kind.__name__}")
    for spec in answer:
        if not isinstance(spec, kind):
            raise TypeError(f"{hook.name}() returned {spec!r}, not a {kind.__name__}")
        if not is_name(spec.name):
            raise ValueError(f"{hook.name}() returned the name {spec.name!r}, expected {RULE}")
    return answer


def _kind(hook: pluggy.HookCaller) -> str:
    return hook.name.removeprefix("gradts_")


def _add(catalog: Catalog, name: str, module: object) -> None:
    """Register a plugin and all that it provides, or, if it raises, nothing of it."""
    manager = catalog.manager
    if manager.has_plugin(name) or manager.is_registered(module):
        raise ValueError(f"another plugin has the name {name!r} or the same module")
    try:
        manager.register(module, name)
        manager.check_pending()
        hooks = [hook for hook in manager.get_hookcallers(module) or () if _kind(hook) in KINDS]
        provided = [(_kind(hook), spec) for hook in hooks for spec in _provided(hook, module)]
    except BaseException:
        if manager.is_registered(module):
            manager.unregister(module)
        raise
    for kind, spec in provided:
        getattr(catalog, kind).register(name, spec)


@cache
def load_catalog() -> Catalog:
    """Import the enabled plugins and collect what they provide. A plugin that fails is listed with its error.

    Raises UsageError where GRADTS_PLUGINS allows one that is not installed: a run would do without it and say nothing.
    """
    names = [entry.name for entry in installed()]
    if unknown := _names("GRADTS_PLUGINS") - set(names):
        raise UsageError(f"GRADTS_PLUGINS names {min(unknown)}, which is not installed; installed are {', '.join(sorted(names))}")
    manager = pluggy.PluginManager("gradts")
    manager.add_hookspecs(specs)
    plugins: list[Plugin] = []
    catalog = Catalog(plugins=(), manager=manager)
    for entry in installed():
        error = ""
        if _enabled(entry.name):
            try:
                with redirect_stdout(sys.stderr):  # what a plugin prints must not get into what a command answers
                    _add(catalog, entry.name, entry.load())
            except (Exception, SystemExit) as failure:  # whatever a plugin's code raises must stay its own problem
                kind = "" if isinstance(failure, PluginError) else f"{type(failure).__name__}: "
                error = " ".join(f"{kind}{failure}".split())
        plugins.append(Plugin(entry.name, *distribution(entry), error, not _enabled(entry.name)))
    for entry in others():
        error = f"made for {entry.group}, but this GradTS has {specs.GROUP}: install versions of both that go together"
        plugins.append(Plugin(entry.name, *distribution(entry), error))
    return replace(catalog, plugins=tuple(plugins))


def observers(catalog: Catalog) -> list[Callable[[Event], object]]:
    """What plugins want called with every event."""
    listeners: list[Callable[..., object]] = [impl.function for impl in catalog.manager.hook.gradts_event.get_hookimpls()]
    return [*listeners]
