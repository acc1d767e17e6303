"""What a run needs before its first job: task types, data and encoder, found and read, the facts that follow, and its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from gradts_engine.config import Experiment, load_experiment
from gradts_engine.contracts import Device, Executor, Say, Selection, Setup, TaskData, TaskType
from gradts_engine.digests import digest
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.hooks.catalog import Catalog, load_catalog
from gradts_engine.names import slug
from gradts_engine.runtime.facts import Facts, facts_of
from gradts_engine.settings import Section

if TYPE_CHECKING:
    import numpy as np

    from gradts_engine.learning.encoders import Encoder


@dataclass(frozen=True, eq=False)
class Prepared:
    """An experiment with all that it names."""

    experiment: Experiment
    types: Mapping[str, TaskType]
    data: Mapping[str, TaskData]
    encoder: Encoder
    facts: Facts

    def left_out(self, primary: str) -> dict[str, np.ndarray]:
        """Positions of the train rows of other tasks that the primary cannot be trained with, of tasks that have any."""
        from gradts_engine.learning.overlap import left_out

        if self.experiment.data.overlap != "drop":
            return {}
        others = self.experiment.candidates(primary)
        found = {task: left_out(self.data[primary], self.data[task]) for task in others}
        return {task: rows for task, rows in found.items() if len(rows)}

    def usable(self, primary: str, selection: Selection) -> Selection:
        """A selection without rows that the primary is judged by, where these are to be dropped."""
        from gradts_engine.learning.overlap import usable

        return usable(selection, primary, self.data, self.experiment.data.overlap)


WORKER = "gradts_engine.runtime.worker:make"
"""Where executors find the function that makes workers."""

OF_DATA = ("max_length", "overlap", "verdict_fraction")
"""Settings of [data] that tell more than which rows there are."""

_HERE: WeakValueDictionary[tuple[Path, str, tuple[Device, ...]], Prepared] = WeakValueDictionary()
"""What was prepared last in this process and is still in use, so that a worker beside its driver need not read everything again.
That it is the same is known by the keys of its jobs."""


def load_executor(experiment: Experiment, catalog: Catalog, store: Path, hear: Say) -> Executor:
    """The executor of an experiment, whose workers keep what they compute in a store and tell `hear` what happens. Raises
    `UsageError` for devices that are not there, or of several kinds."""
    paths = {"config": str(experiment.path.absolute()), "store": str(store.absolute())}
    arguments = json.dumps(paths | {"text": experiment.text})  # the file may be changed before a worker is there
    try:
        setup = Setup(
            experiment.run.devices, WORKER, arguments, hear, experiment.run.address, store.absolute(), experiment.run.workers
        )
        executor = catalog.executors[experiment.run.executor].load(setup)
    except UsageError as error:
        raise UsageError(f"{experiment.path}: {error}") from error
    if len({device.kind for device in executor.devices}) > 1:
        executor.close()
        raise UsageError(
            f"{experiment.path}: run.devices: {' and '.join(d.name for d in executor.devices)} are of several kinds, and what "
            "one kind computes is not what another computes to the last bit: name devices of one kind"
        )
    return executor


def prepare(experiment: Experiment, catalog: Catalog, devices: Sequence[Device]) -> Prepared:
    """Task types, data and encoder, found and read."""
    from gradts_engine.learning.encoders import load_encoder

    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    data, encoder = read_tasks(experiment, catalog, types), load_encoder(experiment.encoder)
    versions = {spec.type: catalog.task_types[spec.type].version for spec in experiment.tasks.values()}
    complete = catalog.strategies[experiment.selection.strategy].needs_instances
    facts = facts_of(experiment, data, encoder.digest, versions, devices, complete=complete)
    found = Prepared(experiment, types, data, encoder, facts)
    _HERE[experiment.path.absolute(), experiment.text, tuple(devices)] = found
    return found


def prepared(config: Path, text: str, devices: Sequence[Device]) -> Prepared:
    """What `prepare` has found for a tasks.toml that says `text` in this process, or finds now."""
    found = _HERE.get((config.absolute(), text, tuple(devices)))
    if found is None:
        catalog = load_catalog()
        found = prepare(load_experiment(config, catalog, text), catalog, devices)
    return found


def read_tasks(experiment: Experiment, catalog: Catalog, types: Mapping[str, TaskType]) -> dict[str, TaskData]:
    """Read and check the data of the tasks that `types` has. Raises ProblemsError with what is wrong with any of them."""
    from gradts_engine.learning.data import BAD_ROWS, read_task

    settings = experiment.data
    seed = experiment.run.seed if settings.seed is None else settings.seed
    data: dict[str, TaskData] = {}
    problems: list[str] = []
    for name in types:
        spec = experiment.tasks[name]
        metric = spec.metric or catalog.task_types[spec.type].metrics[0]
        try:
            limits = experiment.limits[name]
            data[name] = read_task(spec, types[name], metric, limits, settings.on_bad_row, seed, settings.limit_order)
        except UsageError as error:
            problems += getattr(error, "problems", [str(error)])
    if problems:
        hinted = [i for i, problem in enumerate(problems) if problem.endswith(BAD_ROWS)]
        for i in hinted[:-1]:  # one hint is enough
            problems[i] = problems[i].removesuffix(f"; {BAD_ROWS}")
        raise ProblemsError(list(dict.fromkeys(problems)))
    return data


def check(prepared: Prepared) -> None:
    """Raises UsageError where encoder and data are each right but do not go together, or a primary could never have a score."""
    from gradts_engine.learning.batches import has_tokens
    from gradts_engine.learning.judging import hopeless

    experiment, data, encoder = prepared.experiment, prepared.data, prepared.encoder
    max_length = experiment.data.max_length
    try:
        encoder.check(max_length)
    except UsageError as error:
        raise UsageError(f"{experiment.path}: {error}") from error
    for name, task in data.items():
        if prepared.types[name].word_level:
            tokenizer = encoder.tokenizer_for(word_level=True)
            for split, rows in task.splits.items():
                if not has_tokens(rows, tokenizer, max_length):
                    what = f"no word of its {len(rows)} {split} rows has a token of encoder {encoder.name}"
                    raise UsageError(
                        f"task '{name}': {what}, so nothing can be scored; look for words without a visible character"
                    )
    for primary in experiment.primaries:
        if why := hopeless(data[primary], "dev"):
            raise UsageError(f"task '{primary}': {why}; use another metric, or other dev rows")


def run_id(prepared: Prepared) -> str:
    """The file's name and a digest of settings, data and encoder: the same content is the same run, wherever it lies."""
    experiment = prepared.experiment
    tasks = [[name, task.judged_by, dict(task.digests)] for name, task in prepared.data.items()]
    settings = _settings(experiment, Section.content)
    del settings["selection"]["confirm"], settings["scoring"]["batch_tokens"]  # these change no result
    content = [settings, tasks, prepared.encoder.digest, experiment.primaries]
    return f"{slug(experiment.path.stem, 48)}-{digest(content)[:8]}"


def current_run(config: Path) -> str:
    """The run that a tasks.toml is now, with data and encoder as they are. Raises `UsageError` where they cannot be read."""
    catalog = load_catalog()
    return run_id(prepare(load_experiment(config, catalog), catalog, (Device("cpu"),)))  # whatever the devices are


def method_settings(experiment: Experiment) -> dict[str, Any]:
    """What was set, as JSON; which rows and which encoder is known by their content instead."""
    return _settings(experiment, lambda section: section.model_dump(mode="json"))


def _settings(experiment: Experiment, values: Callable[[Section], dict[str, Any]]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        name: values(getattr(experiment, name)) for name in ("training", "multitask", "scoring", "selection")
    }
    settings["selection"][experiment.selection.strategy] = values(experiment.strategy)
    data = {name: value for name, value in values(experiment.data).items() if name in OF_DATA}
    return settings | {"seed": experiment.run.seed} | data
