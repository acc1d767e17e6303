"""The driver with real threads and a worker that computes nothing: what is asked for is computed once, after what it needs."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from gradts_engine import events
from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Auxiliary, Device, Setup
from gradts_engine.errors import Cancelled, ResultGone, RunError, TrainingDiverged, WorkerLost
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver, WorkerBug
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Embed, Outcome, Score, Task, Trial, Tune

WAIT = 20
TASKS = ("mood", "pair", "sick", "lost", "shy")
FACTS = Facts(
    seed=3,
    max_length=32,
    training=TrainingSettings(precision="fp32"),
    multitask=MultitaskSettings(precision="fp32"),
    scoring=ScoringSettings(),
    encoder="e" * 64,
    encoder_version=1,
    tasks={
        t: TaskFacts("classification", "accuracy", {"train": 40}, {s: f"{t} {s}" for s in ("train", "dev", "test")})
        for t in TASKS
    },
)


class Maker:
    """Saves a small result for each task; one about `sick` diverges, one about `lost` is a bug; of what a job of `shy` needs, the
    files are freed before it can read them, `shyness` times."""

    shyness = 0

    def __init__(self, arguments: str) -> None:
        self.artifacts = ArtifactStore(Path(arguments))
        self.stopped = threading.Event()

    def order(self, order: str) -> None:
        if order == "stop":
            self.stopped.set()

    def work(self, task: str, device: str, say) -> str:
        given = Task.model_validate_json(task)
        outcome = self.made(given, device, say)
        return outcome.model_copy(update={"attempt": given.attempt}).model_dump_json()

    def made(self, given: Task, device: str, say) -> Outcome:
        job = given.job
        if self.stopped.is_set() or (isinstance(job, Trial) and job.repeat == 9 and self.stopped.wait(WAIT)):
            return Outcome(failure="Interrupted", reason="interrupted")
        say(given.record(events.StageStarted(job.stage, job.words, given.key, job.about, device)))
        if job.about.task == "sick":
            return Outcome(failure="TrainingDiverged", reason="the loss is not finite")
        if job.about.task == "lost":
            return Outcome(failure="Bug", reason="KeyError: 1", trace="Traceback: there")
        for need in jobs.needs(job):
            found = self.artifacts.find(need.stage, jobs.key(need, FACTS), files=False)
            if job.about.task == "shy" and Maker.shyness > 0:
                Maker.shyness -= 1
                self.artifacts.free(found.folder, found.there)
            if found is None or self.artifacts.find(found.stage, found.key) is None:
                return Outcome(failure="ResultGone", reason="it is gone")
        self.artifacts.save(job.stage, given.key, {"score": 0.5}, lambda folder: (folder / "weights").write_bytes(b"x"))
        return Outcome(seconds=1.5)


@contextmanager
def driving(folder: Path, control: Control | None = None, devices: int = 2):
    """A driver, and the list of what was said."""
    said: list[events.Event] = []
    setup = Setup((), f"{__name__}:Maker", str(folder), lambda record: driver.hear(record))
    executor = ThreadExecutor([Device(f"cpu{i}") for i in range(devices)], setup)
    driver = Driver(FACTS, executor, ArtifactStore(folder), said.append, control or Control())
    with driver:
        yield driver, said


def stages(said: list[events.Event], kind: type[events.Event]) -> list[tuple[str, str]]:
    return [(event.stage, event.subject) for event in said if isinstance(event, kind)]


def test_what_is_asked_for_twice_is_computed_once(tmp_path):
    with driving(tmp_path) as (driver, said):
        asked = [driver.get(Trial(primary="mood"), files=i % 2 == 1) for i in range(20)]
        found = [future.result(WAIT) for future in asked]
    assert {artifact.key for artifact in found} == {jobs.key(Trial(primary="mood"), FACTS)}
    assert stages(said, events.StageStarted) == [("trial", "mood")]
    assert stages(said, events.StageFinished) == [("trial", "mood")]


def test_what_a_job_needs_is_there_first_and_what_is_there_needs_nothing(tmp_path):
    with driving(tmp_path) as (driver, said):
        scored = driver.get(Score(task="mood")).result(WAIT)
    assert stages(said, events.StageFinished) == [("tune", "mood"), ("score", "mood")]
    tuned = ArtifactStore(tmp_path).find("tune", jobs.key(Tune(task="mood"), FACTS))
    tuned.folder.rename(tmp_path / "gone")
    with driving(tmp_path) as (driver, said):
        assert driver.get(Score(task="mood")).result(WAIT).key == scored.key
    assert [(type(e).__name__, e.cached) for e in said] == [("StageFinished", True)]


def test_two_that_need_the_same_share_it(tmp_path):
    auxiliaries = (Auxiliary("pair"), Auxiliary("mood", (1, 2)))
    with driving(tmp_path) as (driver, said):
        tests = [driver.get(jobs.Test(primary="mood", auxiliaries=auxiliaries[::step])) for step in (1, -1)]
        assert len({future.result(WAIT).key for future in tests}) == 1, "the order of auxiliaries changes nothing"
    assert stages(said, events.StageStarted) == [("trial", "mood + mood[2] + pair"), ("test", "mood + mood[2] + pair")]


def test_failures_arrive_as_they_were_and_stay(tmp_path):
    with driving(tmp_path) as (driver, said):
        for _ in range(2):
            with pytest.raises(TrainingDiverged, match="not finite"):
                driver.get(Score(task="sick")).result(WAIT)
        with pytest.raises(WorkerBug, match="KeyError") as bug:
            driver.get(Tune(task="lost")).result(WAIT)
    assert bug.value.__notes__ == ["Traceback: there"]
    assert stages(said, events.StageStarted) == [("tune", "sick"), ("tune", "lost")]
    assert stages(said, events.StageFailed) == [("tune", "sick"), ("tune", "lost")]


def test_what_is_gone_before_it_can_be_read_is_computed_again_once(tmp_path):
    """Another run of the store has freed it, or `cache gc` has removed it, in the instant after it was found."""
    Maker.shyness = 1
    with driving(tmp_path) as (driver, said):
        assert driver.get(Score(task="shy")).result(WAIT).result == {"score": 0.5}
    assert stages(said, events.StageStarted) == [("tune", "shy"), ("score", "shy"), ("tune", "shy"), ("score", "shy")]
    assert stages(said, events.StageFailed) == []
    Maker.shyness = 2
    with driving(tmp_path / "other") as (driver, said), pytest.raises(ResultGone):
        driver.get(Score(task="shy")).result(WAIT)
    assert stages(said, events.StageFailed) == [("score", "shy")]


def test_what_was_freed_is_computed_again_where_its_files_are_needed_and_only_there(tmp_path):
    with driving(tmp_path) as (driver, _):
        tuned = driver.get(Tune(task="mood")).result(WAIT)
    driver.artifacts.free(tuned.folder, tuned.there)
    with driving(tmp_path) as (driver, said):
        assert driver.get(Tune(task="mood")).result(WAIT).freed == ("weights",)
        driver.get(Score(task="mood")).result(WAIT)
        assert driver.get(Tune(task="mood"), files=True).result(WAIT).freed == ()
    assert stages(said, events.StageStarted) == [("tune", "mood"), ("score", "mood")]


class Split:
    """An executor whose network is cut: it takes the first `cuts` attempts for lost, which go on all the same, say what they do,
    and store what they have computed, each once `mended` is set."""

    devices = (Device("cpu"),)

    def __init__(self, folder: Path, cuts: int) -> None:
        self.worker, self.cuts = Maker(str(folder)), cuts
        self.mended = threading.Event()
        self.late: list[threading.Thread] = []
        self.driver: Driver

    def submit(self, task: str) -> Future[str]:
        future: Future[str] = Future()
        if len(self.late) == self.cuts:
            future.set_result(self.worker.work(task, "cpu", self.driver.hear))
        else:
            self.late.append(threading.Thread(target=self.later, args=(task,)))
            self.late[-1].start()
            future.set_exception(WorkerLost("no answer"))
        return future

    def later(self, task: str) -> None:
        assert self.mended.wait(WAIT)
        self.worker.work(task, "cpu", self.driver.hear)

    def order(self, order: str) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("first", ["late", "present"])
def test_of_two_attempts_at_work_one_counts(tmp_path, first):
    """Whichever is the first to store its result: that is there once and stays as it is, and who was late is not heard."""
    executor, said = Split(tmp_path, 1), list[events.Event]()
    store = ArtifactStore(tmp_path)
    driver = executor.driver = Driver(FACTS, executor, store, said.append, Control())
    if first == "late":
        executor.driver = driver
        begin = driver.executor.submit

        def after_the_late_one(task: str) -> Future[str]:
            if executor.late:
                executor.mended.set()
                executor.late[0].join(WAIT)
            return begin(task)

        driver._attempts._submit = after_the_late_one
    with driver:
        found = driver.get(Tune(task="mood")).result(WAIT)
        stored = (found.folder / "weights").stat().st_ino
        executor.mended.set()
        executor.late[0].join(WAIT)
    assert (found.folder / "weights").stat().st_ino == stored
    assert stages(said, events.StageStarted) == [("tune", "mood")]
    assert stages(said, events.StageFinished) == [("tune", "mood")]
    assert [e.message for e in said if isinstance(e, events.Warned)] == [
        "tune mood: a worker was lost (no answer); another one goes on"
    ]
    assert store.find("tune", found.key) == found


def test_a_task_that_loses_one_worker_after_the_other_fails(tmp_path):
    executor, said = Split(tmp_path, 3), list[events.Event]()
    driver = executor.driver = Driver(FACTS, executor, ArtifactStore(tmp_path), said.append, Control())
    with driver, pytest.raises(RunError, match="tune mood has lost 3 workers, the last one: no answer"):
        driver.get(Tune(task="mood")).result(WAIT)
    executor.mended.set()
    for late in executor.late:
        late.join(WAIT)
    assert stages(said, events.StageFailed) == [("tune", "mood")]
    assert not stages(said, events.StageStarted)


def test_an_outcome_of_another_attempt_does_not_count(tmp_path):
    """An executor that reads outcomes from files may find an old one."""
    with driving(tmp_path) as (driver, _):
        driver._attempts._submit = lambda task: driver.executor.submit(task.replace('"attempt":1', '"attempt":7'))
        with pytest.raises(RunError, match="attempt 1 was answered with the outcome of attempt 7"):
            driver.get(Tune(task="mood")).result(WAIT)


def test_a_stop_reaches_what_runs_and_what_waits(tmp_path):
    control = Control()
    with driving(tmp_path, control, devices=1) as (driver, said):
        running, waiting = driver.get(Trial(primary="mood", repeat=9)), driver.get(Embed(task="pair"))
        control.stop(Cancelled, "cancelled")
        for future in (running, waiting):
            with pytest.raises(Cancelled):
                future.result(WAIT)
    assert stages(said, events.StageFailed) == [], "what was stopped has not failed"


def test_repeats_differ_in_their_seed_alone_and_the_first_is_the_run_itself():
    first, second = Tune(task="mood"), Tune(task="mood", repeat=1)
    assert jobs.key(first, FACTS) != jobs.key(second, FACTS)
    assert FACTS.repeat_seed(0) == FACTS.seed
    assert (first.words, second.words) == ("mood", "mood, repeat 1")
    counted = FACTS.training.model_copy(update={"seeds": 5})
    assert jobs.key(second, FACTS) == jobs.key(second, Facts(**(vars(FACTS) | {"training": counted})))
    assert jobs.key(Embed(task="mood", repeat=1), FACTS) == jobs.key(Embed(task="mood"), FACTS)


def test_a_version_of_a_plugin_changes_keys_and_the_first_one_does_not():
    for name, changed in {
        "encoder": vars(FACTS) | {"encoder_version": 2},
        "task type": vars(FACTS) | {"tasks": {t: TaskFacts(**(vars(f) | {"version": 2})) for t, f in FACTS.tasks.items()}},
    }.items():
        for job in (Embed(task="mood"), Tune(task="mood"), Score(task="mood"), Trial(primary="mood"), jobs.Test(primary="mood")):
            assert jobs.key(job, FACTS) != jobs.key(job, Facts(**changed)), name


def test_a_job_is_the_same_after_json():
    job = Trial(primary="mood", auxiliaries=(Auxiliary("pair", (3, 1)), Auxiliary("sick")), repeat=2)
    task = Task(job=job, key="k", devices=(Device("cuda:0", ("bf16", "fp32")),))
    again = Task.model_validate_json(task.model_dump_json())
    assert again == task
    assert jobs.key(again.job, FACTS) == jobs.key(job, FACTS)
