"""The trials of a primary: asked for side by side, told as they are known, scored, judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed

from gradts_engine import events
from gradts_engine.contracts import Repeats, Selection, Verdict
from gradts_engine.errors import TrainingDiverged
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.jobs import Trial
from gradts_engine.runtime.judging import Judge
from gradts_engine.runtime.prepare import Prepared


class Arms:
    """May be used from several threads."""

    def __init__(self, prepared: Prepared, driver: Driver, emit: Callable[[events.Event], None]) -> None:
        self.prepared = prepared
        self.experiment = prepared.experiment
        self.facts = prepared.facts
        self.driver = driver
        self.emit = emit

    def evaluate(
        self, primary: str, selections: Sequence[Selection], repeats: Sequence[int], judge: Judge | None = None
    ) -> list[Repeats]:
        """Dev scores of trials, NaN for one that failed; with `judge`, scores on the rows that it leaves for choosing. Each is
        told as soon as it is known."""
        found = self.trials(primary, selections, repeats)

        def score(trial: Artifact | None) -> float:
            if trial is None:
                return math.nan
            return judge.score(trial, judge.choosing) if judge else float(trial.result["score"])

        return [Repeats(tuple(map(score, trials))) for trials in found]

    def judge(self, primary: str, selections: Sequence[Selection], repeats: Sequence[int], judge: Judge) -> list[Verdict]:
        """Verdicts on selections against the primary alone."""
        alone, *others = self.trials(primary, [(), *selections], repeats)
        verdicts = judge.verdicts(others, alone, self.experiment.selection.margin / 100)
        for selection, v in zip(selections, verdicts, strict=True):
            counts = self.facts.instances(self.prepared.usable(primary, selection))
            self.emit(events.Judged(primary, counts, v.verdict, v.gain, v.low, v.high, v.seeds, v.rows, v.more))
        return verdicts

    def trials(
        self, primary: str, selections: Sequence[Selection], repeats: Sequence[int], *, pilot: bool = False
    ) -> list[list[Artifact | None]]:
        """A trial for each selection and repeat, None where it failed; all side by side."""
        selections = [self.prepared.usable(primary, selection) for selection in selections]
        asked = {(i, r): self.driver.get(_trial(primary, s, r), files=True) for i, s in enumerate(selections) for r in repeats}
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


def _trial(primary: str, selection: Selection, repeat: int) -> Trial:
    return Trial(primary=primary, auxiliaries=selection, repeat=repeat)
