"""Checkpoints on disk: which is found again, what is kept, how often, and what happens where they cannot be."""

import json
import resource
import shutil
import signal
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import torch

from gradts_engine.errors import Cancelled, Interrupted
from gradts_engine.learning.state import Checkpoint
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.checkpoints import GUESS, LATEST, SHARE, Checkpoints, Clock
from gradts_engine.runtime.control import Control


def at(step: int) -> Checkpoint:
    return Checkpoint({"weights": torch.full((3,), float(step))}, {"done": step, "scores": [0.1 + 0.2]})


class Desk:
    """A workspace, what a keeper in it was told, and a clock that hardly moves by itself."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workspace = ArtifactStore(root).workspace("tune", "k")
        self.control = Control()
        self.warnings: list[str] = []
        self.now = 1000.0
        self.clock = Clock(self.now)
        monkeypatch.setattr("time.monotonic", self.tick)

    def tick(self) -> float:
        self.now += 0.001
        return self.now

    @contextmanager
    def keeper(self, size: int = 0):
        with Checkpoints(self.workspace, self.control, self.control.check, self.warnings.append, size, self.clock) as keeper:
            yield keeper

    def found(self) -> int | None:
        with self.keeper() as keeper:
            kept = keeper.load()
        return kept and kept.values["done"]

    def files(self) -> list[str]:
        return sorted(path.name.rpartition("-")[0] for path in self.workspace.folder.glob("step-*"))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    return Desk(tmp_path, monkeypatch)


def test_the_newest_is_found_again_as_it_was_and_two_are_kept(desk):
    assert desk.found() is None
    with desk.keeper() as keeper:
        for step in (1, 2, 3):
            keeper.save(partial(at, step))
    with desk.keeper() as keeper:
        kept = keeper.load()
    assert kept.values == at(3).values
    assert torch.equal(kept.tensors["weights"], at(3).tensors["weights"])
    assert desk.files() == ["step-2-1", "step-3-1"]
    assert desk.warnings == []


def test_the_time_before_a_kill_counts_up_to_the_checkpoint_that_is_taken(desk):
    """However often it is killed."""
    for seconds in (100.0, 50.0, 7.0):
        desk.clock = Clock(desk.now)
        with desk.keeper() as keeper:
            keeper.load()
            desk.now += seconds
            keeper.save(partial(at, seconds))
        desk.now += 1000.0  # lost, or nobody was at work
    desk.clock = Clock(desk.now)
    assert desk.found() == 7.0
    desk.now += 1.0
    assert desk.clock.seconds == pytest.approx(158.0, abs=0.5)


def test_a_pause_is_no_time_of_the_training_and_buys_no_checkpoints(desk):
    with desk.keeper() as keeper:
        keeper.save(partial(at, 1))  # what it takes, a hair, is 2% of a hair more
        desk.now += 10.0
        with suppress(Interrupted), desk.clock.stopped():
            desk.now += 36_000.0
            raise Interrupted("also where it ends so")
        assert desk.clock.seconds == pytest.approx(10.0, abs=0.5)
        keeper.spent = 1.0
        keeper.step(partial(at, 2))
    assert desk.found() == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_one_is_reported_and_the_one_before_it_is_taken(desk, damage):
    with desk.keeper() as keeper:
        keeper.save(partial(at, 1))
        keeper.save(partial(at, 2))
    (path,) = desk.workspace.folder.glob("step-2-*")
    content = path.read_bytes()
    path.unlink()
    if damage != "delete":
        path.write_bytes(content[:-1] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    assert desk.found() == 1
    (warning,) = desk.warnings
    assert "step-2-1 is damaged or gone; an earlier one is taken" in warning


def test_a_checkpoint_is_there_once_the_list_says_so(desk):
    """Killed between the checkpoint and the list: the one before it counts, and nothing is left over after the next."""
    with desk.keeper() as keeper:
        keeper.save(partial(at, 1))
        shutil.copy(desk.workspace.folder / LATEST, desk.workspace.folder / "before")
        keeper.save(partial(at, 2))
    (desk.workspace.folder / "before").rename(desk.workspace.folder / LATEST)
    (desk.workspace.folder / ".step-3-1").write_bytes(b"half")
    assert desk.found() == 1
    with desk.keeper() as keeper:
        keeper.save(partial(at, 4))
    assert desk.files() == ["step-1-1", "step-4-1"]
    assert not list(desk.workspace.folder.glob(".*"))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"checkpoints": 3}'])
def test_a_damaged_list_is_reported_and_the_training_starts_again(desk, content):
    with desk.keeper() as keeper:
        keeper.save(partial(at, 1))
    (desk.workspace.folder / LATEST).write_text(content)
    assert desk.found() is None
    assert desk.warnings == [f"{desk.workspace.folder / LATEST} is damaged; the training starts again"]


def test_saving_takes_its_share_of_the_time_and_not_more(desk, monkeypatch):
    """Each save takes 3 s of a training whose steps take 1 s."""
    saved = []

    def put(name, write):
        desk.now += 3.0
        saved.append(desk.now)

    with desk.keeper(size=int(2 * GUESS)) as keeper:
        monkeypatch.setattr(type(desk.workspace), "put", lambda self, name, write: put(name, write))
        for step in range(3000):
            desk.now += 1.0
            keeper.step(lambda step=step: at(step))
    assert saved[0] - 1000 >= 2.0 / SHARE  # what it was expected to take
    assert 3.0 * len(saved) <= SHARE * (desk.now - 1000)
    assert len(saved) >= 0.8 * SHARE * (desk.now - 1000) / 3.0


def test_one_is_kept_when_it_is_asked_for_and_before_it_stops(desk):
    with desk.keeper(size=10**12) as keeper:
        keeper.step(lambda: at(1))
        assert desk.files() == []
        desk.control.saves += 1
        keeper.step(lambda: at(2))
        keeper.step(lambda: at(3))
        assert desk.files() == ["step-2-1"]
        desk.control.stop(Cancelled, "cancelled")
        with pytest.raises(Cancelled):
            keeper.step(lambda: at(4))
    assert desk.found() == 4


def test_another_process_that_computes_the_same_keeps_nothing(desk):
    with desk.keeper() as keeper, desk.keeper() as other:
        keeper.save(partial(at, 1))
        other.save(partial(at, 2))
        assert other.load() is None
        assert keeper.load().values["done"] == 1
    assert desk.files() == ["step-1-1"]
    assert desk.warnings == []


def test_a_disk_that_is_full_stops_no_training(desk):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with desk.keeper() as keeper:
        keeper.save(partial(at, 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            keeper.save(partial(at, 2))
            keeper.save(partial(at, 3))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
    (warning,) = desk.warnings
    assert warning.startswith(f"the training goes on without a new checkpoint: {desk.workspace.folder} cannot be written: ")
    assert desk.found() == 1
    assert not list(desk.workspace.folder.glob(".*"))
    assert json.loads((desk.workspace.folder / LATEST).read_text()) == {"checkpoints": ["step-1-1"]}
