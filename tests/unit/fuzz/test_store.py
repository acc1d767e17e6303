"""Every loader against damage: flipped, lost, doubled and foreign bytes give an error in a line or what was written, never a
traceback, a hang or a wrong answer. A few hundred of each here; `make torture` has thousands."""

import json
import shutil
import sqlite3

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from gradts_engine import events
from gradts_engine.errors import GradTSError
from gradts_engine.learning.state import Checkpoint
from gradts_engine.runtime import inbox
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.checkpoints import Checkpoints, Clock
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.journal import Journal, read_events
from gradts_engine.runtime.lock import hold, holder
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import fold
from gradts_engine.runtime.workspaces import Workspace
from tests.unit.fuzz.damage import damages, effort, told

# --- the store -------------------------------------------------------------------------------------------------------


@effort(300, 2000)
def test_artifacts(tmp_path, inputs):
    """What is found is what was saved, bit by bit; all else is set aside and reported."""
    values = np.random.default_rng(0).random((3, 2, 4)).astype(np.float32)
    result = {"score": 0.25, "tau": {"a": float("nan"), "b": -0.5}, "name": "\u202ex"}
    saved = ArtifactStore(tmp_path / "store").save(
        "score", "k1", result, lambda f: save_file({"raw": values}, f / "raw.safetensors")
    )
    told = 0
    for path in damages(tmp_path / "store" / "score", inputs, "artifacts"):
        store = ArtifactStore(tmp_path / "again")
        shutil.copytree(path.parents[1], store.root / "score")
        warnings: list[str] = []
        found = store.find("score", "k1", warn=warnings.append)
        told += len(warnings)
        if found:
            assert json.dumps(dict(found.result), sort_keys=True) == json.dumps(result, sort_keys=True)
            assert found.files == saved.files
            np.testing.assert_array_equal(found.arrays("raw.safetensors")["raw"], values)
        else:
            assert len(warnings) == 1
        shutil.rmtree(store.root)
    assert told > inputs * 0.8


SETTINGS = {"scoring": {"head_axis": "output"}, "multitask": {"length": "steps"}, "selection": {"strategy": "trial"}}
HAPPENED: list[events.Event] = [
    events.RunStarted("r", "/t.toml", "e", ("a", "b"), ("a",), ("cpu",), SETTINGS, {}),
    events.TaskRead("a", "classification", "accuracy", {"train": 10}, {"train": 0}),
    *(events.StageProgress("tune", "a", i, 20, 0.5 / (i + 1)) for i in range(20)),
    events.EpochScored("tune", "a", 1, "accuracy", 0.75),
    events.StageFinished("tune", "a", "k" * 64, 1.5, False),
    events.TrialScored("a", {"b": 10}, 0.875, "k" * 64),
    events.Proposed("a", "d" * 64, {"b": 10}),
    events.Confirmed("a", "d" * 64, {"b": 10}, "person"),
    events.FinalModel("a", 0.875, "/models/a", 0.5, 0.25),
    events.RunEnded("done"),
]


def test_a_record_that_is_no_text_is_told_in_a_line(tmp_path):
    with Journal(tmp_path / "events.db") as journal:
        journal.emit(HAPPENED[0])
    with sqlite3.connect(tmp_path / "events.db") as database:
        database.execute("UPDATE event SET record = CAST(x'7b0aff0a7d' AS TEXT)")
    with pytest.raises(GradTSError, match="cannot be read: Could not decode to UTF-8") as failed:
        list(read_events(tmp_path / "events.db"))
    told(failed.value)


@effort(250, 4000)
def test_journals(tmp_path, inputs):
    """An event that is read is the event that was written, in its place; the rest is missing, and said to be."""
    folder = tmp_path / "run"
    folder.mkdir()
    with Journal(folder / "events.db") as journal:
        for event in HAPPENED:
            journal.thinner.last.clear()
            journal.emit(event)
    written = {seq: event for seq, _, event in read_events(folder / "events.db")}
    assert list(written.values()) == HAPPENED
    whole = 0
    for path in damages(folder, inputs, "journal"):
        try:
            found = list(read_events(path))
        except GradTSError as error:
            told(error)
            continue
        real = [(seq, event) for seq, _, event in found if not (isinstance(event, events.Warned) and str(path) in event.message)]
        assert all(written.get(seq) == event for seq, event in real)
        fold((when, event) for _, when, event in found)
        whole += len(real) == len(HAPPENED)
    assert whole < inputs * 0.5


