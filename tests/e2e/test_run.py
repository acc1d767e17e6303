"""From tasks.toml to a trained model, through the command line; every number is computed a second time by other code."""

import json
import math
import re
import shutil
import time
from operator import itemgetter

import numpy as np
import pytest
import scipy.stats
import torch
import transformers
from safetensors.numpy import load_file
from sklearn.metrics import accuracy_score

from gradts_engine import events
from gradts_engine.contracts import StrategySpec
from gradts_engine.errors import RunError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime.journal import read_events

STAGES = ["embed", "tune", "score", "correlate", "reliability", "trial", "proposal", "test"]


# --- what comes out --------------------------------------------------------------------------------------------------


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
        "places": {},
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
    about = {"run", "state", "encoder", "precision", "settings", "caveat", "size", "spent", "warnings"}
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


# --- the model that comes out ----------------------------------------------------------------------------------------

FINAL = {
    "mood": transformers.AutoModelForSequenceClassification,
    "pair": transformers.AutoModelForSequenceClassification,
    "stars": transformers.AutoModelForSequenceClassification,
    "tags": transformers.AutoModelForTokenClassification,
}


def plain_score(task: str, rows, model, tokenizer) -> float:
    """The dev score as anybody would compute it who has never heard of GradTS."""
    names = model.config.id2label
    gold, predicted = [], []
    for row in rows:
        if task == "tags":
            inputs = tokenizer(row["words"], is_split_into_words=True, return_tensors="pt")
            best = model(**inputs).logits[0].argmax(-1).tolist()
            words = inputs.word_ids()
            firsts = [words.index(i) for i in range(len(row["words"]))]
            predicted += [names[best[t]] for t in firsts]
            gold += row["tags"]
        else:
            texts = [row["one"], row["two"]] if task == "pair" else [row["text"]]
            logits = model(**tokenizer(*texts, return_tensors="pt")).logits[0]
            predicted.append(logits.item() if task == "stars" else names[logits.argmax().item()])
            gold.append(row["label"] if task == "stars" else str(row["label"]))
    if task == "stars":
        return float(np.corrcoef(gold, predicted)[0, 1])
    return float(accuracy_score(gold, predicted))


@torch.inference_mode()
def test_models_of_all_kinds_are_plain_transformers_models(place):
    """For a run with every task as primary: the folder's model scores on the dev and test rows what the run says it does."""
    del place.settings["run"]["primary"]
    place.settings["selection"] |= {"strategy": "all"}
    place.settings["tasks.tags"]["metric"] = "token_accuracy"
    place.write()
    assert place.done()
    primaries = place("results --json").json["primaries"]
    assert list(primaries) == list(FINAL)
    for task, found in primaries.items():
        final = found["final"]
        model = FINAL[task].from_pretrained(final["model"]).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(final["model"])
        assert plain_score(task, place.rows[task]["dev"], model, tokenizer) == pytest.approx(final["score"], abs=1e-6), task
        assert plain_score(task, place.rows[task]["test"], model, tokenizer) == pytest.approx(final["test"], abs=1e-6), task


def test_the_model_card_says_what_the_model_is(ran):
    found = ran("results --json").json["primaries"]["mood"]
    final = found["final"]
    (card,) = ran.latest.models.glob("*/README.md")  # of the copy; final["model"] is where it was made
    text = card.read_text()
    assert text.startswith("---\nlibrary_name: transformers\n")
    for auxiliary in found["confirmed"]:
        assert f"{auxiliary['task']} ({auxiliary['instances']} instances)" in text
    assert f"| dev (chose the auxiliaries) | accuracy | {final['score']:.4f} | {final['alone']:.4f} |" in text
    assert f"| test | accuracy | {final['test']:.4f} | {final['alone_test']:.4f} |" in text
    settings = json.loads(text.partition("```json\n")[2].partition("```")[0])
    assert settings["seed"] == 3
    assert settings["multitask"]["steps"] == 12
    assert re.search(r"^- gradts \d", text, re.M)
    assert re.search(r"^- transformers \d", text, re.M)


