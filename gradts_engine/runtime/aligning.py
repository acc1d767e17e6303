"""The evidence of the predictor `gradient`: a primary trained by itself for a while, and where its candidates' gradients point
then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradts_engine import events
from gradts_engine.learning.seeds import derive_seed
from gradts_engine.runtime.artifacts import GRADIENT, MODEL, Result
from gradts_engine.runtime.facts import INSTANCES, held_out
from gradts_engine.runtime.jobs import Align, Part, needs
from gradts_engine.runtime.trainings import keeping, progress
from gradts_engine.runtime.workbench import Work

if TYPE_CHECKING:
    from gradts_engine.learning.batches import Encoded
    from gradts_engine.learning.model import MultiTaskModel
    from gradts_engine.scoring.importance import InstancePass
    from gradts_engine.scoring.projections import Sides


def part(work: Work, job: Part) -> Result:
    """A task trained up to a share of its steps on three quarters of its train rows; the mean projected gradient there of the
    rest, `held.LAYER` [k, k], and what scales gradients as the optimiser would, `rows.LAYER` [out] and `columns.LAYER` [in].

    The rows that are held out are train rows: those of the dev split judge what is predicted here.
    """
    from safetensors.torch import save_file, save_model
    from torch import from_numpy

    from gradts_engine.learning.batches import plan_epochs
    from gradts_engine.learning.optimizers import schedule
    from gradts_engine.learning.parts import train_part
    from gradts_engine.scoring.projections import factors_of, layers_of, sides_of

    bench, task, settings = work.bench, job.task, work.bench.facts.training
    seed = derive_seed(bench.facts.repeat_seed(job.repeat), "tune", task)
    held, rest = cut(work, task, job.repeat)
    data = work.encoded(task, "train")
    train = data.take(rest.tolist())
    sizes = {"epochs": settings.epochs, "batch_size": settings.batch_size, "accumulation": settings.accumulation}
    plan = plan_epochs({task: train.lengths}, **sizes, seed=seed)
    steps = max(1, round(job.share * sum(map(len, plan))))
    model = bench.model((task,), seed, settings.dropout)
    with keeping(work, model) as keeper:
        squares = train_part(
            model, train, plan, settings, steps=steps, device=work.device, seed=seed, progress=progress(work), keeper=keeper
        )
    sides = sides_of(model.encoder, layers_of(model, data), projection_seed(work, job.repeat))
    passing = _pass(work, model, data.take(held.tolist()), sides)
    gradient, loss = _collected(work, passing).mean(0), passing.loss()
    arrays = {f"held.{name}": from_numpy(of) for name, of in zip(sides, gradient, strict=True)}
    for name in sides:
        rows, columns = factors_of(squares[f"encoder.{name}.weight"])
        arrays |= {f"rows.{name}": rows, f"columns.{name}": columns}

    def write(folder: Path) -> None:
        save_file(arrays, folder / GRADIENT)
        save_model(model.cpu(), str(folder / MODEL))

    return {"loss": loss, "rate": schedule(job.share, settings.warmup), "steps": steps, "held out": len(held)}, write


def align(work: Work, job: Align) -> Result:
    """By which share a step along the unit gradients of a task's rows lowers the primary's held-out loss, to first order.

    The rows are drawn from those whose text is not held out. The task's head is fitted to the primary's encoder first.
    """
    from torch import from_numpy

    from gradts_engine.learning.model import MultiTaskModel, make_head
    from gradts_engine.learning.warming import warm_head
    from gradts_engine.scoring.projections import alignment, scaled, sides_of

    bench, task = work.bench, job.task
    (before,) = needs(job)
    found = work.result(before)
    held, _ = cut(work, job.primary, job.repeat)
    texts = {name: bench.data[name].texts["train"] for name in (job.primary, task)}
    free = np.flatnonzero(~np.isin(texts[task], texts[job.primary][held]))
    if not len(free):
        return {"alignment": None, "rows": 0}, lambda folder: None
    seed = derive_seed(bench.facts.repeat_seed(job.repeat), "align", job.primary, task)
    drawn = np.random.default_rng(seed).permutation(free).tolist()
    data = work.encoded(task, "train").take(drawn[:INSTANCES])
    arrays = {name: from_numpy(values) for name, values in found.arrays(GRADIENT).items()}
    layers = [name.removeprefix("held.") for name in arrays if name.startswith("held.")]
    encoder = bench.load_model((job.primary,), found).encoder
    head = make_head(bench.types[task], encoder, bench.encoder.hidden_size, data.labels, 0.0, derive_seed(seed, "head"))
    model = MultiTaskModel(encoder, {task: head})
    warmed = warm_head(model, data, work.device, seed)
    sides = sides_of(model.encoder, layers, projection_seed(work, job.repeat))
    sides = scaled(sides, {name: (arrays[f"rows.{name}"], arrays[f"columns.{name}"]) for name in layers})
    gradients = _collected(work, _pass(work, model, data, sides))
    held_gradient = np.stack([arrays[f"held.{name}"] for name in layers])
    along = alignment(from_numpy(held_gradient), from_numpy(gradients))
    value = found.result["rate"] * along / found.result["loss"]
    return {"alignment": value, "rows": len(data), "warmed": warmed}, lambda folder: None


def cut(work: Work, task: str, repeat: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the train rows of a task that are held out, and of the others: the same ones where there is one alone."""
    count = len(work.bench.data[task].splits["train"])
    seed = derive_seed(work.bench.facts.repeat_seed(repeat), "held out", task)
    order = np.random.default_rng(seed).permutation(count)
    held, rest = np.split(order, [held_out(count)])
    return held, rest if len(rest) else held


def projection_seed(work: Work, repeat: int) -> int:
    """One for all tasks: only what is projected alike can be compared."""
    return derive_seed(work.bench.facts.repeat_seed(repeat), "projection")


def _pass(work: Work, model: MultiTaskModel, data: Encoded, sides: Mapping[str, Sides]) -> InstancePass:
    from gradts_engine.scoring.importance import InstancePass
    from gradts_engine.scoring.projections import ProjectedGradients

    return InstancePass(model, data, ProjectedGradients(model.encoder, sides, work.device), device=work.device)


def _collected(work: Work, passing: InstancePass) -> np.ndarray:
    """Projected gradients [n, M, k, k] of all instances."""

    def told(done: int, total: int) -> None:
        work.check_stop()
        work.emit(events.StageProgress(work.job.stage, work.job.words, done, total, key=work.key))

    return passing.collect(progress=told)