@effort(60, 1500)
def test_writing_to_a_damaged_journal(tmp_path, inputs):
    """It goes on, or says why it cannot."""
    folder = tmp_path / "run"
    folder.mkdir()
    with Journal(folder / "events.db") as journal:
        for event in HAPPENED:
            journal.emit(event)
    for path in damages(folder, inputs, "writing"):
        try:
            with Journal(path) as journal:
                journal.emit(events.Warned("after"))
            assert events.Warned("after") in [event for _, _, event in read_events(path)]
        except GradTSError as error:
            told(error)


@effort(400, 3000)
def test_commands(tmp_path, inputs):
    """A file is a command of the right types, or left alone."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    inbox.send(folder, inbox.Confirm(primary="mood", digest="d" * 64, auxiliaries=("pair", "stars")))
    inbox.send(folder, inbox.Pause())
    for path in damages(folder, inputs, "inbox"):
        for _, command in inbox.read(path.parent):
            assert isinstance(command, inbox.Confirm | inbox.Pause | inbox.Resume | inbox.Cancel)
            assert command.id.isascii()
            if isinstance(command, inbox.Confirm):
                assert all(isinstance(name, str) for name in command.auxiliaries or ())


@effort(200, 1000)
def test_locks(tmp_path, inputs):
    """Whoever holds it, the answer is a line."""
    folder = tmp_path / "run"
    folder.mkdir()
    with hold(folder / "lock", "run"):
        pass
    for path in damages(folder, inputs, "lock"):
        assert holder(path) == "" or "\n" not in holder(path)
        with hold(path, "run"):
            assert str(path.stat().st_size) != "0"


@effort(150, 1500)
def test_checkpoints(tmp_path, inputs):
    """The training goes on from what was kept, or from an earlier checkpoint, or starts again."""
    control, said = Control(), []
    kept = [Checkpoint({"w": torch.arange(4.0) + i}, {"done": i, "scores": [0.5]}) for i in (1, 2)]
    with Checkpoints(Workspace(tmp_path / "w"), control, lambda: None, said.append, 16, Clock()) as checkpoints:
        for checkpoint in kept:
            checkpoints.save(lambda checkpoint=checkpoint: checkpoint)
    for path in damages(tmp_path / "w", inputs, "checkpoints"):
        with Checkpoints(Workspace(path.parent), control, lambda: None, said.append, 16, Clock()) as checkpoints:
            found = checkpoints.load()
        if found:
            (same,) = (c for c in kept if c.values == found.values)
            assert torch.equal(found.tensors["w"], same.tensors["w"])
    assert said


# --- a whole store ---------------------------------------------------------------------------------------------------


@effort(40, 300)
def test_commands_on_a_damaged_run(tmp_path, inputs, capsys):
    """`status` and `results` answer, or tell why not."""
    from gradts_engine.__main__ import main

    store = Store(tmp_path / "store")
    run = store.create("tasks-1")
    with Journal(run.events) as journal:
        for event in HAPPENED:
            journal.emit(event)
    with run.locked():
        pass
    for path in damages(tmp_path / "store", inputs, "store"):
        root = next(parent for parent in path.parents if parent.name == "store-damaged")
        for command in (["status"], ["status", "tasks-1"], ["results"], ["results", "--json"], ["confirm", "--yes"]):
            assert main([*command, "--store", str(root)]) in (0, 1, 2), command
            assert capsys.readouterr().err.count("\n") <= 1


def test_the_version_of_a_database_is_told(tmp_path):
    """A store of another version is no traceback."""
    with sqlite3.connect(tmp_path / "events.db") as database:
        database.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, time REAL, record TEXT)")
    with pytest.raises(GradTSError, match="written by another version of GradTS"):
        list(read_events(tmp_path / "events.db"))
