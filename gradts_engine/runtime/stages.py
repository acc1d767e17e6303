"""The stages of the method: for each, its key (everything that its result depends on) and what it computes if that is not there.

No key holds a path, a time or a device: data, encoders and earlier results are known by their content.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import STEPS_FACTOR, TrainingSettings
from gradts_engine.contracts import Selection
from gradts_engine.errors import TrainingDiverged
from gradts_engine.runtime.artifacts import Artifact, content_key, fsync, storing
from gradts_engine.runtime.shards import read_raw, stored_shards, write_raw
from gradts_engine.runtime.workbench import Result, Workbench

if TYPE_CHECKING:
    from gradts_engine.learning.batches import Encoded, Plan

VERSIONS = {"embed": 1, "tune": 2, "score": 3, "correlate": 1, "trial": 2, "proposal": 1, "test": 1}
"""Raised when a stage computes something else from the same inputs, so that older results are not taken for its own."""

RAW = "raw.safetensors"
TAU = "instance_tau.safetensors"
ROWS = "rows.safetensors"
STATE = "state.safetensors"


def sizes(bench: Workbench, selection: Selection) -> dict[str, int]:
    """How many instances of each auxiliary a selection uses."""
    return {a.task: len(bench.data[a.task].splits["train"]) if a.instances is None else len(a.instances) for a in selection}


def _subject(primary: str, selection: Selection) -> str:
    """A trial in words; how many instances it uses of an auxiliary that was cut."""
    names = [a.task if a.instances is None else f"{a.task}[{len(a.instances)}]" for a in sorted(selection)]
    return " + ".join([primary, *names])


def _key(stage: str, **parts: Any) -> str:
    return content_key(stage, VERSIONS[stage], **parts)


def _split(bench: Workbench, task: str, split: str) -> dict[str, Any]:
    """A split as the encoder sees it."""
    return {
        "encoder": bench.encoder.digest,
        "max_length": bench.experiment.data.max_length,
        "data": bench.data[task].digests[split],
    }


def _settings(settings: TrainingSettings, device: str) -> dict[str, Any]:
    from gradts_engine.learning.training import resolve_precision

    return settings.model_dump(mode="json") | {"precision": resolve_precision(settings.precision, device)}


# --- one task --------------------------------------------------------------------------------------------------------


def embed(bench: Workbench, task: str, device: str) -> np.ndarray:
    """Mean state [D] of a task's train split under the pretrained encoder."""

    def compute() -> Result:
        from safetensors.numpy import save_file

        from gradts_engine.learning.embedding import mean_state

        state = mean_state(bench.encoder.build(), bench.encoded(task, "train"), device)
        return {}, lambda folder: save_file({"state": state}, folder / STATE)

    artifact = bench.run("embed", task, _key("embed", **_split(bench, task, "train")), compute)
    return np.asarray(artifact.arrays(STATE)["state"])


def tune_key(bench: Workbench, task: str, device: str) -> str:
    """Key of `tune`."""
    return _key(
        "tune",
        task=task,
        train=_split(bench, task, "train"),
        dev=_split(bench, task, "dev"),
        metric=bench.data[task].metric,
        settings=_settings(bench.experiment.training, device),
        seed=bench.experiment.run.seed,
    )


def tune(bench: Workbench, task: str, device: str) -> Artifact:
    """A fresh encoder fine-tuned on one task alone (design: step 1)."""

    def compute() -> Result:
        from gradts_engine.learning.batches import plan_epochs
        from gradts_engine.learning.seeds import derive_seed

        settings, seed = bench.experiment.training, derive_seed(bench.experiment.run.seed, "tune", task)
        train = {task: bench.encoded(task, "train")}
        plan = plan_epochs(
            {task: train[task].lengths},
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            accumulation=settings.accumulation,
            seed=seed,
        )
        return bench.train("tune", task, key, task, train, plan, settings, seed, device)

    key = tune_key(bench, task, device)
    return bench.run("tune", task, key, compute)


def score_key(bench: Workbench, task: str, device: str) -> str:
    """Key of `score`."""
    scoring = bench.experiment.scoring
    settings = scoring.model_dump(mode="json", exclude={"batch_tokens"}) | {"projections": sorted(scoring.projections)}
    return _key("score", tune=tune_key(bench, task, device), **settings)


