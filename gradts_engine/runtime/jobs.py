"""Jobs as data: what a worker can be asked to compute, what that needs, and the key of its result.

A key is the SHA-256 of all that a result depends on (`facts`): so the same job has the same key wherever and for whomever it is
computed. `Export` writes a model where it is told to, which is an action without a result, and without a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gradts_engine.config import TrainingSettings
from gradts_engine.contracts import Auxiliary, Device
from gradts_engine.events import About, Event
from gradts_engine.runtime.artifacts import content_key
from gradts_engine.runtime.facts import Facts

VERSIONS = {
    "embed": 1,
    "tune": 5,
    "score": 4,
    "states": 1,
    "part": 2,
    "align": 2,
    "correlate": 1,
    "reliability": 1,
    "trial": 5,
    "proposal": 1,
    "test": 3,
}
"""Raised when a stage computes something else from the same inputs, so that older results are not taken for its own."""


class _Job(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    repeat: int = Field(default=0, ge=0)
    """Which of several computations that differ in nothing but their seed; 0 is what a run without repeats computes."""


class _OfTask(_Job):
    task: str

    @property
    def words(self) -> str:
        """What it is a job of, for people."""
        return _repeated(self.task, self.repeat)

    @property
    def about(self) -> About:
        """The same for programs."""
        return About(self.task, repeat=self.repeat)


class _OfPrimary(_Job):
    primary: str
    auxiliaries: Annotated[tuple[Auxiliary, ...], AfterValidator(lambda chosen: tuple(sorted(chosen)))] = ()
    """In one order: the order in which they were chosen changes nothing."""

    @property
    def words(self) -> str:
        """What it is a job of, for people; how many instances it uses of an auxiliary that was cut."""
        names = [a.task if a.instances is None else f"{a.task}[{len(a.instances)}]" for a in self.auxiliaries]
        return _repeated(" + ".join([self.primary, *names]), self.repeat)

    @property
    def about(self) -> About:
        """The same for programs."""
        counts = tuple((a.task, None if a.instances is None else len(a.instances)) for a in self.auxiliaries)
        return About(self.primary, counts, self.repeat)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that its model has heads for."""
        return (self.primary, *(a.task for a in self.auxiliaries))


def _repeated(words: str, repeat: int) -> str:
    return f"{words}, repeat {repeat}" if repeat else words


class Embed(_OfTask):
    """Mean state of a task's train split under the pretrained encoder."""

    stage: Literal["embed"] = "embed"


class Tune(_OfTask):
    """A fresh encoder fine-tuned on one task alone."""

    stage: Literal["tune"] = "tune"


class Score(_OfTask):
    """Raw importance of every head for every train instance of a task."""

    stage: Literal["score"] = "score"


class States(_OfTask):
    """States of what a task's train rows label, under the encoder that was tuned on a task, or the pretrained one."""

    stage: Literal["states"] = "states"
    tuned: str | None = None

    @property
    def words(self) -> str:
        """What it is a job of, for people."""
        return _repeated(f"{self.task} by {self.tuned}", self.repeat) if self.tuned else self.task


class Part(_OfTask):
    """A fresh encoder fine-tuned on some of a task's rows up to a `share` of its steps, and the gradient there of the others."""

    stage: Literal["part"] = "part"
    share: float

    @property
    def words(self) -> str:
        """What it is a job of, for people."""
        return _repeated(f"{self.task} to {self.share:.0%}", self.repeat)


class Align(_OfTask):
    """How far the gradients of a task's train rows agree with the primary's, at a `share` of the primary's own training."""

    stage: Literal["align"] = "align"
    primary: str
    share: float

    @property
    def words(self) -> str:
        """What it is a job of, for people."""
        return _repeated(f"{self.task} for {self.primary} at {self.share:.0%}", self.repeat)


class Trial(_OfPrimary):
    """A primary trained together with auxiliaries: also the final training, which is the same thing."""

    stage: Literal["trial"] = "trial"


class Test(_OfPrimary):
    """Answers of a trial's model to the test rows of its primary, and its score on those with a label."""

    stage: Literal["test"] = "test"


class Export(_OfPrimary):
    """The model of a trial, written to `folder` in Hugging Face format with the text `card`."""

    stage: Literal["export"] = "export"
    folder: str
    card: str


