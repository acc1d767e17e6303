"""The stages up to the ranking: for each, its key (all that its result depends on) and what it computes if that is not there.

No key holds a path, a time or a device: data, encoders and earlier results are known by their content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import TrainingSettings
from gradts_engine.runtime.artifacts import Artifact, content_key
from gradts_engine.runtime.shards import read_raw, stored_shards, write_raw
from gradts_engine.runtime.workbench import Result, Workbench

VERSIONS = {"embed": 1, "tune": 4, "score": 3, "correlate": 1, "trial": 4, "proposal": 1, "test": 2}
"""Raised when a stage computes something else from the same inputs, so that older results are not taken for its own."""

RAW = "raw.safetensors"
TAU = "instance_tau.safetensors"
ROWS = "rows.safetensors"
STATE = "state.safetensors"


def stage_key(stage: str, **parts: Any) -> str:
    """Key of a stage's result, from everything that this depends on."""
    return content_key(stage, VERSIONS[stage], **parts)


def split_content(bench: Workbench, task: str, split: str) -> dict[str, Any]:
    """A split as the encoder sees it."""
    return {
        "encoder": bench.encoder.digest,
        "max_length": bench.experiment.data.max_length,
        "data": bench.data[task].digests[split],
    }


def settings_content(settings: TrainingSettings, device: str) -> dict[str, Any]:
    """Settings of a training, with the precision that they come to on a device."""
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

    artifact = bench.run("embed", task, stage_key("embed", **split_content(bench, task, "train")), compute)
    return np.asarray(artifact.arrays(STATE)["state"])


def tune_key(bench: Workbench, task: str, device: str) -> str:
    """Key of `tune`."""
    return stage_key(
        "tune",
        task=task,
        train=split_content(bench, task, "train"),
        dev=split_content(bench, task, "dev"),
        metric=bench.data[task].judged_by,
        settings=settings_content(bench.experiment.training, device),
        seed=bench.experiment.run.seed,
    )


def tune(bench: Workbench, task: str, device: str) -> Artifact:
    """A fresh encoder fine-tuned on one task alone (design: step 1)."""

    def compute() -> Result:
        """The training."""
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
    return stage_key("score", tune=tune_key(bench, task, device), **settings)


def score(bench: Workbench, task: str, device: str) -> Artifact:
    """Raw importance [N, L, H] of every head for every train instance (step 2); `result` has the dev score of the tuned model."""
    scoring = bench.experiment.scoring
    key = score_key(bench, task, device)
    if not bench.has("score", key):
        tune(bench, task, device)

    def compute() -> Result:
        """The gradient pass, shard by shard."""
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
        inputs, texts = {t: scores[t].key for t in tasks}, {t: split_content(bench, t, "train") for t in tasks}
        keys[primary] = stage_key("correlate", primary=primary, scores=inputs, texts=texts)

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
