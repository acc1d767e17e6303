"""Decisions of the published scripts, and where ours differ on purpose."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradts_engine.contracts import Auxiliary, Evaluate, Ranking, Repeats, Selection, Trials, Verdict
from gradts_engine.selection.strategies import ThresholdSettings, keep_instances, threshold, trial
from gradts_engine.settings import Section


@pytest.fixture
def published(selection_case: Path) -> Any:
    return json.loads((selection_case / "selection.json").read_bytes())


def ranked(main: str, candidates: Sequence[str], tau: Mapping[str, float]) -> Ranking:
    predicted = {"tau": {c: Repeats((tau[c],)) for c in candidates}}
    empty = np.empty(0)
    return Ranking(
        primary=main, candidates=tuple(candidates), predictor="tau", predicted=predicted, instance_tau=lambda task: empty
    )


def no_verdict(selections: Sequence[Selection], repeats: Sequence[int]) -> Sequence[Verdict]:
    raise AssertionError("published strategies ask for no verdict")


def names(selection: Selection) -> list[str]:
    return [auxiliary.task for auxiliary in selection]


def test_order_of_trials(published: Any) -> None:
    """A score that always rises makes every trial happen. Ties are in the order of the tasks, as published; trial 0 is ours."""
    case = published["trial_order"]
    for main, trials in case["trials"].items():
        seen: list[list[str]] = []
        rising: Iterator[int] = count()

        def evaluate(
            selections: Sequence[Selection], repeats: Sequence[int], seen: Any = seen, rising: Any = rising
        ) -> list[Repeats]:
            seen.extend(names(selection) for selection in selections)
            return [Repeats((float(next(rising)),)) for _ in selections]

        candidates = [task for task in case["tasks"] if task != main]
        chosen = trial(ranked(main, candidates, case["corr"][main]), Trials(evaluate, no_verdict), Section())
        assert seen == [[], *(published_trial["train"][1:] for published_trial in trials)]
        assert names(chosen) == seen[-1]


def test_threshold(published: Any) -> None:
    """The same tasks; the published code leaves them in the order of its correlation file, we sort by falling tau."""
    for case in published["thres"]:
        tau = published["trial_order"]["corr"][case["main"]]
        chosen = names(
            threshold(
                ranked(case["main"], case["candidates"], tau),
                Trials(no_trial, no_verdict),
                ThresholdSettings(threshold=case["threshold"]),
            )
        )
        assert sorted(chosen) == sorted(case["train"][1:])
        assert chosen == sorted(chosen, key=lambda task: (-tau[task], case["candidates"].index(task)))


def no_trial(selections: Sequence[Selection], repeats: Sequence[int]) -> Sequence[Repeats]:
    raise AssertionError("thresholds need no trial")


def test_instances_above_a_threshold(published: Any) -> None:
    case = published["fg"]
    tau = np.array([float(value) for value in case["corr"]])
    assert list(keep_instances(tau, threshold=case["threshold"], keep=1.0)) == case["kept"]


def scored(scores: Mapping[Selection, float]) -> Evaluate:
    return lambda selections, repeats: [Repeats((scores[selection],)) for selection in selections]


def test_best_trial(published: Any) -> None:
    """The published code has no trial 0; where that scores lowest, ours chooses as it does. Where all scores are negative it
    chooses nothing at all (its best starts at 0), and ours the better of the primary alone and the trials."""
    for case in published["read_trial_results"]:
        trials = {tuple(name.split("_")[1:]): score for name, score in case["trials_in_creation_order"]}
        order = max(trials, key=len)
        ours = ranked("rte", order, {task: -float(place) for place, task in enumerate(order)})
        best = list(order) if case["selected"] is None else case["selected"][1:]
        for alone, expected in ((min(trials.values()) - 1, best), (max(trials.values()) + 1, [])):
            scores = {tuple(map(Auxiliary, tasks)): score for tasks, score in (trials | {(): alone}).items()}
            assert names(trial(ours, Trials(scored(scores), no_verdict), Section())) == expected, case["case"]
