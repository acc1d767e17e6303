"""What a run needs before its first stage: devices, task types, data, encoder, and its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradts_engine.config import Experiment, load_experiment
from gradts_engine.contracts import TaskData, TaskType
from gradts_engine.digests import digest
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.hooks.catalog import Catalog, load_catalog
from gradts_engine.names import slug
from gradts_engine.runtime.executors import resolve_devices

if TYPE_CHECKING:
    from gradts_engine.learning.encoders import Encoder


def prepare(
    experiment: Experiment, catalog: Catalog
) -> tuple[tuple[str, ...], Mapping[str, TaskType], Mapping[str, TaskData], Encoder]:
    """Devices, task types, data and encoder, found and read."""
    from gradts_engine.learning.encoders import load_encoder

    try:
        devices = resolve_devices(experiment.run.devices)
    except ValueError as error:
        raise UsageError(f"{experiment.path}: run.devices: {error}") from error
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    return devices, types, read_tasks(experiment, catalog, types), load_encoder(experiment.encoder)


def read_tasks(experiment: Experiment, catalog: Catalog, types: Mapping[str, TaskType]) -> dict[str, TaskData]:
    """Read and check the data of all tasks. Raises ProblemsError with what is wrong with any of them."""
    from gradts_engine.learning.data import read_task

    settings = experiment.data
    seed = experiment.run.seed if settings.seed is None else settings.seed
    data: dict[str, TaskData] = {}
    problems: list[str] = []
    for name, spec in experiment.tasks.items():
        metric = spec.metric or catalog.task_types[spec.type].metrics[0]
        try:
            limits = experiment.limits[name]
            data[name] = read_task(spec, types[name], metric, limits, settings.on_bad_row, seed, settings.limit_order)
        except UsageError as error:
            problems += getattr(error, "problems", [str(error)])
    if problems:
        raise ProblemsError(list(dict.fromkeys(problems)))
    return data


def check(experiment: Experiment, types: Mapping[str, TaskType], data: Mapping[str, TaskData], encoder: Encoder) -> None:
    """Raises UsageError where encoder and data are each right but do not go together, or a primary could never have a score."""
    from gradts_engine.learning.batches import has_tokens
    from gradts_engine.learning.judging import hopeless

    max_length = experiment.data.max_length
    encoder.check(max_length)
    for name, task in data.items():
        if types[name].word_level:
            tokenizer = encoder.tokenizer_for(word_level=True)
            for split, rows in task.splits.items():
                if not has_tokens(rows, tokenizer, max_length):
                    what = f"no word of its {len(rows)} {split} rows has a token of encoder {encoder.name}"
                    raise UsageError(
                        f"task '{name}': {what}, so nothing can be scored; look for words without a visible character"
                    )
    for primary in experiment.primaries:
        if why := hopeless(data[primary], "dev"):
            raise UsageError(f"{why}; use another metric, or other dev rows")


def run_id(experiment: Experiment, data: Mapping[str, TaskData], encoder: str) -> str:
    """The file's name and a digest of settings, data and encoder: the same content is the same run, wherever it lies."""
    tasks = [[name, task.judged_by, dict(task.digests)] for name, task in data.items()]
    settings = method_settings(experiment)
    del settings["selection"]["confirm"], settings["scoring"]["batch_tokens"]  # these change no result
    content = [settings, tasks, encoder, experiment.primaries]
    return f"{slug(experiment.path.stem, 48)}-{digest(content)[:8]}"


def current_run(config: Path) -> str:
    """The run that a tasks.toml is now, with data and encoder as they are. Raises `UsageError` where they cannot be read."""
    from gradts_engine.learning.encoders import load_encoder

    catalog = load_catalog()
    experiment = load_experiment(config, catalog)
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    return run_id(experiment, read_tasks(experiment, catalog, types), load_encoder(experiment.encoder).digest)


def method_settings(experiment: Experiment) -> dict[str, Any]:
    """What was set, as JSON; which rows and which encoder is known by their content instead."""
    sections = ("training", "multitask", "scoring", "selection")
    settings = {name: getattr(experiment, name).model_dump(mode="json") for name in sections}
    settings["selection"][experiment.selection.strategy] = experiment.strategy.model_dump(mode="json")
    data = {"max_length": experiment.data.max_length, "overlap": experiment.data.overlap}
    return settings | {"seed": experiment.run.seed} | data