Job = Embed | Tune | Score | States | Part | Align | Trial | Test | Export


class Task(BaseModel):
    """A job on its way to a worker, with the key that the worker has to come to, too, and all devices of the run. Where these are
    in several machines, `facts` is `Facts.told` of the driver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Annotated[Job, Field(discriminator="stage")]
    key: str
    devices: tuple[Device, ...]
    facts: Mapping[str, str] = Field(default_factory=dict)
    attempt: int = 0
    """See `attempts`."""

    def record(self, event: Event) -> str:
        """What a worker says of it, with the attempt that it is said in."""
        return json.dumps(event.as_record() | {"attempt": self.attempt})


class Outcome(BaseModel):
    """What became of a task: `failure` is the name of an error of `gradts_engine.errors`, or `Bug` with the traceback in `trace`;
    empty where the result is stored. `seconds` is how long it took, for how many `operations` and optimiser
    `steps`; `attempt` is that of the task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = 0.0
    operations: float = 0.0
    steps: int = 0
    failure: str = ""
    reason: str = ""
    trace: str = ""
    attempt: int = 0


def needs(job: Job) -> tuple[Job, ...]:
    """The jobs whose results it takes: they come first."""
    match job:
        case Score(task=task, repeat=repeat):
            return (Tune(task=task, repeat=repeat),)
        case States(tuned=str(tuned), repeat=repeat):
            return (Tune(task=tuned, repeat=repeat),)
        case Align(primary=primary, share=share, repeat=repeat):
            return (Part(task=primary, share=share, repeat=repeat),)
        case Test() | Export():
            return (trained(job),)
    return ()


def trained(job: Test | Export) -> Trial:
    """The trial whose model it takes."""
    return Trial(primary=job.primary, auxiliaries=job.auxiliaries, repeat=job.repeat)


def key(job: Job, facts: Facts) -> str:
    """Key of a job's result; empty where there is none."""
    match job:
        case Embed(task=task):
            return stage_key("embed", **facts.split(task, "train"))
        case Tune(task=task, repeat=repeat):
            return stage_key(
                "tune",
                task=task,
                train=facts.split(task, "train"),
                dev=facts.split(task, "dev"),
                metric=facts.tasks[task].metric,
                settings=_settings(facts.training),
                seed=facts.repeat_seed(repeat),
            )
        case Score():
            settings = facts.scoring.content() | {"projections": sorted(facts.scoring.projections)}
            del settings["batch_tokens"]  # it changes no result
            return stage_key("score", tune=key(needs(job)[0], facts), **settings)
        case States(task=task):
            return stage_key("states", rows=facts.split(task, "train"), tuned=[key(need, facts) for need in needs(job)])
        case Part(task=task, share=share, repeat=repeat):
            return stage_key(
                "part",
                task=task,
                train=facts.split(task, "train"),
                settings=_settings(facts.training),
                seed=facts.repeat_seed(repeat),
                share=share,
            )
        case Align(task=task):
            return stage_key("align", task=task, rows=facts.split(task, "train"), part=key(needs(job)[0], facts))
        case Trial(primary=primary, auxiliaries=auxiliaries, repeat=repeat):
            return stage_key(
                "trial",
                primary=primary,
                train=facts.split(primary, "train"),
                dev=facts.split(primary, "dev"),
                metric=facts.tasks[primary].metric,
                auxiliaries=[[a.task, facts.split(a.task, "train"), a.instances] for a in auxiliaries],
                settings=_settings(facts.multitask),
                seed=facts.repeat_seed(repeat),
            )
        case Test():
            digests = facts.tasks[job.primary].digests
            tested = {split: digests[split] for split in ("test", "unlabelled") if split in digests}
            return stage_key("test", trial=key(trained(job), facts), **tested)
        case Export():
            return ""


def stage_key(stage: str, **parts: Any) -> str:
    """Key of a stage's result, from everything that this depends on."""
    return content_key(stage, VERSIONS[stage], **parts)


def _settings(settings: TrainingSettings) -> dict[str, Any]:
    """How often a training is repeated changes none of the repeats. `logits`: in short formats they were cast later before."""
    return settings.model_dump(mode="json", exclude={"seeds"}) | ({} if settings.precision == "fp32" else {"logits": "fp32"})
