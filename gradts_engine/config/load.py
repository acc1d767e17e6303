"""tasks.toml -> a frozen `Experiment`, or all problems of the file at once: line, key, what is wrong, what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradts_engine.config.file import Problems, located, parse, read_text
from gradts_engine.config.schema import (
    Context,
    DataSettings,
    MultitaskSettings,
    Names,
    RunSettings,
    ScoringSettings,
    Sections,
    SelectionSettings,
    TaskTable,
    TrainingSettings,
    find_encoder,
)
from gradts_engine.config.sections import strategy_settings, validate, with_preset, without_strategies
from gradts_engine.config.tasks import check_task, limits, resolve_task
from gradts_engine.contracts import EncoderSpec, TaskSpec
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.nearest import unknown
from gradts_engine.settings import Section

MAX_TASKS = 1000


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A checked tasks.toml. `tasks` holds every task that takes part, in order; `limits[task][split]` how many of its
    rows to use (None: all). Files named in tasks.toml have become absolute paths. `text` is what was read, whatever the file at
    `path` says since."""

    path: Path
    text: str = field(compare=False)
    run: RunSettings
    data: DataSettings
    training: TrainingSettings
    multitask: MultitaskSettings
    scoring: ScoringSettings
    selection: SelectionSettings
    strategy: Section
    """What `[selection.NAME]` says of the chosen strategy."""
    encoder: EncoderSpec
    tasks: Mapping[str, TaskSpec]
    limits: Mapping[str, Mapping[str, int | None]]
    primaries: tuple[str, ...]

    def on(self, executor: str | None, address: str | None, names: Names) -> Experiment:
        """With another executor or address, where one is given. Raises UsageError for an executor that nobody registers."""
        if executor is not None and executor not in names.executors:
            raise UsageError(f"--executor: {unknown('executor', executor, names.executors)}")
        given = {"executor": executor, "address": address}
        run = self.run.model_copy(update={name: value for name, value in given.items() if value is not None})
        return replace(self, run=run)

    def candidates(self, primary: str) -> tuple[str, ...]:
        """The tasks that may help `primary`: all others, in order."""
        return tuple(name for name in self.tasks if name != primary)


def load_experiment(path: str | Path, names: Names, text: str | None = None) -> Experiment:
    """Read and check tasks.toml against what the catalog `names` knows; `text` is what it said, where that was read before.

    Raises UsageError if the file cannot be read or is not TOML, and ProblemsError with all problems of its content.
    """
    path = Path(path)
    text = read_text(path) if text is None else text
    document = with_preset(parse(path, text))
    tables = document.get("tasks")
    tables = tables if isinstance(tables, dict) else {}
    if len(tables) > MAX_TASKS:
        raise UsageError(f"{path}: {len(tables)} tables [tasks.NAME], expected at most {MAX_TASKS}")
    context = Context(names, path.parent, defined=tuple(tables))

    problems: Problems = []
    document, strategies = without_strategies(document, names)
    strategy = strategy_settings(document, strategies, context, problems)
    sections = validate(Sections, document, (), context, problems)
    checked = {name: validate(TaskTable, table, ("tasks", name), context, problems) for name, table in tables.items()}
    specs: dict[str, TaskSpec] = {}
    for name, table in checked.items():
        if table and (spec := resolve_task(name, table, context, problems)):
            specs[name] = spec
    if sections:
        for i, name in enumerate(sections.run.tasks):
            if name not in tables:
                specs[name] = names.tasks[name]
                check_task(specs[name], ("run", "tasks", i), names, problems)
        order = tuple(dict.fromkeys([*sections.run.tasks, *tables]))
        if len(order) < 2:
            problems.append((("run", "tasks"), f"{len(order)} in use, expected at least 2: a primary and a candidate"))
    if problems or not sections or not strategy:
        raise ProblemsError(located(path, text, problems))
    return Experiment(
        path=path,
        text=text,
        run=sections.run,
        data=sections.data,
        training=sections.training,
        multitask=sections.multitask,
        scoring=sections.scoring,
        selection=sections.selection,
        strategy=strategy,
        encoder=find_encoder(sections.run.encoder, context),
        tasks={name: specs[name] for name in order},
        limits={name: limits(sections.data, checked.get(name)) for name in order},
        primaries=sections.run.primary or order,
    )
