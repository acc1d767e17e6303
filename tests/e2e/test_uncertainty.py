"""What `results` says of a run's uncertainty, each number computed again from what the run has stored."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.stats import kendalltau, t, ttest_1samp

from gradts_engine.learning.seeds import derive_seed


@pytest.fixture
def judged(place):
    """Two seeds of every fine-tuning, and trials that were judged on two fresh seeds; a person takes one of the finalists."""
    place.settings["training"]["seeds"] = 2
    place.settings["selection"] = {"strategy": "halving"}
    place.settings["selection.halving"] = {"budget": 4, "seeds": 2, "largest": 1}
    place.write()
    assert place.run().code == 3
    finalist, *_ = place("results --json").json["primaries"]["mood"]["verdicts"]
    assert place("confirm --yes --auxiliaries", finalist).code == 0
    assert place.run().code == 0
    return place


def test_every_number_of_results_is_what_was_stored_says_and_the_same_in_words(judged):
    found = judged("results --json").json
    mood, view = found["primaries"]["mood"], judged.latest.view()
    assert set(mood) >= {"predictor", "verdicts", "ranking", "final", "expected", "answer"}
    importance_is_as_stored(judged, found)
    (said,) = view.predicted.values()
    assert mood["predictor"] == said.predictor
    for row in mood["ranking"]:
        assert set(row["predictors"]) == set(said.values)
        for name, p in row["predictors"].items():
            values = np.array(said.values[name][row["task"]])
            assert list(p) == ["mean", "low", "high", "repeats"]
            assert (p["mean"], p["repeats"]) == (pytest.approx(values.mean()), 2)
            interval = ttest_1samp(np.arctanh(values) if name in ("tau", "embedding") else values, 0).confidence_interval()
            limits = np.array([interval.low, interval.high])
            if np.ptp(values) == 0:
                assert p["low"] == p["high"] == values[0]
            elif name in ("tau", "embedding"):
                assert [p["low"], p["high"]] == pytest.approx(np.tanh(limits))
                assert -1 <= p["low"] <= p["high"] <= 1
            else:
                assert [p["low"], p["high"]] == pytest.approx(limits)
    verdicts_are_as_stored(judged, mood, view)
    words_are_as_the_numbers(judged, found)


def importance_is_as_stored(judged, found) -> None:
    """Agreement of tasks with themselves over seeds, and tau between the limits over instances."""
    view, matrices = judged.latest.view(), {}
    for stage in view.of("score"):
        raw = load_file(judged.store.root / "artifacts" / "score" / stage.key / "raw.safetensors")["raw"]
        mean = raw.astype(np.float64).mean(0)
        mean /= mean.sum(1, keepdims=True)
        matrices[stage.about.task, stage.about.repeat] = ((mean - mean.min()) / np.ptp(mean)).astype(np.float32).ravel()

    def tau(a, b) -> float:
        return kendalltau(matrices[a], matrices[b]).statistic

    for task in found["data"]:
        of, name = task["reliability"], task["task"]
        assert of["repeats"] == 2
        assert of["seeds"] == pytest.approx(tau((name, 0), (name, 1)))
        assert -1 <= of["halves"] <= 1
        assert f"halves of its rows agree at {of['halves']:.2f}, and two of its seeds at {of['seeds']:.2f}" in of["said"]
    for row in found["primaries"]["mood"]["ranking"]:
        both = [tau(("mood", r), (row["task"], r)) for r in range(2)]
        assert row["over_instances"]["low"] < row["over_instances"]["high"]
        assert abs(np.mean(both) - np.mean([*row["over_instances"].values()])) < 0.3
    seeds = [task["reliability"]["seeds"] for task in found["data"]]
    assert f"two seeds of a task agree at tau {np.mean(seeds):.2f} ({min(seeds):.2f} to {max(seeds):.2f})" in found["caveat"]


def verdicts_are_as_stored(judged, mood, view) -> None:
    """Gains of the finalists, each row of dev right or wrong, by the textbook's analysis of two crossed factors."""
    trials = {(tuple(e.auxiliaries), e.repeat): e for e in view.trials["mood"]}
    seeds = sorted(r for a, r in trials if not a)[-2:]  # the fresh ones come last
    order = np.random.default_rng(derive_seed(3, "verdict", "mood")).permutation(16)
    rows = np.sort(order[:8])

    def right(names, repeat) -> np.ndarray:
        path = judged.store.root / "artifacts" / "trial" / trials[names, repeat].key / "predictions.json"
        answers = json.loads(path.read_text())
        return np.array([answers["gold"][i] == answers["predicted"][i] for i in rows], float)

    tables = {name: np.array([right((name,), r) - right((), r) for r in seeds]) for name in mood["verdicts"]}
    assert len(tables) == 2
    pooled = np.mean([table.mean(1).var(ddof=1) for table in tables.values()])  # of a seed's mean gain
    for name, table in tables.items():
        v = mood["verdicts"][name]
        assert set(v) >= {"verdict", "gain", "low", "high", "seeds", "rows", "instances"}
        assert (v["gain"], v["seeds"], v["rows"]) == (pytest.approx(table.mean()), 2, 8)
        assert v["instances"] == len(judged.rows[name]["train"])
        half = t.ppf(0.975, 1.6) * np.sqrt(pooled / 2)  # of two seeds and candidates with a correlation of 1/2: 2 / (1 + 1/4)
        assert [v["over_seeds"]["low"], v["over_seeds"]["high"]] == pytest.approx([table.mean() - half, table.mean() + half])
        half = t.ppf(0.975, 7) * np.sqrt(table.mean(0).var(ddof=1) / 8)
        assert [v["over_rows"]["low"], v["over_rows"]["high"]] == pytest.approx([table.mean() - half, table.mean() + half])
        assert v["low"] <= v["gain"] <= v["high"]
        words = {"helps": v["low"] > 0, "hurts": v["high"] < 0, "neutral": max(abs(v["low"]), abs(v["high"])) < 0.01}
        assert words.get(v["verdict"], not any(words.values()))
        assert (v["seconds"] is None) == (not v["more"])
    final = mood["final"]
    (chosen,) = (row["task"] for row in mood["confirmed"])
    assert {key: final[key] for key in ("verdict", "gain", "low", "high")} == {
        key: mood["verdicts"][chosen][key] for key in ("verdict", "gain", "low", "high")
    }
    assert (final["expected"]["how"], final["expected"]["of"]) == ("fresh", len({a for a, _ in trials}))
    assert final["expected"]["score"] == pytest.approx(np.mean([right((chosen,), r) for r in seeds]))
    assert 0 <= final["expected"]["score"] <= 1


