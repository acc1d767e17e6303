"""Every loader against damage: flipped, lost, doubled and foreign bytes give an error in a line or what was written, never a
traceback, a hang or a wrong answer. A few hundred of each here; `make torture` has thousands."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file

from gradts_engine import events
from gradts_engine.config import Experiment, load_experiment
from gradts_engine.contracts import EncoderSpec, TaskData, TaskSpec
from gradts_engine.errors import GradTSError
from gradts_engine.exported import load_model
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.export import export_model
from gradts_engine.learning.state import Checkpoint
from gradts_engine.learning.task_types import Classification, SentenceHead, TokenClassification
from gradts_engine.runtime import inbox
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.checkpoints import Checkpoints, Clock
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.journal import Journal, read_events
from gradts_engine.runtime.lock import hold, holder
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import fold
from gradts_engine.runtime.workspaces import Workspace
from gradts_engine.testing import tiny_encoder


def effort(some: int, many: int) -> pytest.MarkDecorator:
    """Number of inputs, here and in `make torture`."""
    return pytest.mark.parametrize("inputs", [some, pytest.param(many, marks=pytest.mark.torture)])


@pytest.fixture(autouse=True)
def _noted(request, record_property):
    if request.node.get_closest_marker("torture"):
        people = request.node.originalname in ("test_settings", "test_rows")
        record_property("damaged tasks.toml and rows" if people else "damaged files", request.node.callspec.params["inputs"])


PIECES = [
    b"\0",
    b"\xff\xfe",
    b"\n",
    b'"',
    b"{",
    b"}",
    b"[" * 3000,
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"../",
    b"\\ud800",
    b"true",
]


def damaged(rng: random.Random, content: bytes) -> bytes:
    """One to three changes of the kinds that disks, editors and enemies make."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 | 1 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 2:
                del changed[at:]
            case 3:
                changed[at:at] = rng.choice(PIECES)
            case 4:
                changed[at : at + rng.randint(1, 40)] = b""
            case _:
                end = min(len(changed), at + rng.randint(1, 40))
                changed[at:at] = changed[at:end]
    return bytes(changed)


def damages(folder: Path, inputs: int, seed: str) -> Iterator[Path]:
    """Copies of `folder`, a file damaged in each; the file's path. All files in turn."""
    rng = random.Random(seed)
    work = folder.with_name(f"{folder.name}-damaged")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for i in range(inputs):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder, work)
        path = work / files[i % len(files)]
        path.write_bytes(damaged(rng, path.read_bytes()))
        yield path
    shutil.rmtree(work, ignore_errors=True)


def told(error: GradTSError) -> None:
    """Every problem is a line."""
    assert all("\n" not in problem for problem in getattr(error, "problems", [str(error)]))


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


# --- encoders and models ---------------------------------------------------------------------------------------------


@effort(60, 300)
def test_encoder_folders(tmp_path, inputs):
    """An encoder that loads is known by its content: no damage hides behind the digest of the original."""
    folder = tiny_encoder(tmp_path / "tiny")
    original = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    before = original.build().state_dict()
    for path in damages(folder, inputs, "encoder"):
        try:
            encoder = load_encoder(EncoderSpec(name="tiny", source=lambda path=path: str(path.parent)))
            module = encoder.build()
            encoder.head_sites(module)
        except GradTSError as error:
            told(error)
            continue
        if encoder.digest == original.digest:
            after = module.state_dict()
            assert before.keys() == after.keys()
            assert all(torch.equal(before[name], after[name]) for name in before)


@effort(40, 300)
def test_exported_models(tmp_path, inputs):
    """A folder that somebody else has touched loads, or is refused in a line."""
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(tiny_encoder(tmp_path / "tiny"))))
    module = encoder.build()
    head = SentenceHead(encoder.hidden_size, 2, 0.0)
    for parameter in head.parameters():
        torch.nn.init.constant_(parameter, 0.125)
    options = {"word_level": False, "labels": ["a", "b"], "max_length": 16, "card": "# x"}
    export_model(encoder, module, head, task="classification", folder=tmp_path / "model", **options)
    for path in damages(tmp_path / "model", inputs, "model"):
        try:
            assert isinstance(load_model(path.parent), torch.nn.Module)
        except GradTSError as error:
            told(error)


# --- what people write -----------------------------------------------------------------------------------------------

TOML = """[run]
encoder = "gpt2"
primary = ["reviews"]
seed = 3
devices = ["cpu"]

[training]
epochs = 2
learning_rate = 3e-5

[selection]
strategy = "trial"
confirm = "auto"

[tasks.reviews]
type = "classification"
train = "reviews.jsonl"
dev_fraction = 0.1
text = ["first", "second"]

[tasks."other"]
type = "token_classification"
train = "a.conll"
dev = "b.conll"
labels = ["O", "B-x"]
"""


@effort(1000, 6000)
def test_settings(tmp_path, inputs):
    """Every file is an experiment or a list of problems, each in a line that can be shown."""
    rng, catalog, path = random.Random("settings"), load_catalog(), tmp_path / "tasks.toml"
    loaded = 0
    for _ in range(inputs):
        content = damaged(rng, TOML.encode())
        if rng.random() < 0.3:  # a word in the place of another
            words = TOML.split(" ")
            words[rng.randrange(len(words))] = rng.choice(words)
            content = " ".join(words).encode()
        path.write_bytes(content)
        try:
            assert isinstance(load_experiment(path, catalog), Experiment)
            loaded += 1
        except GradTSError as error:
            told(error)
    assert 0 < loaded < inputs * 0.9


ROWS = [{"text": f"text {i} ü", "label": "xy"[i % 2]} for i in range(6)]
FILES: dict[str, Callable[[Path], object]] = {
    "a.jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in ROWS)),
    "a.csv": lambda path: path.write_text("text,label\n" + "".join(f'"{r["text"]}",{r["label"]}\n' for r in ROWS)),
    "a.tsv": lambda path: path.write_text("text\tlabel\n" + "".join(f"{r['text']}\t{r['label']}\n" for r in ROWS)),
    "a.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "a.conll": lambda path: path.write_text("Bonn NNP B-x\nis VBZ O\n\n" * 4),
    "a.conllu": lambda path: path.write_text("1\tBonn\t_\tNNP\n2\tis\t_\tO\n\n" * 4),
}


@pytest.mark.parametrize("name", FILES)
@effort(400, 2500)
def test_rows(tmp_path, name, inputs):
    """Every file is a task of sound rows or an error that names it; with bad rows skipped, too."""
    rng, path = random.Random(name), tmp_path / name
    FILES[name](path)
    original = path.read_bytes()
    words = ".conll" in name
    kind = TokenClassification() if words else Classification()
    text, label = ("tokens", "labels") if words else ("text", "label")
    spec = TaskSpec(name="t", type="t", train=str(path), dev=str(path), text=text, label=label)
    for i in range(inputs):
        path.write_bytes(damaged(rng, original))
        try:
            data = read_task(spec, kind, "accuracy", {}, ("stop", "skip")[i % 2], 0)
        except GradTSError as error:
            told(error)
            continue
        assert isinstance(data, TaskData)
        for instance in data.splits["train"]:
            assert all(isinstance(part, str) for part in instance.text)
            assert set(kind.classes(instance.label)) <= set(data.labels)
            json.dumps([instance.text, instance.label]).encode()


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
