"""What was computed is found again as long as nothing that it depends on has changed, and only then."""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gradts_engine.config.schema import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.hooks.catalog import load_catalog

TASKS = ("mood", "pair", "stars", "tags")
CORRELATED = {("correlate", "mood"), ("reliability", "mood")}
SCORED = {*(("tune", task) for task in TASKS), *(("score", task) for task in TASKS), *CORRELATED}
EMBEDDED = {("embed", task) for task in TASKS}
ALL = "mood + pair + stars + tags"
FINAL = {("trial", "mood"), ("trial", ALL), ("test", "mood"), ("test", ALL)}
PROPOSAL = {("proposal", "mood")}


@pytest.fixture
def everything(ran):
    """`ran`, with strategy "all", of which it is known what it trains."""
    ran.settings["selection"]["strategy"] = "all"
    ran.write()
    ran.done()
    return ran


# --- nothing has changed ---------------------------------------------------------------------------------------------


def test_a_second_run_computes_nothing(ran):
    before = ran("results --json").json
    assert ran.done() == set()
    after = ran("results --json").json
    paths = ("model", "predictions")  # `ran` is a copy
    before["primaries"]["mood"]["final"] |= {name: after["primaries"]["mood"]["final"][name] for name in paths}
    before |= {name: after[name] for name in ("size", "spent")}  # there are more events, and nothing was computed
    assert after == before
    news = ran.latest.view()
    assert {stage.state for stage in news.stages.values() if stage.name in ("embed", "score", "correlate")} == {"cached"}


def test_nothing_left_to_do_needs_no_transformers(ran):
    """Importing it, and what computes scores, takes longer than all the rest."""
    assert "transformers" in sys.modules, "the encoder of a new run is checked"
    code = f"""
import sys
from gradts_engine.__main__ import main
assert main(["run", {str(ran.config)!r}, "--plain"]) == 0
print({{"transformers", "sklearn", "scipy.stats"}} & {{*sys.modules}})
"""
    again = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert again.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), None])
def test_a_final_model_is_written_again_only_where_it_is_not_whole(ran, damage):
    file = ran.latest.models / "mood" / "model.safetensors"
    before, weights = file.stat().st_ino, file.read_bytes()
    if damage:
        damage(file)
    assert ran.run().code == 0
    assert file.read_bytes() == weights
    assert (file.stat().st_ino == before) == (damage is None)


def test_comments_the_order_of_keys_and_places_do_not_matter(ran, folder):
    for name, table in ran.settings.items():
        ran.settings[name] = dict(reversed(table.items()))
    ran.write()
    text = ran.config.read_text()
    encoder = folder / "somewhere" / "else"
    shutil.copytree(ran.settings["run"]["encoder"], encoder)
    (ran.folder / "data").rename(ran.folder / "moved")
    text = text.replace('"data/', '"moved/').replace(ran.settings["run"]["encoder"], str(encoder))
    ran.config.write_text(f"# nothing\n\n{text}  # to see\n")
    ran.folder.rename(folder / "another place")
    ran.folder = folder / "another place"
    assert ran.done() == set()
    assert len(ran.store.runs()) == 1


def test_what_a_trial_took_is_known_where_it_is_found(ran):
    """Also by a run of other settings, which has not computed it."""
    before = {tuple(t["auxiliaries"]): t["seconds"] for t in ran("results --json").json["primaries"]["mood"]["trials"]}
    assert all(seconds > 0 for seconds in before.values())
    ran.settings["selection"] = {"confirm": "auto", "strategy": "trial", "predictors": ["embedding"], "keep": 0.25}
    ran.write()
    assert ran.done() == PROPOSAL
    assert len(ran.store.runs()) == 2
    after = {tuple(t["auxiliaries"]): t["seconds"] for t in ran("results --json").json["primaries"]["mood"]["trials"]}
    assert after == before


