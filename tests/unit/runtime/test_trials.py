"""Trials of a store as a table, and which of them tell a run something."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.errors import UsageError
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.stored_trials import add, known, of_others
from gradts_engine.runtime.trial_tables import read, table
from gradts_engine.runtime.trials import Known, data_of, protocol

NAMES = st.sampled_from(["rte", "mrpc", "cola", "a.b-c_d"])


@st.composite
def trials(draw):
    primary, *names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    rows = draw(st.sampled_from([(), tuple(f"digest-{n}" for n in sorted(names))]))
    score = draw(st.floats(-1, 1) | st.just(math.nan))
    repeat, protocol, run_seed = draw(st.integers(0, 9)), draw(st.sampled_from("pq")), draw(st.sampled_from(["", "1", "2"]))
    return Known(primary, tuple(sorted(names)), repeat, score, "accuracy", protocol, "", rows, run_seed)


@given(st.lists(trials(), unique_by=lambda t: t.identity))
def test_what_is_written_is_read(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("trials") / "trials.csv"
    path.write_text(table(made))
    if not made:
        with pytest.raises(UsageError, match="has no row below its columns"):
            read(path)
        return
    for before, after in zip(made, read(path), strict=True):
        assert after.score == pytest.approx(before.score, nan_ok=True)
        assert replace(after, score=0.0) == replace(before, score=0.0)


HEAD = "target,source,seed,score,protocol\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            ":1: no column target and no source and no seed and no score; expected a table with the columns target, source, seed",
        ),
        ("target,source,seed,score\nrte,mrpc,0,71\n", ":1: no column protocol: say with --like tasks.toml"),
        (HEAD + "rte,mrpc,0\n", ":2: fewer cells than the first row has columns"),
        (HEAD + "rte,mrpc,0,71,p,x\n", ":2: more cells than the first row has columns"),
        (HEAD + "rte,mrpc,0,71,p\nRTE!,mrpc,0,71,p\n", ":3: target: got 'RTE!', expected the name of a task"),
        (HEAD + "rte,rte + mrpc,0,71,p\n", ":2: source: got 'rte + mrpc', expected another task than the target"),
        (HEAD + "rte,mrpc + mrpc,0,71,p\n", ":2: source: got 'mrpc + mrpc', expected another task"),
        (HEAD + "rte,mrpc,first,71,p\n", ":2: seed: got 'first', expected a number"),
        (HEAD + "rte,mrpc,-1,71,p\n", ":2: seed: got '-1', expected 0 or more"),
        (HEAD + "rte,mrpc,0,high,p\n", ":2: score: got 'high', expected a number"),
        (HEAD + "rte,mrpc,0,inf,p\n", ":2: score: got 'inf', expected a score in percent"),
        (HEAD + "rte,mrpc,0,1e300,p\n", ":2: score: got '1e300', expected a score in percent"),
        (HEAD.strip() + ",run_seed\nrte,mrpc,0,50,p,1.0\n", ":2: run_seed: got '1.0', expected a whole number, or nothing"),
        (HEAD + "rte,mrpc,0,50,\n", ":2: protocol: got '', expected a digest"),
        (HEAD + "rte,mrpc,0,71,p\nrte,mrpc,0,72,p\n", ":3: rte with mrpc, seed 0: score 72.0000, but 71.0000 is known"),
        (HEAD + '"rte,mrpc,0,71,p\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_row(tmp_path, text, message):
    path = tmp_path / "trials.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "gone.csv")


def test_a_table_of_transfer_names_the_primary_alone_in_several_ways(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "target,source,seed,hyper,metric,score,protocol\n"
        + "".join(f"rte,{s},{i},x,acc,71,p\n" for i, s in enumerate(("", "none", "rte")))
    )
    assert [(t.auxiliaries, t.score, t.metric) for t in read(path)] == [((), pytest.approx(0.71), "acc")] * 3


def test_an_import_is_kept_once_and_refuses_another_score_of_the_same_trial(tmp_path):
    store, path = Store(tmp_path / ".gradts"), tmp_path / "trials.csv"
    made = [Known("rte", ("mrpc",), seed, 0.7, "accuracy", "p") for seed in range(3)]
    assert add(store, made[:2], path) == 2
    assert add(store, made, path) == 1
    assert add(store, made, path) == 0
    assert known(store) == made
    failed = [Known("rte", (), 0, math.nan, "accuracy", "p"), replace(made[0], score=math.nan)]
    assert add(store, failed, path) == 1, "what failed once says nothing against a score"
    assert add(store, [replace(failed[0], score=0.6)], path) == 1
    assert [t.score for t in known(store)] == [0.6, 0.7, 0.7, 0.7]
    with pytest.raises(UsageError, match=r"rte with mrpc, seed 2: score 80.0000, but 70.0000 is known of the same trial"):
        add(store, [replace(made[2], score=0.8)], path)
    assert known(store)[1:] == made


def test_trials_of_other_seeds_of_a_run_are_other_trials(tmp_path):
    """The first repeat of a run with seed 3 is another training than that of a run with seed 4."""
    store = Store(tmp_path / ".gradts")
    made = [Known("rte", ("mrpc",), 0, score, "accuracy", "p", run_seed=seed) for seed, score in (("3", 0.7), ("4", 0.8))]
    assert add(store, made, tmp_path / "trials.csv") == 2
    assert known(store) == made


def test_a_failed_training_in_a_file_says_nothing_against_a_score(tmp_path):
    path = tmp_path / "trials.csv"
    for scores in (("71", "nan"), ("nan", "71")):
        path.write_text(HEAD + "".join(f"rte,mrpc,0,{score},p\n" for score in scores))
        assert [t.score for t in read(path)] == [pytest.approx(0.71)]


def test_only_trials_of_the_same_rows_and_metric_are_compared():
    def known_of(primary, metric="accuracy", data="D1", score=0.7):
        return Known(primary, ("mrpc",), 0, score, metric, "p", data)

    facts = of_facts({"rte": "f1 of yes"})
    digest = data_of(facts, "rte")
    protocol_ = protocol(facts)
    trials = [
        known_of("rte", "f1 of yes", digest, 0.1),
        known_of("rte", "f1 of no", digest, 0.2),
        known_of("rte", "accuracy", digest, 0.3),
        known_of("rte", "f1", digest, 0.35),  # as an earlier version wrote it
        known_of("rte", "", digest, 0.4),
        *(known_of("cola", "mcc", "D1", score) for score in (0.5, 0.51)),
        known_of("cola", "accuracy", "D1", 0.6),
        known_of("cola", "mcc", "D2", 0.7),
    ]
    found = of_others([replace(t, protocol=protocol_, run_seed=str(i)) for i, t in enumerate(trials)], facts, "")
    assert [t.score for t in found] == [0.1, 0.35, 0.4, 0.5, 0.51]
    assert [t.run_seed for t in found] == ["0", "3", "4", "5", "6"]


def of_facts(metrics):
    """Facts of tasks by what they are judged by."""
    tasks = {
        name: TaskFacts("classification", metric, {"train": 9, "dev": 9}, {"train": f"{name} t", "dev": f"{name} d"})
        for name, metric in metrics.items()
    }
    sections = TrainingSettings(), MultitaskSettings(), ScoringSettings()
    return Facts(1, 128, *sections, encoder="e", encoder_version=1, tasks=tasks)
