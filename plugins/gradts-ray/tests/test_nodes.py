"""Whole runs on two nodes, each in a network namespace of its own, through what happens to networks, machines and disks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nodes import Nodes, environment, fill, until
from runs import artifacts, at_work, check_once, command, happened, lost, places, run

from gradts_engine.testing import toy_run

Note = Callable[[str, object], None]

ENDED = 900.0
"""Seconds that a run may take on a busy machine."""

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes; a test leaves them as they were."""
    with Nodes() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose jobs take seconds, and its results by threads."""
    made = tmp_path_factory.mktemp("run")
    toy_run(made, epochs=40, steps=60)
    run(command(made, made / "threads"))
    return made


def on_ray(nodes: Nodes, folder: Path, store: str) -> list[str]:
    """The run, for an engine on the first node."""
    return command(folder, nodes.store / store, "--executor", "ray", "--address", nodes.address)


def check(store: Path, folder: Path) -> None:
    """The bytes are those of threads, and nothing was done twice."""
    assert artifacts(store) == artifacts(folder / "threads")
    check_once(happened(store))


def test_bytes_are_the_same_on_two_nodes_and_a_short_cut_costs_no_worker(nodes: Nodes, folder: Path) -> None:
    """Both have computed, and the second one's cable was out for two seconds."""
    store = nodes.store / "short"
    with nodes.popen(*on_ray(nodes, folder, "short")) as engine:
        until(lambda: at_work(happened(store), "node2"), "work on the second node")
        nodes.second.cut()
        time.sleep(2)
        nodes.second.join()
        said, _ = engine.communicate(timeout=ENDED)
    assert engine.returncode == 0, said
    assert places(store) == {"cpu on node1", "cpu on node2"}
    assert lost(happened(store)) == 0
    check(store, folder)


def test_what_a_node_does_that_nobody_hears_of_does_not_count(nodes: Nodes, folder: Path, record_property: Note) -> None:
    """Its packets are lost for so long that it is given up; its worker goes on, and may store a result."""
    store = nodes.store / "long"
    with nodes.popen(*on_ray(nodes, folder, "long")) as engine:
        until(lambda: at_work(happened(store), "node2"), "work on the second node")
        nodes.second.drop()
        record_property("seconds until it is noticed", until(lambda: lost(happened(store)), "a lost worker"))
        time.sleep(5)  # for what is late
        nodes.second.pass_on()
        said, _ = engine.communicate(timeout=ENDED)
    assert engine.returncode == 0, said
    check(store, folder)
    nodes.add()
    nodes.wait(2)


def test_a_run_whose_head_is_killed_ends_and_the_same_command_goes_on(nodes: Nodes, folder: Path, record_property: Note) -> None:
    """The raylet that the engine is on: nobody can know what goes on in the cluster then."""
    store = nodes.store / "head"
    with nodes.popen(*on_ray(nodes, folder, "head")) as engine:
        until(lambda: at_work(happened(store), "node2"), "work on the second node")
        told = happened(store)
        for process in nodes.first.processes("raylet"):
            process.kill()
        began = time.monotonic()
        said, _ = engine.communicate(timeout=ENDED)
    record_property("seconds until the engine ends", time.monotonic() - began)
    record_property("exit code, last line", (engine.returncode, said.splitlines()[-1]))
    assert engine.returncode not in (0, 2), said
    nodes.begin()
    run(nodes.first.inside(*on_ray(nodes, folder, "head")), environment=environment())
    assert happened(store)[: len(told)] == told
    check(store, folder)


def test_a_full_disk_of_a_node_is_survived_and_a_full_store_ends_the_run_in_a_line(nodes: Nodes, folder: Path) -> None:
    """The first is where Ray keeps its files; the second is emptied, and the same command goes on."""
    store = nodes.outer.see(nodes.small)
    on = command(folder, nodes.small / "run", "--executor", "ray", "--address", nodes.address)
    with nodes.popen(*on) as engine:
        until(lambda: [*store.glob("run/artifacts/tune/*/meta.json")], "a first result")
        of_ray = fill(nodes.second.see(nodes.sessions))
        time.sleep(5)
        assert engine.poll() is None
        of_ray.unlink()
        of_store = fill(store)
        said, _ = engine.communicate(timeout=ENDED)
    of_store.unlink()
    assert engine.returncode == 1, said
    assert said.splitlines()[-1].endswith(("No space left on device", "disk is full")), said  # of a result, or of the database
    assert "Traceback" not in said
    run(nodes.first.inside(*on), environment=environment())
    shutil.copytree(store / "run", folder / "small")
    check(folder / "small", folder)