def test_versions_of_predictors_and_strategies_are_part_of_a_proposal(ran, monkeypatch):
    """Of those alone that it depends on; what was computed for it is found."""
    catalog = load_catalog()
    for registry, name, computed in (
        (catalog.predictors, "tau", PROPOSAL),
        (catalog.predictors, "probe", set()),  # is not chosen
        (catalog.strategies, "trial", PROPOSAL),
        (catalog.strategies, "threshold", set()),
    ):
        monkeypatch.setitem(registry, name, replace(registry[name], version=2))
        assert ran.done() == computed, name
    assert len(ran.store.runs()) == 1


def test_another_order_of_tasks_computes_no_training_again(ran):
    """Order is a tie-breaker between candidates and nothing else."""
    last = ran.settings.pop("tasks.pair")
    ran.settings["tasks.pair"] = last
    ran.write()
    assert ran.done() <= {*CORRELATED, *PROPOSAL}


# --- a setting has changed -------------------------------------------------------------------------------------------

CHANGES = {
    "run.seed": (4, {*SCORED, *PROPOSAL, *FINAL}),
    "data.max_length": (16, {*EMBEDDED, *SCORED, *PROPOSAL, *FINAL}),
    "training.epochs": (1, {*SCORED, *PROPOSAL}),
    "training.batch_size": (8, {*SCORED, *PROPOSAL}),
    "training.accumulation": (2, {*SCORED, *PROPOSAL}),
    "training.optimizer": ("adamax", {*SCORED, *PROPOSAL}),
    "training.learning_rate": (0.001, {*SCORED, *PROPOSAL}),
    "training.weight_decay": (0.5, {*SCORED, *PROPOSAL}),
    "training.warmup": (0.5, {*SCORED, *PROPOSAL}),
    "training.max_grad_norm": (0.01, {*SCORED, *PROPOSAL}),
    "training.dropout": (0.5, {*SCORED, *PROPOSAL}),
    "training.precision": ("bf16", {*SCORED, *PROPOSAL}),
    "training.seeds": (
        2,
        {(stage, f"{subject}, repeat 1") for stage, subject in SCORED if stage in ("tune", "score")} | {("reliability", "mood")},
    ),
    "multitask.epochs": (3, FINAL),
    "multitask.steps": (8, FINAL),
    "multitask.length": ("epochs", FINAL),
    "multitask.auxiliary_ratio": (0.5, FINAL),
    "multitask.learning_rate": (0.001, FINAL),
    "multitask.batch_size": (8, FINAL),
    "multitask.accumulation": (2, FINAL),
    "multitask.optimizer": ("adamax", FINAL),
    "multitask.weight_decay": (0.5, FINAL),
    "multitask.warmup": (0.5, FINAL),
    "multitask.max_grad_norm": (0.01, FINAL),
    "multitask.dropout": (0.5, FINAL),
    "multitask.precision": ("bf16", FINAL),
    "multitask.seeds": (3, set()),  # for strategies to use
    "scoring.precision": ("bf16", {*(k for k in SCORED if k[0] != "tune"), *PROPOSAL}),
    "scoring.head_axis": ("input", {*(k for k in SCORED if k[0] != "tune"), *PROPOSAL}),
    "scoring.projections": (["query"], {*(k for k in SCORED if k[0] != "tune"), *PROPOSAL}),
    "scoring.stop": ("settled", {*(k for k in SCORED if k[0] != "tune"), *PROPOSAL}),
    "scoring.batch_tokens": (100, set()),
    "selection.keep": (0.25, PROPOSAL),
    "selection.threshold": (0.5, PROPOSAL),
    "selection.confirm": ("ask", set()),
    "run.devices": (["auto"], set()),
    "tasks.stars.metric": (
        "spearman",
        {("tune", "stars"), ("score", "stars"), *CORRELATED, *PROPOSAL},
    ),
}