# --- strategies ------------------------------------------------------------------------------------------------------


def test_halving_gives_verdicts_on_fresh_seeds_and_rows(ran):
    ran.settings["selection"] = {"confirm": "auto", "predictors": ["tau", "embedding", "tau-centred"]}
    ran.settings["selection.halving"] = {"budget": 4, "shortlist": 2, "seeds": 2, "finalists": 1}
    ran.write()
    assert ran.done()
    found = ran("results --json").json["primaries"]["mood"]
    assert found["predictor"] == "embedding"
    for row in found["ranking"]:
        assert set(row["predictors"]) == {"tau", "embedding", "tau-centred"}
        assert row["predictors"]["tau"] == {"mean": row["tau"], "low": None, "high": None, "repeats": 1}
    ((judged, verdict),) = found["verdicts"].items()
    assert set(verdict) == {"verdict", "gain", "low", "high", "seeds", "rows", "instances", "more"} | {
        "over_rows",
        "over_seeds",
        "seconds",
    }
    assert verdict["verdict"] in ("helps", "neutral", "hurts", "undecided")
    assert verdict["low"] <= verdict["gain"] <= verdict["high"]
    assert (verdict["seeds"], verdict["rows"]) == (2, 8)
    assert verdict["instances"] == 36 * len(judged.split(" + "))
    choosing, judging = ({t["repeat"] for t in found["trials"] if t["auxiliaries"] == a} for a in ([], judged.split(" + ")))
    assert len(judging) >= 3 <= len(choosing)
    shown = judged.split(" + ") if verdict["verdict"] == "helps" else []
    assert [a["task"] for a in found["proposed"]] == shown
    if shown:
        assert found["final"]["gain"] == verdict["gain"]
    else:
        assert found["final"]["verdict"] is None


def test_every_strategy(ran):
    """Each in turn on what the run before has computed: they differ in what they propose, and in nothing else."""
    ranking = ran("results --json").json["primaries"]["mood"]["ranking"]
    order = [row["task"] for row in ranking]
    threshold = (ranking[0]["tau"] + ranking[1]["tau"]) / 2
    by_embedding = sorted(ranking, key=lambda row: -row["embedding"])
    proposals = {}
    ran.settings["selection.halving"] = {"budget": 4, "shortlist": 2, "seeds": 2, "finalists": 1}
    for strategy in ("trial", "threshold", "none", "all", "embedding", "fine-grained", "halving"):
        ran.settings["selection"] = {"confirm": "auto", "strategy": strategy, "keep": 0.25}
        if strategy == "threshold":
            ran.settings["selection"]["threshold"] = threshold
        ran.write()
        assert {stage for stage, _ in ran.done()} <= {"trial", "proposal", "test"}
        found = ran("results --json").json["primaries"]["mood"]
        assert sorted(found["ranking"], key=itemgetter("task")) == sorted(ranking, key=itemgetter("task"))
        proposals[strategy] = {a["task"]: a["instances"] for a in found["proposed"]}
        assert found["confirmed"] == found["proposed"]
        scored = {tuple(t["instances"].items()): t["score"] for t in found["trials"] if not t["repeat"]}
        assert found["final"]["score"] == scored[tuple(proposals[strategy].items())]
        if strategy in ("embedding", "halving"):
            tried = [list(t["auxiliaries"]) for t in found["trials"] if t["auxiliaries"]]
            assert tried[0] == [by_embedding[0]["task"]]
    assert proposals["none"] == {}
    assert proposals["all"] == dict.fromkeys(order, 36)
    assert proposals["threshold"] == {order[0]: 36}
    ((judged, verdict),) = found["verdicts"].items()
    assert [*proposals["halving"]] == (judged.split(" + ") if verdict["verdict"] == "helps" else [])
    assert proposals["trial"]
    assert proposals["fine-grained"] == dict.fromkeys(proposals["trial"], 9)
    assert list(proposals["all"]) == order
    shutil.rmtree(ran.store.root / "artifacts" / "correlate")  # as `cache gc` may
    shown = ran("results")
    assert "correlate mood is missing" in shown.err
    assert "proposed:  " in shown.out
    assert "that a threshold would keep" not in shown.out


