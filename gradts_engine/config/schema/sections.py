"""The sections of tasks.toml but for its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from gradts_engine.config.schema.values import LIST, DeviceName, Filled, Limit, TaskName, known_encoder, registered
from gradts_engine.contracts import HeadAxis
from gradts_engine.nearest import unknown
from gradts_engine.settings import LATER, Section

STEPS_FACTOR = 3
"""Optimiser steps of a trial without `steps`, as a multiple of what `epochs` epochs of the primary alone take."""


PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "published": {
        "data": {"max_length": 512},
        "training": {"optimizer": "adamax"},
        "multitask": {"optimizer": "adamax", "length": "epochs"},
        "scoring": {"head_axis": "input"},
        "selection": {"strategy": "trial"},
    }
}
"""Settings of each section that stand where a file gives none."""


class RunSettings(Section):
    """`[run]`: which encoder, which tasks, on which devices."""

    encoder: Annotated[Filled, AfterValidator(known_encoder)] = Field(
        description="A registered encoder, a folder (relative to this file), or a Hub name."
    )
    tasks: Annotated[tuple[TaskName, ...], *LIST] = Field(
        default=(), description="Registered tasks to use, besides those defined in this file."
    )
    primary: Annotated[tuple[str, ...], *LIST] = Field(
        default=(), description="Tasks to find auxiliaries for; default: every task in turn."
    )
    preset: Literal["published"] | None = Field(
        default=None,
        description="Defaults where this file sets nothing: published, the settings nearest to the published ones.",
    )
    seed: int = Field(default=2018, ge=0, lt=2**32, description="Seed of all randomness.")
    executor: Annotated[str, registered("executor", "executors")] = Field(
        default="threads", description="A registered way to run jobs on devices."
    )
    address: str = Field(default="", description="Where the executor finds more machines; default: this machine alone.")
    devices: Annotated[tuple[DeviceName, ...], *LIST] = Field(
        default=("auto",), min_length=1, description="Devices to use: auto, cpu, cuda (all of them) or cuda:N."
    )
    keep: Literal["final", "all"] = Field(
        default="final",
        description="Weights that stay in the store once the run is done: those of final models, or all, for other runs to use.",
    )
    workers: Annotated[
        int | None,
        Field(ge=1, le=1_000),
        BeforeValidator(lambda value: None if value == "auto" else value, json_schema_input_type=int | Literal["auto"]),
    ] = Field(
        default=None,
        description="Worker processes that share the CPU's cores, or each GPU, where small encoders gain; auto, the default: one "
        "a GPU, or one for every 4 cores, two at least, if there are 4 GiB of memory for each.",
    )
    notify: Annotated[tuple[Filled, ...], Field(strict=False)] = Field(
        default=(),
        description="A program and its arguments, started when the run waits, fails or ends, with run, state and reason added.",
    )

    @field_validator("primary")
    @classmethod
    def _takes_part(cls, primary: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.context and "tasks" in info.data:
            tasks = {*info.data["tasks"], *info.context.defined}
            if problems := [unknown("task", name, tasks) for name in primary if name not in tasks]:
                raise ValueError(" and ".join(problems))
        return primary


class DataSettings(Section):
    """`[data]`: how the rows of all tasks are read."""

    max_length: int = Field(
        default=128, ge=4, le=1_000_000, description="Longest input, in tokens with special ones; longer texts are cut."
    )
    train_limit: Limit = Field(default=None, description="Use so many train rows of each task; default: all.")
    dev_limit: Limit = Field(default=None, description="Use so many dev rows of each task; default: all.")
    test_limit: Limit = Field(default=None, description="Use so many test rows of each task; default: all.")
    limit_order: Literal["sample", "first"] = Field(
        default="sample",
        description="Which rows a limit leaves: a random sample with every class in its share, or the first ones.",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="Seed of `dev_fraction` and of samples alone; default: that of [run].",
    )
    overlap: Literal["drop", "keep", "stop"] = Field(
        default="drop",
        description="Auxiliaries' train rows with a text of the primary's dev or test split: leave them out, keep them, or stop.",
    )
    verdict_fraction: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of a primary's dev rows that verdicts are given on, and no choice is made on.",
        json_schema_extra=LATER,
    )
    on_bad_row: Literal["stop", "skip"] = Field(
        default="stop", description="Stop at rows that cannot be read, or skip and count them."
    )


class TrainingSettings(Section):
    """`[training]`: the fine-tuning of each task alone."""

    epochs: int = Field(default=3, ge=1, le=10_000, description="Passes over the train split.")
    batch_size: int = Field(default=8, ge=1, le=100_000, description="Instances a batch.")
    accumulation: int = Field(default=1, ge=1, le=10_000, description="Batches an optimiser step.")
    optimizer: Literal["adamw", "adamax"] = Field(default="adamw", description="Optimiser.")
    learning_rate: float = Field(default=5e-5, gt=0, description="Peak learning rate, after warm-up.")
    weight_decay: float = Field(default=0.01, ge=0, description="Decay of weights a step, times the learning rate.")
    warmup: float = Field(default=0.1, ge=0, le=1, description="Linear warm-up, as a share of all steps.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Gradients are clipped to this norm.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout of the heads, as a share of units.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="Number format of the forward pass; auto: bf16 or fp16 where the device has it, else fp32.",
    )
    seeds: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="How often each training is made, each time with another seed.",
        json_schema_extra=LATER,
    )


class MultitaskSettings(TrainingSettings):
    """`[multitask]`: trials and final training, one setting for both, so that a confirmed trial is the final model.

    With `length = "steps"` all trials of a primary take the same number of optimiser steps. If `steps` is not given,
    that is 3 times what `epochs` epochs of the primary alone take.
    """

    epochs: int = Field(default=7, ge=1, le=10_000, description="Passes over the train split.")
    accumulation: int = Field(default=4, ge=1, le=10_000, description="Batches an optimiser step.")
    length: Literal["steps", "epochs"] = Field(
        default="steps",
        description="Train every trial for equally many optimiser steps, or for so many epochs over all its data.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Optimiser steps of each trial; default: 3 times those of `epochs` epochs of the primary alone.",
    )
    auxiliary_ratio: float = Field(
        default=1.0,
        gt=0,
        description='With length = "steps": most rows of an auxiliary in a pass, as a multiple of the primary\'s rows.',
    )


class ScoringSettings(Section):
    """`[scoring]`: the gradient pass."""

    head_axis: HeadAxis = Field(
        default="output", description="Which weights are a head's: output rows, or input columns as published."
    )
    projections: Annotated[tuple[Literal["query", "key", "value"], ...], *LIST] = Field(
        default=("key", "value"), min_length=1, description="Projections whose gradients count: query, key, value."
    )
    batch_tokens: int | None = Field(
        default=None, ge=1, description="Most tokens of a batch, with padding; default: what memory and encoder allow."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="fp32",
        description="Number format of the encoder's passes; auto: bf16 where the device has it, which changes importance by 1%.",
    )
    stop: Literal["end", "settled"] = Field(
        default="end",
        description="Score all train rows, or as many, in random order, as settle a task's ranking of heads; "
        "all where a strategy selects rows.",
        json_schema_extra=LATER,
    )


class SelectionSettings(Section):
    """`[selection]`: how auxiliaries are chosen and confirmed."""

    strategy: Annotated[str, registered("strategy", "strategies")] = Field(
        default="halving", description="A registered strategy."
    )
    confirm: Literal["ask", "auto"] = Field(
        default="ask", description="Wait for a person to confirm the proposal, or take it as it is."
    )
    predictor: Annotated[str, registered("predictor", "predictors")] | None = Field(
        default=None, description="The predictor that orders the candidates; default: the strategy's own."
    )
    predictors: Annotated[tuple[Annotated[str, registered("predictor", "predictors")], ...], *LIST] = Field(
        default=("tau", "embedding"), description="Predictors to show beside it, whatever orders the candidates."
    )
    pilots: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="So many other tasks are trained with each candidate, one seed each, for predictors that learn from trials.",
        json_schema_extra=LATER,
    )
    margin: float = Field(
        default=1.0, ge=0, description="A gain that is no gain, in points: hundredths of the metric, whatever it is."
    )
    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="Where [selection.NAME] has none: smallest value to select."
    )
    keep: float | None = Field(
        default=None, gt=0, le=1, description="Where [selection.NAME] has none: share of each auxiliary's instances to keep."
    )


class Sections(Section):
    """All of tasks.toml; `tasks` as written, each a `TaskTable`."""

    run: RunSettings = Field(description="A table [run] with at least an encoder.")
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    multitask: MultitaskSettings = MultitaskSettings()
    scoring: ScoringSettings = ScoringSettings()
    selection: SelectionSettings = SelectionSettings()
    tasks: dict[str, Any] = Field(default={}, description="A table [tasks.NAME] for each task of one's own.")