def test_the_table_has_every_setting_of_what_is_computed():
    sections = {"training": TrainingSettings, "multitask": MultitaskSettings, "scoring": ScoringSettings}
    settings = {f"{section}.{name}" for section, kind in sections.items() for name in kind.model_fields}
    assert settings <= CHANGES.keys()


@pytest.mark.torture
def test_a_change_computes_what_depends_on_it_and_nothing_else(everything):
    """The cases share what is stored, as the runs of a user do; each differs from the first run in its own setting."""
    original = json.dumps(everything.settings)
    for setting, (value, expected) in CHANGES.items():
        everything.settings = json.loads(original)
        table, _, key = setting.rpartition(".")
        everything.settings[table][key] = value
        everything.write()
        assert everything.done("--yes") == expected, setting
    everything.settings = json.loads(original)
    everything.write()
    assert everything.done() == set()


def test_a_list_of_projections_is_a_set(everything):
    everything.settings["scoring"]["projections"] = ["value", "key"]
    everything.write()
    assert everything.done() == set()


def of_task(task: str) -> set[tuple[str, str]]:
    return {("embed", task), ("tune", task), ("score", task)}


@pytest.mark.parametrize(
    ("task", "split", "expected"),
    [
        ("mood", "test", {("test", "mood"), ("test", ALL)}),
        ("stars", "test", set()),
        ("stars", "dev", {("tune", "stars"), ("score", "stars"), *CORRELATED, *PROPOSAL}),
        ("stars", "train", {*of_task("stars"), *CORRELATED, *PROPOSAL, ("trial", ALL), ("test", ALL)}),
        ("mood", "dev", {("tune", "mood"), ("score", "mood"), *CORRELATED, *PROPOSAL, *FINAL}),
        ("mood", "train", {*of_task("mood"), *CORRELATED, *PROPOSAL, *FINAL}),
    ],
)
def test_a_changed_row_computes_what_sees_it(everything, task, split, expected):
    everything.rows[task][split][0]["text"] += " tomato"
    everything.write()
    assert everything.done() == expected


def test_a_changed_encoder_computes_everything(everything, folder):
    encoder = folder / "other"
    shutil.copytree(everything.settings["run"]["encoder"], encoder)
    weights = encoder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    everything.settings["run"]["encoder"] = str(encoder)
    everything.write()
    assert everything.done() == {*EMBEDDED, *SCORED, *PROPOSAL, *FINAL}


def test_a_new_candidate_costs_its_own_stages_and_new_trials(ran):
    before = ran("results --json").json
    ran.settings["tasks.more"] = {"type": "regression", "train": "data/more.train.jsonl", "dev_fraction": 0.25}
    rng = random.Random(1)
    rows = [dict(row, label=row["label"] + rng.random()) for row in ran.rows["stars"]["train"]]
    ran.rows["more"] = {"train": rows}
    ran.write()
    computed = ran.done()
    assert {key for key in computed if key[0] not in ("trial", "test")} == {
        *of_task("more"),
        *CORRELATED,
        *PROPOSAL,
    }
    after = ran("results --json").json
    tried = {frozenset(t["auxiliaries"]) for t in before["primaries"]["mood"]["trials"]}
    new = {frozenset(t["auxiliaries"]) for t in after["primaries"]["mood"]["trials"]} - tried
    assert {frozenset(subject.split(" + ")[1:]) for stage, subject in computed if stage == "trial"} == new
    assert {a: tau for a, tau in after["tau"]["mood"].items() if a != "more"} == before["tau"]["mood"]
    ran.settings["selection"]["strategy"] = "all"
    ran.write()
    of_all = "mood + more + pair + stars + tags"
    assert ran.done() - PROPOSAL == {("trial", of_all), ("test", of_all)} - computed
    ran.settings["selection"]["strategy"] = "trial"
    # and dropping it again costs nothing
    del ran.settings["tasks.more"], ran.rows["more"]
    ran.write()
    assert ran.done() == set()