def words_are_as_the_numbers(judged, found) -> None:
    shown = " ".join(judged("results").out.split())
    mood = found["primaries"]["mood"]
    assert found["caveat"] in shown
    assert mood["answer"] in shown
    assert "0.54" not in found["caveat"]
    (chosen,) = (row["task"] for row in mood["confirmed"])
    v = mood["verdicts"][chosen]
    assert f"{100 * v['gain']:+.1f} points (95%: {100 * v['low']:+.1f} to {100 * v['high']:+.1f})" in mood["answer"]
    assert f"one of {mood['expected']['of']} tried, measured on fresh seeds" in mood["answer"]
    assert "Only 8 dev rows judged" in mood["answer"]
    card = (judged.latest.models / "mood" / "README.md").read_text()
    assert f"expected to be {mood['expected']['score']:.4f}" in card


def test_one_seed_has_no_interval_and_the_best_of_several_is_shrunk(ran):
    mood = ran("results --json").json["primaries"]["mood"]
    for row in mood["ranking"]:
        assert {(p["low"], p["high"], p["repeats"]) for p in row["predictors"].values()} == {(None, None, 1)}
        assert row["over_instances"]["low"] < row["over_instances"]["high"]
    scores = {tuple(trial["auxiliaries"]): trial["score"] for trial in mood["trials"]}
    expected = mood["expected"]
    assert (expected["how"], expected["of"]) == ("shrunk", len(scores))
    best = scores[tuple(row["task"] for row in mood["confirmed"])]
    assert np.mean([*scores.values()]) - 1e-9 <= expected["score"] <= best
    shown = " ".join(ran("results").out.split())
    said = f"expected to be {expected['score']:.4f} ({expected['gain']:+.4f}) on new seeds: one of {len(scores)} tried, shrunk"
    assert said in shown
    assert "one seed, which says nothing of others" in shown


def test_what_was_removed_is_said(ran):
    view = ran.latest.view()

    shutil.rmtree(ran.store.root / "artifacts" / "reliability" / view.stage("reliability", "mood").key)
    result = ran("results --json")
    assert "the result of reliability mood is missing: it was removed" in result.err
    assert "How far a task agrees with itself is not known here" in result.json["caveat"]
    assert {row["over_instances"] for row in result.json["primaries"]["mood"]["ranking"]} == {None}
    assert ran.done() == {("reliability", "mood")}


def test_a_metric_without_a_value_on_the_judging_rows_is_said(place):
    """All dev rows but one of those that choose are of one class."""
    *_, last = np.random.default_rng(derive_seed(3, "verdict", "mood")).permutation(16)
    for i, row in enumerate(place.rows["mood"]["dev"]):
        row["label"] = "good" if i == last else "bad"
    place.settings["tasks.mood"]["metric"] = "roc_auc"
    place.settings["selection"] |= {"strategy": "halving"}
    place.settings["selection.halving"] = {"budget": 2, "seeds": 2, "largest": 1}
    place.write()
    assert place.run().code == 0
    mood = place("results --json").json["primaries"]["mood"]
    assert (mood["confirmed"], len(mood["verdicts"])) == ([], 2)
    for verdict in mood["verdicts"].values():
        assert (verdict["verdict"], verdict["gain"], verdict["more"]) == ("undecided", None, None)
    assert "it cannot be judged on so few dev rows, or the metric has no value on them" in mood["answer"]


@pytest.mark.parametrize(("fraction", "said"), [(0.999, "are 16 to give verdicts on, and 0 are left"), (0.01, "are 0 to give")])
def test_dev_rows_have_to_suffice_for_choosing_and_for_judging(place, fraction, said):
    place.settings["data"]["verdict_fraction"] = fraction
    place.settings["selection"] = {"strategy": "halving"}
    place.write()
    for command in ("plan", "run"):
        result = place(command, str(place.config))
        assert result.code == 2
        assert result.line.startswith(f"{place.config}: data.verdict_fraction: {fraction} of the 16 dev rows of 'mood' {said}")
    assert place.store.runs() == []
