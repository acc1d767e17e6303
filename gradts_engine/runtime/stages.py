"""What each job computes, as functions of the work at hand: small values, and a function that writes the files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradts_engine import events
from gradts_engine.durable import storing
from gradts_engine.learning.seeds import derive_seed
from gradts_engine.runtime.aligning import align, part
from gradts_engine.runtime.artifacts import ANSWERS, PREDICTIONS, RAW, STATE, STATES, Result
from gradts_engine.runtime.jobs import Align, Embed, Export, Part, Score, States, Test, Trial, Tune, needs
from gradts_engine.runtime.shards import stored_shards, write_raw
from gradts_engine.runtime.trainings import train
from gradts_engine.runtime.trials import about
from gradts_engine.runtime.workbench import Work

if TYPE_CHECKING:
    from gradts_engine.learning.batches import Encoded, Plan


def compute(work: Work) -> Result:
    """The result of a job, without asking whether it is there."""
    match work.job:
        case Embed():
            return embed(work, work.job)
        case Tune():
            return tune(work, work.job)
        case Score():
            return score(work, work.job)
        case States():
            return states(work, work.job)
        case Part():
            return part(work, work.job)
        case Align():
            return align(work, work.job)
        case Trial():
            return trial(work, work.job)
        case Test():
            return test(work, work.job)
    raise TypeError(f"{work.job.stage} has no result")


def embed(work: Work, job: Embed) -> Result:
    """Mean state [D] of a task's train split under the pretrained encoder."""
    from safetensors.numpy import save_file

    from gradts_engine.learning.embedding import mean_state

    state = mean_state(work.bench.encoder.build(), work.encoded(job.task, "train"), work.device)
    return {}, lambda folder: save_file({"state": state}, folder / STATE)


def tune(work: Work, job: Tune) -> Result:
    """A fresh encoder fine-tuned on one task alone (docs/method.md, 1)."""
    from gradts_engine.learning.batches import plan_epochs

    settings, task = work.bench.facts.training, job.task
    seed = derive_seed(work.bench.facts.repeat_seed(job.repeat), "tune", task)
    rows = {task: work.encoded(task, "train")}
    plan = plan_epochs(
        {task: rows[task].lengths},
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        accumulation=settings.accumulation,
        seed=seed,
    )
    _, result, write = train(work, task, rows, plan, settings, seed)
    return result, write


def score(work: Work, job: Score) -> Result:
    """Raw importance [N, L, H] of every head for every train instance (docs/method.md, 2), or for as many as settle the
    ranking of heads; `dev` is the dev score of the tuned model."""
    from gradts_engine.scoring.importance import GradientPass
    from gradts_engine.scoring.settled import BLOCK, settled

    bench, task = work.bench, job.task
    scoring = bench.facts.scoring
    (before,) = needs(job)
    tuned = work.result(before)
    model = bench.load_model((task,), tuned)
    data = work.encoded(task, "train")
    passing = GradientPass(
        model,
        data,
        bench.encoder.head_sites(model.encoder),
        projections=scoring.projections,
        axis=scoring.head_axis,
        batch_tokens=scoring.batch_tokens,
        device=work.device,
        precision=scoring.precision,
    )

    def progress(done: int) -> None:
        work.check_stop()
        work.emit(events.StageProgress("score", job.words, done, len(data), key=work.key))

    early = scoring.stop == "settled"
    order, size = np.arange(len(data)), None
    if early:
        seed = derive_seed(bench.facts.repeat_seed(job.repeat), "settled", task)
        order, size = np.random.default_rng(seed).permutation(order), BLOCK

    def shard(rows: range) -> np.ndarray:
        return passing.importance(order[rows.start : rows.stop], lambda done, _: progress(rows.start + done))

    def shards(most: int = len(data)) -> Iterator[np.ndarray]:
        return stored_shards(work.space, most, shard, progress, size)

    scored = settled(shards(), len(data)) if early else sum(map(len, shards()))
    work.emit(events.StageProgress("score", job.words, scored, scored, key=work.key))
    result = {
        "dev": tuned.result["score"],
        "metric": tuned.result["metric"],
        "data": bench.data[task].digests["train"],
        "batch_tokens": passing.batch_tokens,
    }
    at = order[:scored]
    row = np.array([i.row for i in bench.data[task].splits["train"]], np.int64)[at]
    return result, lambda folder: write_raw(folder / RAW, shards(scored), row, at if early else None)


