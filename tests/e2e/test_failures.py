"""What a machine can do to a run: no room, no right to write, a locked database, a clock that jumps, damage."""

import itertools
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

import pytest

from gradts_engine import events
from gradts_engine.config import load_experiment
from gradts_engine.contracts import Device, ExecutorSpec
from gradts_engine.errors import RunError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime import journal
from gradts_engine.runtime.journal import Journal, read_events
from gradts_engine.runtime.prepare import prepare


def limited(place, blocks: int) -> subprocess.CompletedProcess[str]:
    """A run whose files may have so many KiB, as under a quota."""
    limit = f"ulimit -f {blocks}; exec {sys.executable} -m gradts_engine run {place.config}"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(["bash", "-c", limit], capture_output=True, text=True, env=environment, check=False, timeout=120)


def whole(place) -> list[tuple[str, str]]:
    """The finished stages, of which each has its intact result; the database has no flaw."""
    with closing(sqlite3.connect(place.latest.events)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finished = [(e.stage, e.key) for _, _, e in read_events(place.latest.events) if isinstance(e, events.StageFinished)]
    for stage, key in finished:
        assert place.store.artifacts.find(stage, key) is not None
    return finished


GPUS = (Device("cuda:0", ("bf16", "fp16", "fp32")), Device("cuda:1", ("fp16", "fp32")))
CPU = Device("cpu")


class Machine:
    """An executor on a machine with these devices, which none of its workers is asked to use."""

    def __init__(self, devices: tuple[Device, ...]) -> None:
        self.devices, self.closed = devices, False

    def close(self) -> None:
        self.closed = True


def test_devices_of_several_kinds_are_refused(place, monkeypatch):
    machine = Machine((GPUS[0], CPU))
    monkeypatch.setitem(load_catalog().executors, "given", ExecutorSpec(name="given", load=lambda setup: machine))
    place.settings["run"] |= {"executor": "given", "devices": ["cuda:0", "cpu"]}
    place.write()
    for result in (place.run(), place("plan", str(place.config))):
        assert (result.code, machine.closed) == (2, True)
        assert result.line == (
            f"{place.config}: run.devices: cuda:0 and cpu are of several kinds, and what one kind computes is not what another "
            "computes to the last bit: name devices of one kind"
        )
    assert not place.store.runs()


@pytest.mark.parametrize(
    ("devices", "wanted", "training", "scoring"),
    [
        ((CPU,), "auto", "fp32", "fp32"),
        ((Device("cpu", ("bf16", "fp32")),), "auto", "bf16", "bf16"),
        ((CPU,), "fp16", "fp32", "fp32"),
        (GPUS[:1], "auto", "bf16", "bf16"),
        (GPUS[1:], "auto", "fp16", "fp32"),
        (GPUS, "auto", "fp16", "fp32"),
        (GPUS, "fp32", "fp32", "fp32"),
        (GPUS, "bf16", "bf16", "fp32"),
    ],
)
def test_a_run_computes_in_what_all_of_its_devices_have(place, devices, wanted, training, scoring):
    place.settings["scoring"]["precision"] = "auto"
    for section in ("training", "multitask"):
        place.settings[section]["precision"] = wanted
    place.write()
    catalog = load_catalog()
    found = prepare(load_experiment(place.config, catalog), catalog, devices).facts.precision
    assert found == {"training": training, "multitask": training, "scoring": scoring}


@pytest.mark.torture
def test_a_disk_that_is_full(place, _ran):  # noqa: PT019
    """First for the results, then for the events too; then there is room again."""
    for blocks, message in ((40, "artifacts cannot be written: "), (8, "events.db cannot be written: ")):
        result = limited(place, blocks)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        assert message in result.stderr.splitlines()[-1]
    finished = whole(place)
    assert {stage for stage, _ in finished} == {"embed"}
    place.news()
    computed = place.done()
    assert not {stage for stage, _ in computed} & {"embed"}
    assert list((place.store.root / "artifacts" / "unfinished").iterdir()) == []
    assert place.outcome() == replace(place, folder=_ran).outcome()


@contextmanager
def reading(path):
    """As another program that has a transaction open."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as database:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM event").fetchone()
        yield
        database.execute("COMMIT")


def test_a_database_that_somebody_locks(ran, monkeypatch):
    """For a while: it waits. For too long: a message, and what was there is there."""
    events_of_run, reader, gone = ran.latest.events, ExitStack(), threading.Event()
    reader.enter_context(reading(events_of_run))
    reader.callback(gone.set)
    threading.Timer(8, reader.close).start()
    result = ran.run()
    assert (result.code, gone.is_set()) == (0, True), result.err
    before = len(list(read_events(ran.latest.events)))
    monkeypatch.setattr(journal, "PATIENCE", 0.3)
    with reading(ran.latest.events):
        result = ran.run()
    assert result.code == 1
    assert result.err.splitlines()[-1] == f"{ran.latest.events} cannot be written: database is locked"
    assert len(list(read_events(ran.latest.events))) == before
    assert ran.done() == set()


def test_a_clock_that_jumps(ran, monkeypatch):
    """Durations are of a clock that cannot; events keep their order."""
    real, jumps = time.time, itertools.cycle([0.0, 4e6, -4e6])
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    ran.settings["multitask"]["learning_rate"] = 0.002
    ran.write()
    assert ("trial", "mood") in ran.done()
    view = ran.latest.view()
    assert view.state == "done"
    assert all(0 <= stage.seconds < 100 for stage in view.stages.values())


def test_results_that_are_damaged_are_told_of(ran):
    key = ran.latest.view().stage("correlate", "mood").key
    path = ran.store.root / "artifacts" / "correlate" / key / "instance_tau.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    result = ran("results --json")
    assert result.code == 0
    assert result.json["tau"] == {}
    (warning,) = result.json["warnings"]
    assert warning.startswith(f"the result of correlate mood is missing: {path} is damaged; moved to ")
    assert result.err == f"warning: {warning}\n"
    again = ran("results").err
    assert (
        again == "warning: the result of correlate mood is missing: it was removed; give the run's command again to compute it\n"
    )
    assert ran("export selection mood", "x.jsonl").line.startswith("results for mood are damaged or were removed")
    assert ran.done() == {("correlate", "mood")}
    assert ran("results").err == ""


def test_old_results_are_removed_and_computed_again_where_they_are_needed(ran):
    before = ran.outcome()
    assert "nothing to remove" in ran("cache gc --older-than 1d").out
    shown = ran("cache gc --max-size 0MB --dry-run")
    count = len(ran.store.artifacts.folders())
    assert shown.out.splitlines()[-1].startswith("would free ")
    assert len(ran("cache gc --max-size 0MB --dry-run --json").json) == count
    assert len(ran.store.artifacts.folders()) == count
    assert ran("cache gc --max-size 0MB").out.splitlines()[-1].startswith("freed ")
    assert ran.store.artifacts.folders() == []
    assert ran("cache gc --older-than soon").code == 2
    assert ran.run().code == 0
    assert ran.outcome() == before


def test_an_event_that_was_acknowledged_is_on_disk(tmp_path):
    """`emit` returns once the database has it: what a full disk refuses afterwards takes nothing back."""
    path = tmp_path / "events.db"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    acknowledged = []
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
        with Journal(path) as book, suppress(RunError):
            for i in range(1000):
                book.emit(events.Warned(f"{i} {'x' * 500}"))
                acknowledged.append(i)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    kept = [int(e.message.split()[0]) for _, _, e in read_events(path)]
    assert kept[: len(acknowledged)] == acknowledged
    assert 20 < len(acknowledged) < 1000
