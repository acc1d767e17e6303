"""The trials of a primary: asked for side by side, told as they are known, scored, judged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import asdict

import numpy as np

from gradts_engine import events
from gradts_engine.contracts import Repeats, Selection, Verdict
from gradts_engine.errors import TrainingDiverged
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import PREDICTIONS, Artifact
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.jobs import Trial
from gradts_engine.runtime.judging import Judge
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.words import number


class Arms:
    """May be used from several threads."""

    def __init__(self, prepared: Prepared, driver: Driver, emit: Callable[[events.Event], None]) -> None:
        self.prepared = prepared
        self.experiment = prepared.experiment
        self.facts = prepared.facts
        self.driver = driver
        self.emit = emit
        self._tried: dict[str, dict[Selection, dict[int, Artifact | None]]] = defaultdict(dict)
        """By primary: trials that a strategy chose by, of each selection and repeat."""
        self._judged: dict[str, dict[Selection, tuple[float, float]]] = defaultdict(dict)
        """By primary: gain of each selection on fresh seeds and rows, and its score on these."""

    def evaluate(
        self, primary: str, selections: Sequence[Selection], repeats: Sequence[int], judge: Judge | None = None
    ) -> list[Repeats]:
        """Dev scores of trials, NaN for one that failed; with `judge`, scores on the rows that it leaves for choosing. Each is
        told as soon as it is known."""
        found = self.trials(primary, selections, repeats)
        for selection, trials in zip(selections, found, strict=True):
            tried = self._tried[primary].setdefault(self._known(primary, selection), {})
            tried.update(zip(repeats, trials, strict=True))

        def score(trial: Artifact | None) -> float:
            if trial is None:
                return math.nan
            return judge.score(trial, judge.choosing) if judge else _score(trial)

        return [Repeats(tuple(map(score, trials))) for trials in found]

    def judge(self, primary: str, selections: Sequence[Selection], repeats: Sequence[int], judge: Judge) -> list[Verdict]:
        """Verdicts on selections against the primary alone."""
        alone, *others = self.trials(primary, [(), *selections], repeats)

        def score(trials: Sequence[Artifact | None]) -> float:
            return Repeats(tuple(judge.score(trial, judge.judging) if trial else math.nan for trial in trials)).mean

        self._judged[primary].setdefault((), (0.0, score(alone)))
        verdicts = judge.verdicts(others, alone, self.experiment.selection.margin / 100)
        for selection, v, trials in zip(selections, verdicts, others, strict=True):
            self._judged[primary][self._known(primary, selection)] = v.gain, score(trials)
            counts = self.facts.instances(self.prepared.usable(primary, selection))
            apart = {name: number(getattr(v, name)) for name in ("rows_low", "rows_high", "seeds_low", "seeds_high")}
            self.emit(events.Judged(primary, counts, **asdict(v) | apart))
        return verdicts

    def tell_expected(self, primary: str, selection: Selection, judge: Judge) -> None:
        """Say what new seeds are expected to give of a selection, where it is one of several that a strategy tried."""
        known, tried = self._known(primary, selection), self._tried[primary]
        seeds = tried.get(known, {}).keys()
        tried = {s: trials for s, trials in tried.items() if trials.keys() & seeds}  # others cannot be compared
        if known not in tried or len(tried) < 2:
            return
        gain, score = self._judged[primary].get(known, (math.nan, math.nan))
        how = "fresh"
        if math.isnan(gain + score):
            scores = on_the_seeds_of(known, {s: {r: _score(t) for r, t in trials.items()} for s, trials in tried.items()})
            trials = [[of[r] for r in sorted(of.keys() & seeds)] for of in tried.values()]
            places = {s: i for i, s in enumerate(tried)}
            score = judge.expected(places[known], trials, scores)
            gain = score - judge.expected(places[()], trials, scores) if () in tried else math.nan
            how = "shrunk"
        if not math.isnan(score):
            counts = self.facts.instances(self.prepared.usable(primary, selection))
            self.emit(events.Expected(primary, counts, score, gain, len(tried), how))

    def _known(self, primary: str, selection: Selection) -> Selection:
        """A selection as trials have it."""
        return tuple(sorted(self.prepared.usable(primary, selection)))

    def trials(
        self, primary: str, selections: Sequence[Selection], repeats: Sequence[int], *, pilot: bool = False
    ) -> list[list[Artifact | None]]:
        """A trial for each selection and repeat, None where it failed; all side by side."""
        selections = [self.prepared.usable(primary, selection) for selection in selections]
        files = (PREDICTIONS,)  # a model is needed where it is tested or exported, and may have been freed since
        asked = {(i, r): self.driver.get(_trial(primary, s, r), files=files) for i, s in enumerate(selections) for r in repeats}
        places = {future: place for place, future in reversed(asked.items())}  # the same trial may be asked for twice
        found: dict[Future[Artifact], Artifact | None] = {}
        for future in as_completed(places):
            i, repeat = places[future]
            found[future] = self._tell(primary, selections[i], repeat, future, pilot)
        return [[found[asked[i, r]] for r in repeats] for i in range(len(selections))]

    def _tell(self, primary: str, selection: Selection, repeat: int, future: Future[Artifact], pilot: bool) -> Artifact | None:
        counts = self.facts.instances(selection)
        found: Artifact | None = None
        try:
            found = future.result()
            score, reason = float(found.result["score"]), ""
        except TrainingDiverged as error:
            score, reason = math.nan, str(error)
        key = jobs.key(_trial(primary, selection, repeat), self.facts)
        self.emit(events.TrialScored(primary, counts, score, key, reason, repeat, pilot))
        return found


def on_the_seeds_of(known: Selection, tried: Mapping[Selection, Mapping[int, float]]) -> np.ndarray:
    """Mean scores [k] of selections that were `tried`, NaN where a training failed, as if each had the seeds of `known`: a
    seed can be better for all of them, by as much as those that have all of these seeds show."""
    seeds = tried[known].keys()
    whole = [of for of in tried.values() if all(math.isfinite(of.get(r, math.nan)) for r in seeds)]
    levels = {r: float(np.mean([of[r] for of in whole])) if whole else math.nan for r in seeds}
    level = float(np.mean([*levels.values()]))
    return np.array([level + np.mean([of[r] - levels[r] for r in of.keys() & seeds]) for of in tried.values()])


def _score(trial: Artifact | None) -> float:
    return float(trial.result["score"]) if trial else math.nan


def _trial(primary: str, selection: Selection, repeat: int) -> Trial:
    return Trial(primary=primary, auxiliaries=selection, repeat=repeat)
