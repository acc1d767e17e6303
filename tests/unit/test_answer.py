"""The answer for a primary in words: what is proposed, how sure that is, and what it would take to know more."""

from dataclasses import replace

import pytest

from gradts_engine import events, tables
from gradts_engine.report import compare, results_of
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import fold
from gradts_tui.screens.page import plain

SETTINGS = {"multitask": {"length": "steps"}, "selection": {"strategy": "halving"}, "scoring": {"head_axis": "output"}}
BEGUN = [
    events.RunStarted("r", "tasks.toml", "e", ("a", "b", "c"), ("a",), ("cpu",), SETTINGS, {}),
    events.TaskRead("a", "classification", "accuracy", {"train": 100, "dev": 400}, {}, judged_by="accuracy"),
    events.TrialScored("a", {}, 0.8, "k0"),
    events.TrialScored("a", {"b": 50}, 0.83, "k1"),
    events.StageStarted("trial", "a + b", "k1", events.About("a", (("b", None),))),
    events.StageFinished("trial", "a + b", "k1", 100.0, False, events.About("a", (("b", None),))),
]


def judged(verdict: str, gain: float, low: float, high: float, more: int | None = 0, name: str = "b") -> events.Judged:
    return events.Judged("a", {name: 50}, verdict, gain, low, high, 3, 200, more)


def answer(tmp_path, *told: events.Event) -> str:
    view = fold((float(i), event) for i, event in enumerate([*BEGUN, *told]))
    return results_of(Store(tmp_path), view, "r", "done").primaries["a"].answer


def chosen(*names: str) -> list[events.Event]:
    counts = dict.fromkeys(names, 50)
    return [events.Proposed("a", "d", counts), events.Confirmed("a", "d", counts, "policy")]


def test_before_anything_is_known(tmp_path):
    assert answer(tmp_path) == "No answer for a yet: the run has not come so far."


def test_what_helps(tmp_path):
    said = answer(tmp_path, judged("helps", 0.023, 0.004, 0.042), *chosen("b"), events.FinalModel("a", 0.83, "m", 0.82, 0.8))
    assert said == (
        "Train a with b (50 instances). That helps: +2.3 points (95%: +0.4 to +4.2) on 3 fresh seeds and 200 dev rows. "
        "Dev accuracy 0.8300, +0.0300 against a alone; test 0.8200, +0.0200."
    )


def test_none_with_what_it_would_take_to_know(tmp_path):
    """24 trainings of 100 seconds on one device: 12 with the auxiliary, 12 alone."""
    said = answer(
        tmp_path, judged("undecided", 0.012, -0.009, 0.033, 12), judged("hurts", -0.05, -0.08, -0.02, name="c"), *chosen()
    )
    assert said == (
        "Train a alone: no candidate is shown to help. b: +1.2 points (95%: -0.9 to +3.3); 12 more seeds, about 40m 00s, would "
        "tell if the gain stays as it is."
    )


def test_no_number_of_seeds(tmp_path):
    said = answer(tmp_path, judged("undecided", 0.012, -0.009, 0.033, None), *chosen("b"))
    assert (
        "Whether that helps is undecided: +1.2 points (95%: -0.9 to +3.3); no number of seeds would tell on 200 dev rows." in said
    )


@pytest.mark.parametrize(("how", "words"), [("fresh", "measured on fresh seeds"), ("shrunk", "shrunk")])
def test_the_best_of_several(tmp_path, how, words):
    best = events.Expected("a", {"b": 50}, 0.81, 0.01, 7, how)
    said = answer(tmp_path, best, *chosen("b"), events.FinalModel("a", 0.83, "m"))
    assert (
        f"Dev accuracy 0.8300, +0.0300 against a alone, expected to be 0.8100 (+0.0100) on new seeds: one of 7 tried, {words}."
        in said
    )
    other = answer(tmp_path, best, *chosen("c"), events.FinalModel("a", 0.83, "m"))
    assert "expected" not in other  # a person took something else


