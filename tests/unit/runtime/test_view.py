import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine import events
from gradts_engine.events import Event, from_record
from gradts_engine.report.history import history
from gradts_engine.runtime.view import RunView, fold

TASKS = st.sampled_from(["a", "b", "c"])
STAGES = st.sampled_from(["tune", "score", "trial"])
TEXTS = st.sampled_from(["", "x", "y"])
COUNTS = st.integers(0, 3)
SCORES = st.sampled_from([0.0, 0.5, 1.0])
AUXILIARIES = st.dictionaries(TASKS, COUNTS, max_size=2)

EVENTS = st.one_of(
    st.builds(
        events.RunStarted, TEXTS, TEXTS, TEXTS, st.just(("a", "b")), st.just(("a",)), st.just(("cpu",)), st.just({}), st.just({})
    ),
    st.builds(events.TaskRead, TASKS, TEXTS, TEXTS, st.just({"train": 3}), st.just({})),
    st.builds(events.Tokenised, TASKS, TEXTS, COUNTS, COUNTS),
    st.builds(events.StageStarted, STAGES, TASKS, TEXTS),
    st.builds(events.StageProgress, STAGES, TASKS, COUNTS, COUNTS, SCORES),
    st.builds(events.EpochScored, STAGES, TASKS, COUNTS, TEXTS, SCORES),
    st.builds(events.StageFinished, STAGES, TASKS, TEXTS, SCORES, st.booleans()),
    st.builds(events.StageFailed, STAGES, TASKS, TEXTS),
    st.builds(events.TrialScored, TASKS, AUXILIARIES, SCORES, TEXTS),
    st.builds(events.Predicted, TASKS, TEXTS, st.just({"tau": {"b": (0.5, 0.25)}})),
    st.builds(events.Judged, TASKS, AUXILIARIES, TEXTS, SCORES, SCORES, SCORES, COUNTS, COUNTS, st.none() | COUNTS),
    st.builds(events.Proposed, TASKS, TEXTS, AUXILIARIES),
    st.builds(events.Confirmed, TASKS, TEXTS, AUXILIARIES, TEXTS, st.none() | SCORES, st.none() | SCORES),
    st.builds(events.StageResumed, STAGES, TASKS, COUNTS, COUNTS),
    st.builds(events.RunPaused),
    st.builds(events.RunResumed),
    st.builds(events.CommandAnswered, TEXTS, TEXTS, st.booleans(), TEXTS),
    st.builds(events.FinalModel, TASKS, SCORES, TEXTS),
    st.builds(events.Warned, TEXTS),
    st.builds(events.RunEnded, TEXTS),
)
TIMED = st.lists(EVENTS, max_size=25).map(lambda found: [(1000.0 + i, event) for i, event in enumerate(found)])
START = events.RunStarted("r", "/tasks.toml", "e", ("a", "b"), ("a",), ("cpu",), {}, {})


def view(*happened: Event) -> RunView:
    return fold((1000.0 + i, event) for i, event in enumerate(happened))


# --- the fold --------------------------------------------------------------------------------------------------------


@given(TIMED, st.data())
def test_a_reader_that_reads_on_sees_what_one_sees_who_reads_all(timed, data):
    cut = data.draw(st.integers(0, len(timed)))
    assert fold(timed) == fold(timed[cut:], fold(timed[:cut]))
    one_by_one = RunView()
    for item in timed:
        one_by_one = fold([item], one_by_one)
    assert one_by_one == fold(timed)


@given(TIMED, EVENTS)
def test_a_view_never_changes(timed, event):
    before = fold(timed)
    fold([(2000.0, event)], before)
    assert before == fold(timed)


@given(TIMED)
def test_events_that_were_stored_mean_the_same(timed):
    stored = [(when, from_record(json.loads(json.dumps(event.as_record())))) for when, event in timed]
    again, first = fold(stored), fold(timed)
    assert (again.stages, again.trials, again.finals, again.state) == (first.stages, first.trials, first.finals, first.state)
    assert (again.confirmations, again.proposals, again.answers) == (first.confirmations, first.proposals, first.answers)
    assert (again.predicted, again.verdicts) == (first.predicted, first.verdicts)


