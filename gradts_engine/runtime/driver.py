"""Who asks: finds the results of jobs, or has an executor compute them, each once, after what it needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from gradts_engine import errors, events
from gradts_engine.contracts import Executor, Order
from gradts_engine.errors import GradTSError, Interrupted, ResultGone, RunError
from gradts_engine.events import About
from gradts_engine.hooks.catalog import versions
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import Artifact, ArtifactStore, Files, Result, awaited
from gradts_engine.runtime.attempts import Attempts
from gradts_engine.runtime.control import POLL, Control
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.jobs import Export, Job, Outcome, Task

T = TypeVar("T")
Emit = Callable[[events.Event], None]


class WorkerBug(Exception):
    """What a worker stumbled over, with its traceback as a note."""


class Driver:
    """Asks an executor for the results of one run's jobs, and passes on to its workers what `control` says. A context manager."""

    def __init__(self, facts: Facts, executor: Executor, artifacts: ArtifactStore, emit: Emit, control: Control) -> None:
        self.facts = facts
        self.executor = executor
        self.artifacts = artifacts
        self.emit = emit
        self.control = control
        self.failure: RunError | None = None
        """Why what a worker said could not be written."""
        self._asked: dict[tuple[str, Files], Future[Artifact]] = {}
        """By key and the files that are needed."""
        self._computed: dict[str, Future[Artifact]] = {}
        self._table = threading.Lock()
        self._announced: set[str] = set()
        self._attempts = Attempts(executor.submit, self.warn, control)
        self._told = facts.told(versions()) if any(device.place for device in executor.devices) else {}
        self._finder = ThreadPoolExecutor(1, "driver")
        """Looks for results and submits tasks, in the order in which they were asked for."""
        self._ended = threading.Event()
        self._relay = threading.Thread(target=self._pass_on, name="orders", daemon=True)

    def __enter__(self) -> Driver:
        self._relay.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind:
            self.control.stop()  # what runs is not waited for longer than to its next safe point
            self.executor.order("stop")
        self.executor.close()
        self._finder.shutdown()
        self._ended.set()
        self._relay.join()

    # --- asking -------------------------------------------------------------------------------------------------------

    def get(self, job: Job, *, files: Files = False) -> Future[Artifact]:
        """The result of a job: in flight, found, or computed after what it needs; with the `files` that are needed, beside its
        small values. The future fails as the computation did: `TrainingDiverged`, `Interrupted`, ..."""
        key = jobs.key(job, self.facts)
        with self._table:
            if (key, files) not in self._asked:
                future = self._asked[key, files] = Future[Artifact]()
                self._later(future, lambda: self._find(job, key, files, future))
            return self._asked[key, files]

    def act(self, job: Export) -> Future[None]:
        """Have an action done, after what it needs."""
        future = Future[None]()
        self._later(future, lambda: self._after_needs(job, "", future, lambda outcome: None))
        return future

    def _later(self, future: Future[T], step: Callable[[], object]) -> None:
        """Have the driver's thread take a step towards a future, which fails as the step does, or where the thread has ended."""
        _guarded(future, lambda: self._finder.submit(_guarded, future, step))

    def _find(self, job: Job, key: str, files: Files, future: Future[Artifact]) -> None:
        found = self.artifacts.find(job.stage, key, files=files, warn=self.warn)
        if found:
            self.announce(found, job.words, job.about)
            self.artifacts.workspace(job.stage, key).remove()  # an engine that was killed just before it did
            future.set_result(found)
            return
        with self._table:
            first = key not in self._computed
            computed = self._computed.setdefault(key, Future())
        computed.add_done_callback(lambda done: _settle(future, done.result))
        if first:
            self._announced.add(key)
            _guarded(computed, lambda: self._after_needs(job, key, computed, lambda outcome: self._read(job, key, outcome)))

    def announce(self, found: Artifact, subject: str, about: About) -> None:
        """Say, once, that a result was found, and what it took when it was computed."""
        if found.key not in self._announced:
            self._announced.add(found.key)
            seconds = float(found.made.get("seconds", 0.0))
            self.emit(events.StageFinished(found.stage, subject, found.key, seconds, True, about))

    def make(self, stage: str, primary: str, key: str, compute: Callable[[], Result]) -> Artifact:
        """The result of what takes no device, found or computed here and now."""
        about = About(primary)
        self.control.check()
        found = self.artifacts.find(stage, key, warn=self.warn)
        if found:
            self.announce(found, primary, about)
            return found
        self._announced.add(key)
        self.emit(events.StageStarted(stage, primary, key, about))
        began = time.monotonic()
        made = self.artifacts.save(stage, key, *compute())
        self.emit(events.StageFinished(stage, primary, key, time.monotonic() - began, False, about))
        return made

    def warn(self, message: str) -> None:
        """Tell whoever looks at the run."""
        self.emit(events.Warned(message))

    def _after_needs(self, job: Job, key: str, future: Future[T], finish: Callable[[Outcome], T], *, again: bool = True) -> None:
        """Submit a job once all is there that it takes; its future fails where one of these fails."""
        waiting = [self.get(need, files=True) for need in jobs.needs(job)]
        left = len(waiting)

        def submit() -> None:
            for need in waiting:
                need.result()
            task = Task(job=job, key=key, devices=self.executor.devices, facts=self._told)
            running = self._attempts.begin(task)
            running.add_done_callback(lambda done: self._came(job, key, future, finish, done, again=again))

        def one_more(done: Future[Artifact]) -> None:
            nonlocal left
            with self._table:
                left -= 1
                ready = left == 0
            if ready:
                self._later(future, submit)

        for need in waiting:
            need.add_done_callback(one_more)
        if not waiting:
            submit()

    # --- what comes back ----------------------------------------------------------------------------------------------

    def _came(
        self, job: Job, key: str, future: Future[T], finish: Callable[[Outcome], T], done: Future[Outcome], *, again: bool
    ) -> None:
        """Settle a future. Where what the job needs is gone since it was found, have that computed and the job done once more."""
        try:
            future.set_result(finish(self._outcome(job, key, done, again=again)))
        except ResultGone as error:
            if not again:
                future.set_exception(error)
                return
            needed = [jobs.key(need, self.facts) for need in jobs.needs(job)]
            with self._table:
                for lost in needed:
                    self._asked.pop((lost, True), None)
                    self._computed.pop(lost, None)
            self._later(future, lambda: self._after_needs(job, key, future, finish, again=False))
        except BaseException as error:
            future.set_exception(error)

    def hear(self, record: str) -> None:
        """Take a record of a worker. Where it cannot be written the run ends."""
        said = self._attempts.heard(record)
        event = events.from_record(said) if said else None
        if event is not None:
            try:
                self.emit(event)
            except RunError as error:
                self.failure = self.failure or error
                self.control.stop()

    def _outcome(self, job: Job, key: str, done: Future[Outcome], *, again: bool) -> Outcome:
        """What came of a task; raises what it failed of. `again`: it is done once more where what it needs is gone."""
        try:
            outcome = done.result()
        except CancelledError:
            if self.control.stopping:
                self.control.check()  # says why
            raise Interrupted("interrupted") from None
        except Exception as lost:
            outcome = Outcome(failure="RunError", reason=str(lost))
        if not outcome.failure:
            return outcome
        error = _error(outcome)
        if isinstance(error, Interrupted):
            if self.failure:
                raise self.failure
            self.control.check()  # raises what the run was stopped by
        elif key and not (again and isinstance(error, ResultGone)):
            self.emit(events.StageFailed(job.stage, job.words, outcome.reason, key, job.about))
        raise error

    def _read(self, job: Job, key: str, outcome: Outcome) -> Artifact:
        found = awaited(lambda: self.artifacts.find(job.stage, key, files=False), self.executor.devices)
        if found is None:
            raise RunError(f"the result of {job.stage} {job.words} is not in {self.artifacts.root}, although it was computed")
        took = (outcome.seconds, False, job.about, outcome.operations, outcome.steps)
        self.emit(events.StageFinished(job.stage, job.words, key, *took))
        return found

    # --- orders -------------------------------------------------------------------------------------------------------

    def _pass_on(self) -> None:
        """Signal handlers and commands set what is plain attributes: workers, wherever they are, are told of it from here."""
        stopped, paused, saves = False, False, self.control.saves
        while not self._ended.wait(POLL):
            now: list[Order] = []
            if self.control.saves != saves:
                now.append("save")
            if self.control.paused != paused:
                now.append("pause" if self.control.paused else "resume")
            if self.control.stopping and not stopped:
                now.append("stop")
            stopped, paused, saves = self.control.stopping, self.control.paused, self.control.saves
            for order in now:
                self.executor.order(order)


def _error(outcome: Outcome) -> Exception:
    kind = getattr(errors, outcome.failure, None)
    if isinstance(kind, type) and issubclass(kind, GradTSError):
        return kind(outcome.reason.splitlines()) if issubclass(kind, errors.ProblemsError) else kind(outcome.reason)
    bug = WorkerBug(outcome.reason)
    bug.add_note(outcome.trace)
    return bug


def _guarded(future: Future[T], step: Callable[[], object]) -> None:
    """What fails before a task is on its way fails its future."""
    try:
        step()
    except BaseException as error:
        future.set_exception(error)


def _settle(future: Future[T], get: Callable[[], T]) -> None:
    try:
        result = get()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
