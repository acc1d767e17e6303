"""Workers in other machines: what they have to have in common with the driver, and where people see that they are."""

import json
import threading
import time
from dataclasses import replace

import pytest

from gradts_engine.config import load_experiment
from gradts_engine.contracts import Device, ExecutorSpec
from gradts_engine.hooks.catalog import load_catalog, versions
from gradts_engine.runtime import jobs
from gradts_engine.runtime import prepare as prepare_module
from gradts_engine.runtime.artifacts import ArtifactStore, awaited
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_engine.runtime.prepare import load_executor, prepare
from gradts_engine.runtime.worker import Worker, make

CPU, THERE = Device("cpu"), Device("cpu", place="node7")


def test_a_worker_with_other_files_or_packages_names_them(ran):
    catalog = load_catalog()
    experiment = load_experiment(ran.config, catalog)
    facts = prepare(experiment, catalog, (THERE,)).facts
    told, job = facts.told(versions()), jobs.Embed(task="mood")
    worker = Worker(str(ran.config), experiment.text, str(ran.store.root))

    def work(**other: str) -> dict[str, str]:
        task = jobs.Task(job=job, key=jobs.key(job, facts), devices=(THERE,), facts=told | other)
        return json.loads(worker.work(task.model_dump_json(), "cpu", lambda record: None))

    assert not work()["failure"]
    refused = work(**{"train rows of mood": "other", "version of torch": "0.1"})
    assert refused["failure"] == "RunError"
    assert "has another version of torch, another train rows of mood; give it the same" in refused["reason"]


def test_a_worker_computes_what_the_run_was_begun_with_whatever_its_file_says_since(place):
    """Workers begin later than the engine, and again where one is lost; meanwhile a person prepares the next run."""
    catalog = load_catalog()
    begun = load_experiment(place.config, catalog)
    facts, job = prepare(begun, catalog, (THERE,)).facts, jobs.Tune(task="mood")
    place.settings["run"]["seed"] = 77
    place.write()
    assert load_experiment(place.config, catalog).run.seed == 77
    setup = []
    named = ExecutorSpec(name="threads", load=lambda given: setup.append(given) or ThreadExecutor((CPU,), given))
    load_executor(begun, replace(catalog, executors={"threads": named}), place.store.root, print).close()
    prepare_module._HERE.clear()  # as in another process
    worker = make(setup[0].arguments)
    assert worker.bench((THERE,)).facts == facts
    assert jobs.key(job, worker.bench((THERE,)).facts) == jobs.key(job, facts)


def test_a_result_that_shows_up_late_is_waited_for_where_it_is_from_another_machine(tmp_path):
    store = ArtifactStore(tmp_path)
    began = time.monotonic()
    assert awaited(lambda: store.find("tune", "k"), (CPU,)) is None
    assert time.monotonic() - began < 10
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
