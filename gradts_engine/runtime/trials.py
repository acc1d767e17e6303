"""The stages of a primary that follow the ranking: trials, the proposal, and the final model, which is a trial's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import STEPS_FACTOR
from gradts_engine.contracts import Selection
from gradts_engine.durable import storing
from gradts_engine.errors import TrainingDiverged
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.stages import ROWS, settings_content, split_content, stage_key
from gradts_engine.runtime.workbench import Result, Workbench

if TYPE_CHECKING:
    from gradts_engine.learning.batches import Encoded, Plan


def sizes(bench: Workbench, selection: Selection) -> dict[str, int]:
    """How many instances of each auxiliary a selection uses."""
    return {a.task: len(bench.data[a.task].splits["train"]) if a.instances is None else len(a.instances) for a in selection}


def _subject(primary: str, selection: Selection) -> str:
    """A trial in words; how many instances it uses of an auxiliary that was cut."""
    names = [a.task if a.instances is None else f"{a.task}[{len(a.instances)}]" for a in sorted(selection)]
    return " + ".join([primary, *names])


def trial_steps(bench: Workbench, primary: str) -> int:
    """Optimiser steps of every trial of a primary, where `length = "steps"`."""
    settings = bench.experiment.multitask
    batches = math.ceil(len(bench.data[primary].splits["train"]) / settings.batch_size)
    return settings.steps or STEPS_FACTOR * settings.epochs * math.ceil(batches / settings.accumulation)


def _trial_plan(bench: Workbench, primary: str, train: Mapping[str, Encoded], seed: int) -> Plan:
    from gradts_engine.learning.batches import plan_epochs, plan_steps

    settings = bench.experiment.multitask
    lengths = {task: data.lengths for task, data in train.items()}
    sizes = {"batch_size": settings.batch_size, "accumulation": settings.accumulation, "seed": seed}
    if settings.length == "epochs":
        return plan_epochs(lengths, epochs=settings.epochs, **sizes)
    most = math.ceil(settings.auxiliary_ratio * len(train[primary]))
    limits = {task: most for task in train if task != primary}
    return plan_steps(lengths, steps=trial_steps(bench, primary), evaluations=settings.epochs, limits=limits, **sizes)


def trial_key(bench: Workbench, primary: str, selection: Selection, device: str) -> str:
    """Key of `trial`; the order in which auxiliaries were chosen does not enter."""
    return stage_key(
        "trial",
        primary=primary,
        train=split_content(bench, primary, "train"),
        dev=split_content(bench, primary, "dev"),
        metric=bench.data[primary].judged_by,
        auxiliaries=[[a.task, split_content(bench, a.task, "train"), a.instances] for a in sorted(selection)],
        settings=settings_content(bench.experiment.multitask, device),
        seed=bench.experiment.run.seed,
    )


def trial(bench: Workbench, primary: str, selection: Selection, device: str, *, files: bool = False) -> Artifact:
    """A primary trained together with auxiliaries (step 5): also the final training (step 7), which is the same thing.

    All trials of a primary share their seed, so that they differ in nothing but the auxiliaries.
    """
    subject = _subject(primary, selection)

    def compute() -> Result:
        """The training."""
        from gradts_engine.learning.seeds import derive_seed

        seed = derive_seed(bench.experiment.run.seed, "trial", primary)
        train = {primary: bench.encoded(primary, "train")}
        for auxiliary in sorted(selection):
            data = bench.encoded(auxiliary.task, "train")
            train[auxiliary.task] = data if auxiliary.instances is None else data.take(auxiliary.instances)
        plan = _trial_plan(bench, primary, train, seed)
        return bench.train("trial", subject, key, primary, train, plan, bench.experiment.multitask, seed, device)

    key = trial_key(bench, primary, selection, device)
    try:
        artifact = bench.run("trial", subject, key, compute, files=files)
    except TrainingDiverged as error:
        bench.emit(events.TrialScored(primary, sizes(bench, selection), math.nan, key, str(error)))
        raise
    bench.emit(events.TrialScored(primary, sizes(bench, selection), artifact.result["score"], key))
    return artifact


def propose(bench: Workbench, primary: str, correlation: Artifact, selection: Selection) -> Artifact:
    """Keep a strategy's selection under a key of its own: the digest that a confirmation answers."""
    experiment = bench.experiment
    settings = experiment.selection.model_dump(mode="json", exclude={"confirm"}) | experiment.strategy.model_dump(mode="json")

    def compute() -> Result:
        from safetensors.numpy import save_file

        rows = {a.task: np.array(a.instances, np.int64) for a in selection if a.instances is not None}
        result = {"auxiliaries": [[a.task, n] for a, n in zip(selection, sizes(bench, selection).values(), strict=True)]}
        return result, lambda folder: save_file(rows, folder / ROWS)

    key = stage_key("proposal", primary=primary, correlation=correlation.key, settings=settings, selection=_as_lists(selection))
    return bench.run("proposal", primary, key, compute)


def _as_lists(selection: Selection) -> Sequence[Any]:
    return [[a.task, a.instances] for a in selection]


def test_score(bench: Workbench, primary: str, selection: Selection, device: str) -> float | None:
    """Score on the test split of a trial's model; None where the task has no test split."""
    if "test" not in bench.data[primary].splits:
        return None
    trained = trial_key(bench, primary, selection, device)

    def compute() -> Result:
        from gradts_engine.learning.training import Dev, evaluate

        artifact, data = trial(bench, primary, selection, device, files=True), bench.data[primary]
        model = bench.load_model((primary, *(a.task for a in sorted(selection))), artifact).to(device)
        return {"score": evaluate(model, Dev(bench.encoded(primary, "test"), data.metric, data.rules), device)}, lambda _: None

    key = stage_key("test", trial=trained, test=bench.data[primary].digests["test"])
    return float(bench.run("test", _subject(primary, selection), key, compute).result["score"])


def export(bench: Workbench, primary: str, selection: Selection, device: str, folder: Path, card: str) -> None:
    """Write the final model of a primary in Hugging Face format."""
    from gradts_engine.learning.export import export_model

    artifact = trial(bench, primary, selection, device, files=True)
    model = bench.load_model((primary, *(a.task for a in sorted(selection))), artifact)
    with storing(folder):
        export_model(
            bench.encoder,
            model.encoder,
            model.head(primary),
            word_level=bench.types[primary].word_level,
            labels=bench.data[primary].labels,
            max_length=bench.experiment.data.max_length,
            folder=folder,
            card=card,
        )