@given(TIMED.filter(bool))
def test_first_and_last_time(timed):
    assert (fold(timed).first, fold(timed).last) == (timed[0][0], timed[-1][0])


def test_what_a_stage_took_is_known_where_it_is_found():
    """As it was stored, or, by an earlier version that stored nothing, as this run has seen it."""
    done = events.StageFinished("tune", "a", "k", 7.0, False)
    for before, stored, seconds in (([], 5.0, 5.0), ([], 0.0, 0.0), ([done], 5.0, 5.0), ([done], 0.0, 7.0)):
        found = events.StageFinished("tune", "a", "k", stored, True)
        assert fold([(1.0, event) for event in (*before, found)]).stage("tune", "a").seconds == seconds


def test_every_event_is_known_here():
    """An event that leaves the view as it is has been forgotten in `apply`, but for one that the log alone tells."""
    samples = [
        START,
        events.TaskRead("a", "classification", "accuracy", {}, {}),
        events.Tokenised("a", "train", 3, 1),
        events.StageStarted("tune", "a", "k"),
        events.StageProgress("tune", "a", 1, 2),
        events.EpochScored("tune", "a", 1, "accuracy", 0.5),
        events.StageFinished("tune", "a", "k", 1.0, False),
        events.StageFailed("tune", "a", "why"),
        events.Planned({"tune": 2}, {"tune": (1.0, 3.0)}),
        events.TrialScored("a", {}, 0.5, "k"),
        events.Predicted("a", "tau", {"tau": {"b": (0.5,)}}),
        events.Judged("a", {"b": 3}, "helps", 0.1, 0.05, 0.15, 3, 100),
        events.Expected("a", {"b": 3}, 0.5, 0.1, 4, "shrunk"),
        events.Proposed("a", "d", {}),
        events.Confirmed("a", "d", {}, "person"),
        events.CommandAnswered("confirm", "id", True, ""),
        events.StageResumed("tune", "a", 3, 10),
        events.RunPaused(),
        events.RunResumed(),
        events.FinalModel("a", 0.5, "/model"),
        events.Freed(2, 100),
        events.Warned("oh"),
        events.RunEnded("done"),
    ]
    assert {type(event) for event in samples} == set(Event.__subclasses__())
    for event in samples:
        assert (fold([(0.0, event)]) == RunView()) == isinstance(event, events.Freed), event


# --- what it says ----------------------------------------------------------------------------------------------------


def facts(seen):
    """All of a stage but its times and its curve."""
    stage = seen.stage("tune", "a")
    return stage.state, stage.key, stage.done, stage.total, stage.loss, stage.seconds, stage.reason, stage.epochs


def test_a_stage_from_start_to_end():
    happened = [
        events.StageStarted("tune", "a", "k"),
        events.StageProgress("tune", "a", 3, 10, 0.7),
        events.EpochScored("tune", "a", 1, "accuracy", 0.5),
        events.EpochScored("tune", "a", 2, "accuracy", 0.75),
        events.StageFinished("tune", "a", "k", 2.5, False),
    ]
    assert facts(view(*happened[:1])) == ("running", "k", 0, 0, None, 0.0, "", ())
    assert facts(view(*happened[:2])) == ("running", "k", 3, 10, 0.7, 0.0, "", ())
    assert facts(view(*happened)) == ("done", "k", 3, 10, 0.7, 2.5, "", (0.5, 0.75))
    again = view(*happened, events.StageStarted("tune", "a", "k2"))
    assert facts(again) == ("running", "k2", 0, 0, None, 0.0, "", ())
    assert view(events.StageFinished("tune", "a", "k", 0.0, True)).stage("tune", "a").state == "cached"


