"""Scenarios of planted tasks: that they can be loaded, what of them is kept, and what is made of rows that are known."""

import tomllib

import numpy as np
import pytest

from gradts_engine.config import load_experiment
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.studies.planted import auc, plays, study, summary
from gradts_engine.studies.scenarios import HELPS, NOT, SCENARIOS, Plan, tasks_toml

PLAN = Plan("minilm-l6", ("embedding",), seeds=3, steps=10)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_is_a_tasks_toml(tmp_path, scenario):
    config = tmp_path / "tasks.toml"
    config.write_text(tasks_toml(scenario, 2, PLAN))
    experiment = load_experiment(config, load_catalog())
    assert experiment.primaries == ("primary",)
    assert list(experiment.candidates("primary")) == [c.name for c in SCENARIOS[scenario][1]]
    assert {task["options"]["seed"] for task in tomllib.loads(config.read_text())["tasks"].values()} == {2}


def row(candidate, planted, verdict, gain, again, embedding):
    interval = {"gain": gain, "low": gain - 0.02, "high": gain + 0.02, "again": again}
    return {"candidate": candidate, "planted": planted, "verdict": verdict, **interval, "auc": None, "embedding": embedding}


ROWS = (row("a", HELPS, "helps", 0.1, 0.12, 0.5), row("b", NOT, "helps", 0.0, 0.1, 0.7), row("c", NOT, "hurts", -0.1, -0.1, 0.1))


def test_what_was_played_is_not_played_again_and_other_plans_are_refused(tmp_path):
    asked, told = [], []

    def play(config, scenario):
        asked.append((config.name, scenario))
        return ROWS

    first = study(tmp_path, plays(1, 2), PLAN, play, lambda *of: told.append(of))
    assert asked == [("unrelated-0.toml", "unrelated"), ("conflicting-0.toml", "conflicting")]
    assert told == [(0, 2, "unrelated, draw 0"), (1, 2, "conflicting, draw 0"), (2, 2, "")]
    again = study(tmp_path, plays(2, 1), PLAN, play, lambda *of: None)
    assert asked[2:] == [("unrelated-1.toml", "unrelated")]
    assert again[:3] == first[:3]
    with pytest.raises(UsageError, match=r"planted.csv: was made with encoder minilm-l6, seeds 3, steps 10"):
        study(tmp_path, plays(1, 1), Plan("minilm-l6", ("embedding",), 4, 10), play, lambda *of: None)
    with pytest.raises(UsageError, match="or other predictors"):
        study(tmp_path, plays(1, 1), Plan("minilm-l6", ("tau",), 3, 10), play, lambda *of: None)


def test_shares_of_what_was_found():
    found = summary([{"scenario": "s", "draw": d, **r} for d in (0, 1) for r in ROWS], ["embedding"])
    assert found["precision"] == {"embedding": 0}  # one helper, and another candidate is first
    assert (found["helpers found"], found["wrongly helps"]) == (1, 0.5)
    assert found["coverage"] == 0.667  # .12 and -.1 are where 1.4 times the interval says, .1 is not
    assert found["verdicts"][NOT] == {"helps": 2, "hurts": 2}


def test_who_ties_shares_a_place():
    """The order of a scenario's candidates, helpers first, tells nothing of a predictor."""
    helpers, others = [row(n, HELPS, "helps", 0.1, 0.1, 0.5) for n in "ab"], [row(n, NOT, "hurts", 0.0, 0.0, 0.5) for n in "cdef"]

    def precision(*values: float | None) -> float:
        rows = [{**r, "embedding": v} for r, v in zip([*helpers, *others], values, strict=True)]
        return summary([{"scenario": "s", "draw": 0, **r} for r in rows], ["embedding"])["precision"]["embedding"]

    assert precision(*[0.5] * 6) == 0.333  # that of a random order
    assert precision(0.9, 0.5, 0.5, 0.5, 0.1, 0.1) == 0.667  # one first, the other one of three for the second place
    assert precision(0.9, None, None, 0.1, None, None) == 0.5
    assert precision(*[None] * 6) is None


def test_instances_that_carry_the_factor_are_told_by_a_tau_that_knows_them(tmp_path):
    config = tmp_path / "tasks.toml"
    config.write_text(tasks_toml("mixtures", 0, PLAN))
    experiment = load_experiment(config, load_catalog())
    mixed, _, whole, _ = SCENARIOS["mixtures"][1]
    spec = experiment.tasks[mixed.name]
    carries = [float(row["carries"]) for row in spec.train(**spec.options)]
    assert 0.3 < sum(carries) / len(carries) < 0.7
    assert auc(experiment, mixed, np.array(carries)) == 1
    assert np.isnan(auc(experiment, whole, np.zeros(256)))