def score(bench: Workbench, task: str, device: str) -> Artifact:
    """Raw importance [N, L, H] of every head for every train instance (step 2); `result` has the dev score of the tuned model."""
    scoring = bench.experiment.scoring
    key = score_key(bench, task, device)
    if not bench.has("score", key):
        tune(bench, task, device)

    def compute() -> Result:
        from gradts_engine.scoring.importance import GradientPass

        tuned = tune(bench, task, device)
        model = bench.load_model((task,), tuned)
        data = bench.encoded(task, "train")
        sites = bench.encoder.head_sites(model.encoder)
        passing = GradientPass(
            model,
            data,
            sites,
            projections=scoring.projections,
            axis=scoring.head_axis,
            batch_tokens=scoring.batch_tokens,
            device=device,
            precision=scoring.precision,
        )
        space = bench.artifacts.workspace("score", key)

        def progress(done: int) -> None:
            bench.check_stop()
            bench.emit(events.StageProgress("score", task, done, len(data)))

        def shard(rows: range) -> np.ndarray:
            return passing.importance(rows, lambda done, _: progress(rows.start + done))

        def shards() -> Iterator[np.ndarray]:
            return stored_shards(space, len(data), shard, progress)

        for _ in shards():
            pass
        result = {
            "dev": tuned.result["score"],
            "metric": tuned.result["metric"],
            "data": bench.data[task].digests["train"],
            "batch_tokens": passing.batch_tokens,
        }
        row = np.array([i.row for i in bench.data[task].splits["train"]], np.int64)
        return result, lambda folder: write_raw(folder / RAW, shards(), row)

    return bench.run("score", task, key, compute)


# --- a primary and its candidates ------------------------------------------------------------------------------------


def correlate(
    bench: Workbench, primaries: Sequence[str], scores: Mapping[str, Artifact], states: Mapping[str, np.ndarray]
) -> dict[str, Artifact]:
    """Tau and cosine of each primary with every candidate that has a score, and tau with each of their instances (step 4)."""
    keys = {}
    for primary in primaries:
        tasks = [primary, *_candidates(bench, primary, scores)]
        inputs, texts = {t: scores[t].key for t in tasks}, {t: _split(bench, t, "train") for t in tasks}
        keys[primary] = _key("correlate", primary=primary, scores=inputs, texts=texts)

    @cache
    def tau() -> Mapping[str, Mapping[str, tuple[float, np.ndarray]]]:
        from gradts_engine.scoring.correlation import correlate_tasks

        missing = [p for p in primaries if not bench.has("correlate", keys[p])]
        candidates = {p: _candidates(bench, p, scores) for p in missing}
        return correlate_tasks(candidates, lambda task: read_raw(scores[task].folder / RAW))

    def compute(primary: str) -> Result:
        from safetensors.numpy import save_file

        of_tasks, of_instances, cosine = {}, {}, {}
        for candidate, (of_tasks[candidate], of_instances[candidate]) in tau()[primary].items():
            a, b = states[primary].astype(np.float64), states[candidate].astype(np.float64)
            cosine[candidate] = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        return {"tau": of_tasks, "embedding": cosine}, lambda folder: save_file(of_instances, folder / TAU)

    return {p: bench.run("correlate", p, keys[p], partial(compute, p)) for p in primaries}


def _candidates(bench: Workbench, primary: str, scores: Mapping[str, Artifact]) -> list[str]:
    return [c for c in bench.experiment.candidates(primary) if c in scores]


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
    return _key(
        "trial",
        primary=primary,
        train=_split(bench, primary, "train"),
        dev=_split(bench, primary, "dev"),
        metric=bench.data[primary].metric,
        auxiliaries=[[a.task, _split(bench, a.task, "train"), a.instances] for a in sorted(selection)],
        settings=_settings(bench.experiment.multitask, device),
        seed=bench.experiment.run.seed,
    )


def trial(bench: Workbench, primary: str, selection: Selection, device: str, *, files: bool = False) -> Artifact:
    """A primary trained together with auxiliaries (step 5): also the final training (step 7), which is the same thing.

    All trials of a primary share their seed, so that they differ in nothing but the auxiliaries.
    """
    subject = _subject(primary, selection)

    def compute() -> Result:
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
    settings = bench.experiment.selection.model_dump(mode="json", exclude={"confirm"})

    def compute() -> Result:
        from safetensors.numpy import save_file

        rows = {a.task: np.array(a.instances, np.int64) for a in selection if a.instances is not None}
        result = {"auxiliaries": [[a.task, n] for a, n in zip(selection, sizes(bench, selection).values(), strict=True)]}
        return result, lambda folder: save_file(rows, folder / ROWS)

    key = _key("proposal", primary=primary, correlation=correlation.key, settings=settings, selection=_as_lists(selection))
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

        artifact = trial(bench, primary, selection, device, files=True)
        model = bench.load_model((primary, *(a.task for a in sorted(selection))), artifact).to(device)
        return {"score": evaluate(model, Dev(bench.encoded(primary, "test"), bench.data[primary].metric), device)}, lambda _: None

    key = _key("test", trial=trained, test=bench.data[primary].digests["test"])
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
        for path in (*folder.iterdir(), folder, folder.parent):
            fsync(path)