def test_a_stage_that_failed_is_told_until_the_next_start():
    failed = events.StageFailed("tune", "b", "the loss is not finite")
    assert view(START, failed).stage("tune", "b").state == "failed"
    assert view(START, failed).failures == {("tune", "b"): "the loss is not finite"}
    assert view(START, failed, START).failures == {}


def test_a_trial_scored_again_keeps_its_place():
    alone, with_b, with_c = ({}, {"b": 3}, {"c": 2})
    scored = [events.TrialScored("a", auxiliaries, 0.5, "k") for auxiliaries in (alone, with_b, with_c)]
    again = events.TrialScored("a", with_b, 0.75, "k2")
    other = events.TrialScored("x", with_b, 0.25, "k3")
    found = view(*scored, again, other)
    assert found.trials["a"] == (scored[0], again, scored[2])
    assert found.trials["x"] == (other,)
    cut = events.TrialScored("a", {"b": 2}, 0.5, "k4")  # other instances are another trial
    assert view(*scored, cut).trials["a"] == (*scored, cut)


@pytest.mark.parametrize(
    ("happened", "decided"),
    [
        ([], False),
        ([events.Proposed("a", "d1", {"b": 3})], False),
        ([events.Confirmed("a", "d1", {"b": 3}, "person")], False),
        ([events.Proposed("a", "d1", {"b": 3}), events.Confirmed("a", "d1", {}, "person")], True),
        ([events.Proposed("a", "d1", {"b": 3}), events.Confirmed("a", "d0", {"b": 3}, "person")], False),
        ([events.Proposed("a", "d1", {"b": 3}), events.Confirmed("x", "d1", {"b": 3}, "person")], False),
        # a proposal that changed has to be confirmed again; one that came back has been
        ([events.Proposed("a", "d1", {}), events.Confirmed("a", "d1", {}, "person"), events.Proposed("a", "d2", {})], False),
        ([events.Proposed("a", "d1", {}), events.Confirmed("a", "d1", {}, "person"), START], False),
        ([events.Confirmed("a", "d1", {}, "person"), START, events.Proposed("a", "d1", {})], True),
    ],
)
def test_a_decision_is_about_the_present_proposal(happened, decided):
    decision = view(START, *happened).confirmed("a")
    assert (decision is not None) == decided
    if decision:
        assert (decision.primary, decision.digest) == ("a", "d1")


def test_a_new_start_forgets_what_has_to_be_said_again_and_keeps_the_rest():
    happened = [
        START,
        events.StageFinished("tune", "a", "k", 1.0, False),
        events.TrialScored("a", {}, 0.5, "k"),
        events.Proposed("a", "d", {}),
        events.Confirmed("a", "d", {}, "person"),
        events.FinalModel("a", 0.5, "/model"),
        events.Warned("oh"),
        events.RunEnded("failed", "why"),
    ]
    ended = view(*happened)
    assert (ended.state, ended.reason, ended.warnings) == ("failed", "why", ("oh",))
    again = view(*happened, START)
    assert (again.state, again.reason, again.warnings) == ("running", "", ())
    assert (again.proposals, again.finals) == ({}, {})
    assert again.trials == ended.trials
    assert again.confirmations == ended.confirmations
    assert again.stages == ended.stages


def test_what_a_run_has_computed_stays_so_when_it_goes_on_and_finds_it():
    about = events.About("a", (("b", None),))
    first = [events.StageStarted("trial", "a + b", "k", about), events.StageFinished("trial", "a + b", "k", 12.0, False, about)]
    again = [events.RunEnded("waiting"), events.StageFinished("trial", "a + b", "k", 12.0, True, about)]
    other = events.StageFinished("tune", "a", "t", 5.0, True)
    (trial, tune) = history(fold((float(i), event) for i, event in enumerate([*first, *again, other]))).spent
    assert (trial.stage, trial.computed, trial.seconds, trial.found) == ("trial", 1, 12.0, 0)
    assert (tune.stage, tune.computed, tune.seconds, tune.found) == ("tune", 0, 0, 1)
