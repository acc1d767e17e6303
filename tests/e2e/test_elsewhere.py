"""Workers in other machines: what they have to have in common with the driver, and where people see that they are."""

import json
import threading
import time

import pytest

from gradts_engine.config import load_experiment
from gradts_engine.contracts import Device
from gradts_engine.hooks.catalog import load_catalog, versions
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import ArtifactStore, awaited
from gradts_engine.runtime.prepare import prepare
from gradts_engine.runtime.worker import Worker

CPU, THERE = Device("cpu"), Device("cpu", place="node7")


def test_a_worker_with_other_files_or_packages_names_them(ran):
    catalog = load_catalog()
    facts = prepare(load_experiment(ran.config, catalog), catalog, (THERE,)).facts
    told, job = facts.told(versions()), jobs.Embed(task="mood")
    worker = Worker(str(ran.config), str(ran.store.root))

    def work(**other: str) -> dict[str, str]:
        task = jobs.Task(job=job, key=jobs.key(job, facts), devices=(THERE,), facts=told | other)
        return json.loads(worker.work(task.model_dump_json(), "cpu", lambda record: None))

    assert not work()["failure"]
    refused = work(**{"train rows of mood": "other", "version of torch": "0.1"})
    assert refused["failure"] == "RunError"
    assert "has another version of torch, another train rows of mood; give it the same" in refused["reason"]


def test_a_result_that_shows_up_late_is_waited_for_where_it_is_from_another_machine(tmp_path):
    store = ArtifactStore(tmp_path)
    began = time.monotonic()
    assert awaited(lambda: store.find("tune", "k"), (CPU,)) is None
    assert time.monotonic() - began < 1
    late = threading.Timer(0.5, lambda: store.save("tune", "k", {"x": 1}))
    late.start()
    found = awaited(lambda: store.find("tune", "k"), (CPU, THERE))
    late.join()
    assert found.result == {"x": 1}
    assert time.monotonic() - began >= 0.5


def test_where_a_stage_was_computed_is_told(ran):
    stages = ran(f"status {ran.latest.id} --json").json["stages"]
    assert {s["device"] for s in stages if s["stage"] in ("tune", "trial")} <= {"cpu", ""}
    assert (THERE.shown, THERE.kind, CPU.shown) == ("cpu on node7", "cpu", "cpu")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_executor_that_nobody_registers(place, command):
    result = place(command, str(place.config), "--executor", "rai")
    assert result.code == 2
    assert result.line.startswith("--executor: unknown executor 'rai'")