# --- what goes wrong in training -------------------------------------------------------------------------------------


def test_a_candidate_that_cannot_be_trained_is_left_out(place):
    for row in place.rows["stars"]["train"]:
        row["label"] = 1e30 * (1 + row["label"])
    place.write()
    result = place.run()
    assert result.code == 0
    assert "tune stars: FAILED: the loss is not finite at step 1 of 18 (last batch: stars)" in result.err
    assert "warning: stars is left out: the loss is not finite" in result.err
    found = place("results --json").json
    assert set(found["tau"]["mood"]) == {"pair", "tags"}
    assert [row["task"] for row in found["primaries"]["mood"]["ranking"]] == sorted(
        ["pair", "tags"], key=lambda task: -found["tau"]["mood"][task]
    )
    assert all("stars" not in trial["auxiliaries"] for trial in found["primaries"]["mood"]["trials"])
    assert found["primaries"]["mood"]["final"]["model"]
    rows = {(row["stage"], row["subject"]): row for row in place("status", place.latest.id, "--json").json["stages"]}
    assert rows["tune", "stars"]["state"] == "failed"
    assert "the loss is not finite" in rows["tune", "stars"]["reason"]


def test_a_primary_that_cannot_be_trained_fails_the_run_after_the_others_are_done(place):
    for row in place.rows["stars"]["train"]:
        row["label"] = 1e30 * (1 + row["label"])
    place.settings["run"]["primary"] = ["stars", "mood"]
    place.write()
    result = place.run()
    assert result.code == 1
    assert result.err.splitlines()[-1] == "no result for stars: the fine-tuning failed (see above)"
    assert "Traceback" not in result.err
    found = place("results --json").json
    assert found["state"] == "failed"
    assert found["primaries"]["mood"]["final"]["model"]
    assert found["primaries"]["stars"]["final"] is None
    (row,) = place("status --json").json
    assert row["reason"] == "no result for stars: the fine-tuning failed (see above)"


def test_primaries_wait_for_nobody(place, monkeypatch):
    """One fails, which is told at once; one has its model while the strategy of another is still at work."""

    def strategy(ranking, trials, settings):
        if ranking.primary == "stars":
            raise RunError("nothing can be said")
        until, ready = time.monotonic() + 60, ranking.primary == "mood"
        while not ready:
            assert time.monotonic() < until, "it would wait for ever"
            time.sleep(0.05)
            seen = [event for _, _, event in read_events(place.latest.events)]
            told = events.Warned("stars has no result: nothing can be said") in seen
            ready = told and any(isinstance(event, events.FinalModel) for event in seen)
        return ()

    spec = StrategySpec(name="patient", load=lambda: strategy, predictor="embedding")
    monkeypatch.setitem(load_catalog().strategies, "patient", spec)
    place.settings["run"]["primary"] = ["tags", "stars", "mood"]
    place.settings["selection"]["strategy"] = "patient"
    place.write()
    result = place.run()
    assert (result.code, result.err.splitlines()[-1]) == (1, "nothing can be said")
    assert place.latest.view().finals.keys() == {"mood", "tags"}


def test_a_trial_that_fails_is_no_number(place):
    """Auxiliaries whose training is fine alone, and is not with the rate of the trials."""
    place.settings["multitask"] |= {"learning_rate": 1e30}
    place.write()
    result = place.run()
    assert result.code == 1
    assert "the final training of mood failed" in result.err.splitlines()[-1]
    found = place("results --json").json["primaries"]["mood"]
    assert [trial["score"] for trial in found["trials"]] == [None] * len(found["trials"])
    assert all("not finite" in trial["reason"] for trial in found["trials"])
    assert found["proposed"] == []
    assert not any(math.isnan(row["tau"]) for row in found["ranking"])
