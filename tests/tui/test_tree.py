"""What is left of a stage, where jobs run side by side."""

import pytest

from gradts_engine import events
from gradts_engine.runtime.view import fold
from gradts_tui.tree import branches


def view(devices: int):
    """Of four tasks of 100 rows, each tuned in 10 steps of a second: `a` is tuned, and `b` half, at 15 s."""
    tasks = ("a", "b", "c", "d")
    started = events.RunStarted("r", "t.toml", "e", tasks, ("a",), ("cpu",) * devices, {}, {})
    read = [(0.0, events.TaskRead(task, "classification", "accuracy", {"train": 100, "dev": 10}, {})) for task in tasks]
    told = [(0.0, started), *read, (0.0, events.StageStarted("tune", "a", "a"))]
    told += [(10.0, events.StageFinished("tune", "a", "a", 10.0, False)), (10.0, events.StageStarted("tune", "b", "b"))]
    told += [(10.0 + i, events.StageProgress("tune", "b", i, 10)) for i in range(1, 6)]
    return fold(told)


@pytest.mark.parametrize(("devices", "left"), [(1, 5 + 20), (2, 12.5), (8, 5)])
def test_what_is_left_is_shared_but_a_job_takes_its_time(devices, left):
    (tuning,) = (branch for branch in branches(view(devices), 15.0) if branch.key == "tune")
    assert tuning.remaining == pytest.approx(left)


def test_texts_that_two_tasks_share_are_embedded_once():
    started = events.RunStarted("r", "t.toml", "e", ("a", "b"), ("a",), ("cpu",), {}, {}, needs=("state",))
    told = [started, events.StageStarted("embed", "a", "k"), events.StageFinished("embed", "a", "k", 1.0, False)]
    ranked = events.Predicted("a", "embedding", {"embedding": {"b": (1.0,)}})
    for events_, finished in ((told, 1), ([*told, ranked], 2)):
        (embedding,) = (b for b in branches(fold((1.0, event) for event in events_), 2.0) if b.key == "embed")
        assert embedding.finished == finished
