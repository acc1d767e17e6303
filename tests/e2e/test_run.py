"""From tasks.toml to a trained model, through the command line; every number is computed a second time by other code."""

import re

import numpy as np
import pytest
import scipy.stats
from safetensors.numpy import load_file

from gradts_engine import events

STAGES = ["embed", "tune", "score", "correlate", "reliability", "trial", "proposal", "test"]


def test_a_run_from_start_to_end(place):
    result = place.run()
    assert result.code == 0
    news = place.news()
    assert isinstance(news[0], events.RunStarted)
    assert news[-1] == events.RunEnded("done")
    computed = [e.stage for e in news if isinstance(e, events.StageStarted)]
    assert set(computed) == set(STAGES)
    assert [computed.count(stage) for stage in STAGES if stage != "trial"] == [4, 4, 4, 1, 1, 1, 2]
    assert [stage.state for stage in place.latest.view().stages.values()] == ["done"] * len(computed)
    (final,) = (e for e in news if isinstance(e, events.FinalModel))
    # what a person sees: progress on standard error, results on standard output
    for line in ("reading 4 tasks", "tune mood: epoch 2, dev accuracy", "score tags: done in", "model of mood: dev"):
        assert line in result.err
    warnings = [line for line in result.err.splitlines() if "warning" in line]
    assert all("rows with the text of a train row" in line for line in warnings)
    assert re.sub(r"\s", "", final.model) in re.sub(r"\s", "", result.out)
    assert place.latest.id in result.out
    assert f"gradts-engine results {place.latest.id} --store {place.store.root}" in result.out.replace("\n", " ")


def kinds(value):
    """The shape of a JSON value: keys and types."""
    if isinstance(value, dict):
        return {key: kinds(inner) for key, inner in value.items()}
    return [kinds(item) for item in value[:1]] if isinstance(value, list) else type(value).__name__


def shape_of_a_primary(thresholds):
    """Keys and types of what a run says of `mood`, where each of its instances is kept at so many thresholds."""
    selection = [{"task": "str", "instances": "int"}]
    value = {"mean": "float", "low": "NoneType", "high": "NoneType", "repeats": "int"}  # one repeat has no interval
    verdict = dict.fromkeys(("verdict", "gain", "low", "high"), "NoneType")  # which `trial` does not ask for
    expected = {"score": "float", "gain": "float", "of": "int", "how": "str"}
    return {
        "metric": "str",
        "judged_by": "str",
        "predictor": "str",
        "ranking": [
            {
                "task": "str",
                "tau": "float",
                "embedding": "float",
                "predictors": {"tau": value, "embedding": value},
                "over_instances": {"low": "float", "high": "float"},
            }
        ],
        "kept": {task: dict.fromkeys(thresholds, "int") for task in ("pair", "stars", "tags")},
        "trials": [{"auxiliaries": [], "instances": {}, "score": "float", "reason": "str", "repeat": "int", "seconds": "float"}],
        "verdicts": {},
        "proposed": selection,
        "digest": "str",
        "confirmed": selection,
        "expected": expected,
        "answer": "str",
        "unjudged": {},
        "places": {},
        "left_out": {},
        "final": {
            "score": "float",
            "model": "str",
            "test": "float",
            "alone": "float",
            "alone_test": "float",
            "expected": expected,
            "predictions": "str",
            "types": {},
        }
        | verdict,
    }


def test_results_as_json(ran):
    found = ran("results --json").json
    tasks = ["mood", "pair", "stars", "tags"]
    about = {"run", "state", "reason", "encoder", "precision", "settings", "caveat", "size", "spent", "warnings"}
    assert set(found) == about | {"tasks", "data", "tau", "pilots", "primaries"}
    assert (found["run"], found["state"], found["tasks"]) == (ran.latest.id, "done", tasks)
    assert found["encoder"] == ran.settings["run"]["encoder"]
    assert found["settings"]["multitask"]["steps"] == 12
    assert [row["task"] for row in found["data"]] == tasks
    assert [row["train"] for row in found["data"]] == [10, 36, 36, 36]
    assert set(found["tau"]) == {"mood"}
    assert set(found["tau"]["mood"]) == {"pair", "stars", "tags"}
    (mood,) = found["primaries"].values()
    assert kinds(mood) == shape_of_a_primary(mood["kept"]["pair"])
    assert [float(threshold) for threshold in mood["kept"]["pair"]] == pytest.approx(np.arange(-0.2, 0.91, 0.1))
    taus = [row["tau"] for row in mood["ranking"]]
    assert taus == sorted(taus, reverse=True)
    assert {row["task"]: row["tau"] for row in mood["ranking"]} == found["tau"]["mood"]
    order = [row["task"] for row in mood["ranking"]]
    for k, trial in enumerate(mood["trials"]):
        assert trial["auxiliaries"] == order[:k]
        assert trial["instances"] == dict.fromkeys(order[:k], 36)
    scores = [trial["score"] for trial in mood["trials"]]
    best = mood["trials"][scores.index(max(scores))]
    assert [a["task"] for a in mood["proposed"]] == best["auxiliaries"] != []
    assert mood["confirmed"] == mood["proposed"]
    assert mood["final"]["score"] == max(scores)
    assert mood["final"]["alone"] == scores[0]


def stored(ran, stage: str, task: str) -> dict[str, np.ndarray]:
    """Arrays of a stage, read as anybody could."""
    key = ran.latest.view().stage(stage, task).key
    (path,) = (ran.store.root / "artifacts" / stage / key).glob("*.safetensors")
    return load_file(path)


def published_normalisation(matrix: np.ndarray) -> np.ndarray:
    """By layer, then by matrix, in plain loops."""
    matrix = np.array([row / row.sum() for row in matrix.astype(np.float64)])
    return (matrix - matrix.min()) / (matrix.max() - matrix.min())


def in_float32(matrix: np.ndarray) -> np.ndarray:
    """Ties are those of float32; scipy answers in the type of what it is given."""
    return matrix.astype(np.float32).astype(np.float64).ravel()


def test_tau_and_cosine_are_what_scipy_says(ran):
    found = ran("results --json").json["primaries"]["mood"]
    raw = {task: stored(ran, "score", task)["raw"] for task in ran.rows}
    assert {task: matrices.shape for task, matrices in raw.items()} == {
        task: (len(splits["train"]), 2, 4) for task, splits in ran.rows.items()
    }
    main = in_float32(published_normalisation(raw["mood"].astype(np.float64).mean(0)))
    taus = stored(ran, "correlate", "mood")
    states = {task: stored(ran, "embed", task)["state"] for task in ran.rows}
    for row in found["ranking"]:
        other = in_float32(published_normalisation(raw[row["task"]].astype(np.float64).mean(0)))
        assert row["tau"] == pytest.approx(scipy.stats.kendalltau(main, other).statistic, abs=1e-15)
        instances = [
            scipy.stats.kendalltau(main, in_float32(published_normalisation(matrix))).statistic for matrix in raw[row["task"]]
        ]
        assert taus[row["task"]] == pytest.approx(instances, abs=1e-15)
        for threshold, count in found["kept"][row["task"]].items():
            assert count == sum(tau >= float(threshold) for tau in instances)
        cosine = 1 - scipy.spatial.distance.cosine(states["mood"], states[row["task"]])
        assert row["embedding"] == pytest.approx(cosine, abs=1e-6)