def test_few_rows_are_said(tmp_path):
    said = answer(tmp_path, replace(judged("neutral", 0.001, -0.008, 0.009), rows=40), *chosen())
    assert "Only 40 dev rows judged: small gains cannot be seen on so few." in said


def test_runs_of_other_primaries_have_settings_in_common_and_no_scores(tmp_path):
    other = replace(BEGUN[0], primaries=("b",))
    found = compare(*(results_of(Store(tmp_path), fold([(1.0, begun)]), "r", "done") for begun in (BEGUN[0], other)))
    assert [(pair.name, pair.first, pair.second) for pair in found.settings] == [("primary", "a", "b")]
    assert "they have no primary in common" in plain(tables.comparison(found))


def test_trials_of_the_same_tasks_with_other_rows_are_no_other_seeds_of_one(tmp_path):
    told = [
        judged("undecided", 0.0, -0.1, 0.1),
        events.TrialScored("a", {"c": 150}, 0.5, "k2"),
        events.TrialScored("a", {"c": 150}, 0.6, "k3", repeat=1),
        events.TrialScored("a", {"c": 75}, 0.52, "k4"),
    ]
    found = results_of(Store(tmp_path), fold((float(i), event) for i, event in enumerate([*BEGUN, *told])), "r", "done")
    assert found.primaries["a"].unjudged == {
        "c, 75 rows": "not a finalist: dev 0.5200 on 1 seed",
        "c, 150 rows": "not a finalist: dev 0.5500 on 2 seeds",
    }


def test_files_of_a_run_are_where_its_store_is_now(tmp_path):
    old = "/old/.gradts/runs/r"
    told = [*chosen("b"), events.FinalModel("a", 0.8, f"{old}/models/a", predictions=f"{old}/predictions/a")]
    view = fold((float(i), event) for i, event in enumerate([*BEGUN, *told]))
    gone = results_of(Store(tmp_path), view, "r", "done").primaries["a"].final
    assert (gone.model, gone.predictions) == (f"{old}/models/a", f"{old}/predictions/a")
    for name in ("models/a", "predictions/a"):
        (tmp_path / "runs" / "r" / name).mkdir(parents=True)
    final = results_of(Store(tmp_path), view, "r", "done").primaries["a"].final
    assert (final.model, final.predictions) == (f"{tmp_path}/runs/r/models/a", f"{tmp_path}/runs/r/predictions/a")


def test_other_metrics_and_other_rows_are_no_secret_between_two_runs(tmp_path):
    """They make another run; a score of one metric is not to be read beside that of another."""

    def results(metric: str, dev: int, digest: str):
        told = [*BEGUN]
        told[1] = events.TaskRead(
            "a", "classification", metric, {"train": 9, "dev": dev}, {}, digests={"dev": digest, "train": "t"}
        )
        return results_of(Store(tmp_path), fold((float(i), event) for i, event in enumerate(told)), "r", "done")

    def differing(*of):
        return {pair.name: (pair.first, pair.second) for pair in compare(results("accuracy", 400, "d1"), results(*of)).settings}

    assert differing("accuracy", 400, "d1") == {}
    assert differing("mcc", 400, "d1") == {"metric of a": ("accuracy", "mcc")}
    assert differing("accuracy", 40, "d1") == {"dev rows of a": ("400 (d1)", "40 (d1)")}
    assert differing("accuracy", 400, "d2") == {"dev rows of a": ("400 (d1)", "400 (d2)")}
    shown = plain(tables.comparison(compare(results("accuracy", 400, "d1"), results("mcc", 400, "d1"))))
    assert "a (A: accuracy, B: mcc, not to be compared)" in shown


def test_candidates_that_tie_are_in_the_order_in_which_they_are_tried(tmp_path):
    begun = replace(BEGUN[0], tasks=("a", "z", "c", "m"))
    said = events.Predicted("a", "p", {"p": {"c": [0.5], "m": [0.7], "z": [0.5]}})
    found = results_of(Store(tmp_path), fold((float(i), event) for i, event in enumerate([begun, BEGUN[1], said])), "r", "done")
    assert [row.task for row in found.primaries["a"].ranking] == ["m", "z", "c"]
