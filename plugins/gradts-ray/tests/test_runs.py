"""Whole runs: by threads, by Ray on one node and on two, and after a driver that was killed. Each is a process of its own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gradts_engine.events import StageFinished
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store
from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows

pytestmark = pytest.mark.torture  # a Ray takes seconds to start, and minutes on a busy machine

PROGRAM = str(Path(sys.executable).with_name("gradts-engine"))
TASKS = """
[run]
encoder = "tiny"
primary = ["mood"]
devices = ["cpu"]
[data]
max_length = 32
overlap = "keep"
[training]
epochs = 2
batch_size = 4
[multitask]
steps = 12
batch_size = 4
[selection]
strategy = "trial"
confirm = "auto"
[tasks.mood]
type = "classification"
train = "mood.train.jsonl"
dev = "mood.dev.jsonl"
[tasks.stars]
type = "regression"
train = "stars.train.jsonl"
dev = "stars.dev.jsonl"
[tasks.tags]
type = "token_classification"
text = "words"
label = "tags"
train = "tags.train.jsonl"
dev = "tags.dev.jsonl"
"""
TWO_NODES = """
from ray.cluster_utils import Cluster
cluster = Cluster()
for _ in range(2):
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tasks.toml with its data and a tiny encoder."""
    made = tmp_path_factory.mktemp("runs")
    tiny_encoder(made / "tiny", words=TOY_WORDS)
    (made / "tasks.toml").write_text(TASKS)
    for task, splits in toy_rows().items():
        for split, rows in splits.items():
            (made / f"{task}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a cluster of two nodes with a processor each, on this machine, and the settings with which it is reached."""
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64, "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", TWO_NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | settings
    )
    assert process.stdout
    yield process.stdout.readline().strip(), settings
    process.communicate("\n", timeout=120)


def command(folder: Path, store: str, *options: str) -> list[str]:
    return [PROGRAM, "run", str(folder / "tasks.toml"), "--store", str(folder / store), "--plain", *options]


def run(folder: Path, store: str, *options: str, **settings: str) -> tuple[dict[str, str], set[str]]:
    """Runs it; the digest of every file of every artifact, and the devices that computed something."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | settings
    done = subprocess.run(
        command(folder, store, *options), capture_output=True, text=True, timeout=900, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "raylet" not in done.stdout + done.stderr
    return artifacts(folder / store), {s.device for s in Store(folder / store).run(None).view().stages.values() if s.device}


def artifacts(store: Path) -> dict[str, str]:
    paths = [p for p in (store / "artifacts").glob("*/*/*") if p.is_file()]
    kept = [p for p in paths if not p.name.endswith(".json")]  # these say when and with what it was made, too
    assert kept
    keys = {str(p.parent.relative_to(store)): "" for p in paths}
    return keys | {str(p.relative_to(store)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


def test_keys_and_bytes_are_the_same_wherever_a_run_is_computed(folder: Path, two_nodes: tuple[str, dict[str, str]]) -> None:
    """By threads, by Ray on this machine, and by Ray on two nodes, where both of them work."""
    threads, here = run(folder, "threads")
    assert here == {"cpu"}
    one, places = run(folder, "one", "--executor", "ray")
    assert one == threads
    assert len(places) == 1
    assert " on " in places.pop()
    address, settings = two_nodes
    two, _ = run(folder, "two", "--executor", "ray", "--address", address, **settings)
    assert two == threads


def test_a_run_whose_driver_was_killed_goes_on_and_leaves_no_process(folder: Path) -> None:
    """Twice, at what is being computed then; nothing that was finished is computed again."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    finished: set[str] = set()
    children: list[psutil.Process] = []
    for stage in ("score", "trial"):
        started = command(folder, "killed", "--executor", "ray")
        engine = subprocess.Popen(
            started,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        assert engine.stdout
        for line in engine.stdout:
            if line.startswith(stage):
                break
        children += psutil.Process(engine.pid).children(recursive=True)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        assert finished <= set(artifacts(folder / "killed"))
        finished = set(artifacts(folder / "killed"))
    assert finished
    found, _ = run(folder, "killed", "--executor", "ray")
    assert found == run(folder, "threads")[0]
    happened = read_events(Store(folder / "killed").run(None).events)
    computed = [e.key for _, _, e in happened if isinstance(e, StageFinished) and not e.cached]
    assert len(computed) == len(set(computed))
    _, alive = psutil.wait_procs(children, timeout=240)  # Ray's agents end two minutes after their node
    assert not alive, [p.cmdline()[:3] for p in alive if p.is_running()]