def states(work: Work, job: States) -> Result:
    """States [n, D] of what a task's rows label, and these labels, [n] or [n, C]; none where a probe has nothing to tell."""
    from safetensors.numpy import save_file

    from gradts_engine.learning.states import labelled_states

    def progress(done: int, total: int) -> None:
        work.check_stop()
        work.emit(events.StageProgress("states", job.words, done, total, key=work.key))

    bench = work.bench
    tuned = [bench.load_model((str(job.tuned),), work.result(need)).encoder for need in needs(job)]
    encoder = tuned[0] if tuned else bench.encoder.build()
    found = labelled_states(encoder, work.encoded(job.task, "train"), work.device, progress=progress)
    arrays = {"states": found.values, "targets": found.targets}
    return {"labels": len(found.targets)}, lambda folder: save_file(arrays, folder / STATES)


def trial(work: Work, job: Trial) -> Result:
    """A primary trained together with auxiliaries (docs/method.md, 5): also the final training (7), which is the same thing. The
    answers of its best epoch to each dev row are kept.

    All trials of a primary share their seed, so that they differ in nothing but the auxiliaries.
    """
    from gradts_engine.learning.training import predictions

    primary, settings = job.primary, work.bench.facts.multitask
    seed = derive_seed(work.bench.facts.repeat_seed(job.repeat), "trial", primary)
    rows = {primary: work.encoded(primary, "train")}
    for auxiliary in job.auxiliaries:
        data = work.encoded(auxiliary.task, "train")
        rows[auxiliary.task] = data if auxiliary.instances is None else data.take(auxiliary.instances)
    model, result, write = train(work, primary, rows, _trial_plan(work, primary, rows, seed), settings, seed)
    gold, predicted = predictions(model, work.judge(primary, "dev"), work.device, settings.precision)
    answers = json.dumps({"gold": gold, "predicted": predicted}, separators=(",", ":"))

    def write_all(folder: Path) -> None:
        write(folder)
        (folder / PREDICTIONS).write_text(answers, encoding="utf-8")

    return {**result, "trial": about(job, work.bench.prepared)}, write_all


def _trial_plan(work: Work, primary: str, train: Mapping[str, Encoded], seed: int) -> Plan:
    from gradts_engine.learning.batches import plan_epochs, plan_steps

    settings = work.bench.facts.multitask
    lengths = {task: data.lengths for task, data in train.items()}
    sizes = {"batch_size": settings.batch_size, "accumulation": settings.accumulation, "seed": seed}
    if settings.length == "epochs":
        return plan_epochs(lengths, epochs=settings.epochs, **sizes)
    most = math.ceil(settings.auxiliary_ratio * len(train[primary]))
    limits = {task: most for task in train if task != primary}
    steps = work.bench.facts.trial_steps(primary)
    return plan_steps(lengths, steps=steps, evaluations=settings.epochs, limits=limits, **sizes)


def test(work: Work, job: Test) -> Result:
    """Answers of a trial's model to all test rows, and its score on those with a label: None where there is none."""
    from gradts_engine.learning.predicting import predict

    data = work.bench.data[job.primary]
    done = 0

    def progress(rows: int) -> None:
        nonlocal done
        done += rows
        work.check_stop()
        work.emit(events.StageProgress("test", job.words, done, len(data.tested), key=work.key))

    split = work.encoded(job.primary, "test")
    found = predict(work.model(job), data.tested, work.device, progress, split)
    if found.why and found.labelled:
        work.warn(f"test {job.words}: {found.metric} is not defined: {found.why}")
    score = found.score if found.labelled else None
    result = {"score": score, "rows": len(found.rows), "labelled": found.labelled, "types": found.types}
    return result, lambda folder: found.write(folder / ANSWERS)


def export(work: Work, job: Export) -> None:
    """Write the model of a trial in Hugging Face format."""
    from gradts_engine.learning.export import export_model
    from gradts_engine.learning.predicting import reads

    bench, primary, folder = work.bench, job.primary, Path(job.folder)
    (before,) = needs(job)
    found = work.result(before)
    model = bench.load_model(job.tasks, found)
    with storing(folder):
        export_model(
            bench.encoder,
            model.encoder,
            model.head(primary),
            task=bench.data[primary].type,
            word_level=bench.types[primary].word_level,
            labels=bench.data[primary].labels,
            max_length=bench.facts.max_length,
            folder=folder,
            card=job.card,
            reads=reads(bench.specs[primary], bench.data[primary]),
            trial=found.key,
        )
