"""Predictors, and the evidence that they may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn, Protocol

from gradts_engine.repeats import Repeats

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class StoredTrial:
    """A trial of an earlier run, or a pilot: `score` of `primary` with the train instances of `auxiliaries` (none: alone) in a
    repeat of a run with `run_seed` (empty: not known). Only trials of one `protocol` (encoder, settings, data limits: a digest)
    can be compared."""

    primary: str
    auxiliaries: tuple[str, ...]
    repeat: int
    score: float
    protocol: str = ""
    run_seed: str = ""


def _not_asked_for(*of: object) -> NoReturn:
    raise LookupError(f"no evidence of {of}: what a predictor reads has to be named in its `needs`")


Need = Literal["importance", "state", "states", "states-reverse", "gradients", "trials"]
"""A part of `Evidence`. `states`: those of the primary's rows by the encoder tuned on each candidate; `states-reverse`: those of
each candidate's rows by the one tuned on the primary; both bring those of the pretrained encoder too, and the targets.
`gradients`: the alignment of each candidate's with the primary's."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a predictor may look at, for one primary. Only what the predictor's `needs` names is there.

    `candidates` are those that have evidence, in the order of tasks.toml. Shapes: L layers, H heads, D hidden size, N train rows.
    `importance(task, repeat)` is the mean raw importance [L, H]; `state(task)` the mean state [D] of the pretrained encoder;
    `states(rows, tuned, repeat)` the states [N, D] of the rows of one task under the encoder that was tuned on another (None: the
    pretrained one), and `targets(task)` what is to be told from them: class numbers, int64 [N], or numbers, float [N];
    both have no rows where a training failed, or labels are neither;
    `alignment(primary, candidate, repeat)` the share of the primary's held-out loss that a step of length 1 along the candidate's
    gradients takes off, to first order, NaN where a training failed; `trials` are stored trials of the same protocol. `sizes` are
    train rows of each task and `forms` what an input of it is (one text, two, words): these are there whatever is needed.

    What is there of one primary is there of every task as if it were one, so that a predictor can be fitted to stored trials.
    """

    primary: str
    candidates: tuple[str, ...]
    repeats: int = 1
    seed: int = 0
    importance: Callable[[str, int], np.ndarray] = field(default=_not_asked_for)
    state: Callable[[str], np.ndarray] = field(default=_not_asked_for)
    states: Callable[[str, str | None, int], np.ndarray] = field(default=_not_asked_for)
    targets: Callable[[str], np.ndarray] = field(default=_not_asked_for)
    alignment: Callable[[str, str, int], float] = field(default=_not_asked_for)
    trials: Sequence[StoredTrial] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)


class Predictor(Protocol):
    """A function of evidence: how much each candidate is expected to help, higher is better, for every repeat."""

    def __call__(self, evidence: Evidence) -> Mapping[str, Repeats]: ...


@dataclass(frozen=True, kw_only=True)
class PredictorSpec:
    """A way to foretell which candidates help. `needs` names the parts of `Evidence` that it reads: what no chosen one needs is
    not computed. `cost` says what it costs in units of one pair training. `correlation`: its values lie between -1 and 1.
    `places`: how likely each candidate is to gain most, second most, ..., by its values, where these tell."""

    name: str
    load: Callable[[], Predictor]
    needs: tuple[Need, ...]
    version: int = 1
    description: str = ""
    cost: str = ""
    correlation: bool = False
    places: Callable[[Mapping[str, Repeats]], Mapping[str, tuple[float, ...]]] | None = None
