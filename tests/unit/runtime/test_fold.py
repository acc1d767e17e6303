"""What a run's events add up to, and what unreadable records do to it: nothing."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine import events
from gradts_engine.events import from_record
from gradts_engine.runtime import view as view_module
from gradts_engine.runtime.journal import SCHEMA, read_events
from gradts_engine.runtime.view import POINTS, RunView, apply, fold

STARTED = events.RunStarted("r", "/tasks.toml", "tiny", ("a", "b"), ("a",), ("cpu",), {}, {})
STAGES = [("tune", "a"), ("tune", "b"), ("trial", "a + b")]

stage = st.sampled_from(STAGES)
happening = st.one_of(
    stage.map(lambda s: events.StageStarted(*s, key="k")),
    st.builds(
        lambda s, done, more, loss: events.StageProgress(*s, done, done + more, loss),
        stage,
        st.integers(0, 500),
        st.integers(0, 500),
        st.none() | st.integers(0, 8).map(float),
    ),
    st.builds(
        lambda s, epoch, score: events.EpochScored(*s, epoch, "accuracy", score), stage, st.integers(1, 4), st.floats(0, 1)
    ),
    stage.map(lambda s: events.StageFinished(*s, key="k", seconds=1.0, cached=False)),
    st.just(STARTED),
    st.sampled_from([events.RunEnded("done"), events.RunPaused(), events.RunResumed()]),
)
history = st.lists(happening, max_size=60).map(lambda found: [(float(i), e) for i, e in enumerate(found, start=1)])


def one_by_one(timed) -> RunView:
    """The same without gathering progress."""
    view = RunView()
    for when, event in timed:
        view = replace(apply(view, event, when), first=view.first or when, last=when)
    return view


@given(history, st.data())
def test_it_does_not_matter_how_often_one_looks(timed, data):
    cut = data.draw(st.integers(0, len(timed)))
    before = fold(timed[:cut])
    kept = repr(before)
    assert fold(timed[cut:], before) == fold(timed) == one_by_one(timed)
    assert repr(before) == kept  # a view that was handed out never changes


def test_loss_curve_rate_and_remaining_time():
    steps = [(100.0 + i, events.StageProgress("tune", "a", i, 1000, 2.0 if i <= 500 else 1.0)) for i in range(1, 601)]
    stage = fold([(100.0, events.StageStarted("tune", "a", "k")), *steps]).stage("tune", "a")
    curve = stage.losses()
    assert len(curve) <= POINTS
    assert (curve[0][1], curve[-1][1]) == (2.0, 1.0)
    assert 0 < curve[0][0] < curve[-1][0] < 605
    assert stage.rate() == 1.0
    assert (stage.began, stage.remaining(700.0), stage.remaining(750.0), stage.remaining(9999.0)) == (100.0, 400.0, 350.0, 0.0)


def test_a_pause_is_not_the_time_of_what_it_held():
    begun = [(100.0, events.StageStarted("tune", "a", "k"))]
    steps = [(100.0 + i, events.StageProgress("tune", "a", i, 100)) for i in range(1, 11)]
    paused = fold([*begun, *steps, (110.0, events.RunPaused())])
    assert (paused.clock(105.0), paused.clock(5000.0)) == (105.0, 110.0)
    assert paused.stage("tune", "a").remaining(paused.clock(5000.0)) == 90.0
    later = fold([(5110.0, events.RunResumed()), (5111.0, events.StageProgress("tune", "a", 11, 100))], paused)
    stage, now = later.stage("tune", "a"), later.clock(5111.0)
    assert (now - stage.began, stage.rate(), stage.remaining(now)) == (11.0, 1.0, 89.0)


def test_no_rate_before_there_is_one():
    stage = fold([(1.0, events.StageProgress("score", "a", 5, 10))]).stage("score", "a")
    assert (stage.rate(), stage.remaining(2.0), stage.losses()) == (None, None, [])


def test_an_epoch_that_is_scored_again_replaces_what_came_after():
    scores = [(1, 0.5), (2, 0.6), (3, 0.7), (2, 0.65)]
    view = fold((1.0, events.EpochScored("tune", "a", epoch, "accuracy", score)) for epoch, score in scores)
    assert view.stage("tune", "a").epochs == (0.5, 0.65)


@given(history, st.integers(1, 5))
def test_it_does_not_matter_how_much_progress_is_taken_together(timed, together):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view_module, "TOGETHER", together)
        assert fold(timed) == one_by_one(timed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.just("event"), inner, max_size=3),
)


@given(json_values)
def test_other_records_are_passed_over(record):
    assert from_record(record) is None


@pytest.mark.parametrize(
    "torn",
    [
        "",
        "{",
        '{"event": "StageProgress"',
        "[" * 100_000,
        '{"event": ["StageProgress"]}',
        '{"event": "Warned"}',
        "{} {}",
        "NaN",
        "7",
    ],
)
def test_torn_records_are_passed_over(torn, tmp_path):
    good = json.dumps(events.Warned("heard").as_record())
    with closing(sqlite3.connect(tmp_path / "events.db")) as database:
        database.executescript(SCHEMA)
        rows = [(1.0, good), (2.0, torn), (3.0, json.dumps({"event": "OfTomorrow", "x": 1})), (4.0, good)]
        database.executemany("INSERT INTO event (time, record) VALUES (?, ?)", rows)
        database.commit()
    assert [(seq, when, event) for seq, when, event in read_events(tmp_path / "events.db")] == [
        (1, 1.0, events.Warned("heard")),
        (4, 4.0, events.Warned("heard")),
    ]


def test_every_event_comes_back_from_its_record():
    seen = [
        STARTED,
        events.StageProgress("tune", "a", 1, 2, 0.5),
        events.Proposed("a", "d", {"b": 3}),
        events.RunEnded("failed", "x"),
    ]
    for event in seen:
        assert from_record(json.loads(json.dumps(event.as_record()))) == event
