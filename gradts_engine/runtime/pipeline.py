"""The whole method, from a checked experiment to trained models; read it top to bottom."""

from __future__ import annotations

import math
import queue
import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Selection, Trials
from gradts_engine.errors import Interrupted, RunError, WaitingForConfirmation
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.learning.about import is_export
from gradts_engine.runtime.answers import hand_out, span_types
from gradts_engine.runtime.arms import Arms
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.card import model_card
from gradts_engine.runtime.cleaning import sweep
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.decisions import Decisions
from gradts_engine.runtime.described import beginning, describe
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.endings import ended, raise_all, tidy
from gradts_engine.runtime.gathering import Gathering
from gradts_engine.runtime.jobs import Export, Test
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.judging import check_rows, judge_of
from gradts_engine.runtime.listening import Listener
from gradts_engine.runtime.plan import expected
from gradts_engine.runtime.prepare import Prepared, check, load_executor, prepare, run_id
from gradts_engine.runtime.proposals import propose
from gradts_engine.runtime.ranking import most_trials, needed, rank, silent, stored_for, told, versions_of
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.watch import Watch, refuse_old_commands

Ask = Callable[[RunFolder, str, Callable[[], bool]], Sequence[str] | None]
"""Asks a person to confirm a primary's proposal, with the run to look at: the names of the auxiliaries to train with, or None to
decide later. Meanwhile it calls the last argument, several times a second, and is back soon after that was true."""


@dataclass(frozen=True)
class Options:
    """How a run is to be made, as opposed to what (which is the experiment)."""

    listeners: tuple[Listener, ...] = ()
    ask: Ask = lambda run, primary, settled: None
    accept: bool = False
    """Take every proposal as it is, whatever tasks.toml says."""
    control: Control = field(default_factory=Control)
    """Has the run stop, hold or save at its next safe point."""
    versions: Mapping[str, str] = field(default_factory=dict)


def run_experiment(experiment: Experiment, catalog: Catalog, store: Store, options: Options) -> RunFolder:
    """Run all stages; what the store already has is not computed again.

    Raises `WaitingForConfirmation` where a person has to decide first, `Interrupted` where it was asked to stop, and `RunError`
    where a primary has no result. Everything finished before is kept in each case.
    """
    with closing(load_executor(experiment, catalog, store.root, lambda record: driver.hear(record))) as executor:
        prepared = prepare(experiment, catalog, executor.devices)
        name, reads = run_id(prepared), needed(experiment.selection, catalog)
        begun = store.folder(name).events.exists()
        if not begun:  # or else there may be nothing left to do
            executor.order("prepare")
        told_before = store.folder(name).view().tasks if begun else {}
        described = describe(experiment, prepared.types, prepared.data, told_before)
        stored = stored_for(experiment, catalog, store, prepared.facts, name)
        if not begun:  # or else it was checked then, and may have nothing left to do
            check(prepared)
            check_rows(prepared, catalog)
        run = store.create(name)
        with run.locked(), Journal(run.events, options.listeners) as journal:
            sweep(store, run)
            refuse_old_commands(run, journal)
            devices = tuple(device.shown for device in executor.devices)
            planned = expected(prepared, catalog, store, run.view(), devices[0])
            trials = most_trials(experiment, catalog)
            for event in beginning(run, store, prepared, described, devices, options.versions, reads, trials):
                journal.emit(event)
            if planned:
                journal.emit(planned)
            driver = Driver(prepared.facts, executor, store.artifacts, journal.emit, options.control)
            try:
                with driver:
                    gathering = Gathering(prepared, driver, journal.emit, reads, stored)
                    Pipeline(prepared, driver, run, journal, catalog, gathering, options).run()
            except BaseException as error:
                with suppress(RunError):  # a journal that cannot be written either does not hide why
                    journal.emit(ended(error))
                raise
            tidy(store, run, journal.emit)
            journal.emit(events.RunEnded("done"))
    return run


class Pipeline:
    """One execution of a run."""

    def __init__(
        self,
        prepared: Prepared,
        driver: Driver,
        run: RunFolder,
        journal: Journal,
        catalog: Catalog,
        gathering: Gathering,
        options: Options,
    ) -> None:
        self.prepared = prepared
        self.experiment = prepared.experiment
        self.facts = prepared.facts
        self.driver = driver
        self.folder = run
        self.journal = journal
        self.emit = journal.emit
        self.catalog = catalog
        self.options = options
        self.news: queue.SimpleQueue[tuple[str, int, BaseException | None]] = queue.SimpleQueue()
        """Primaries that were decided on (0), or have come to the end of a step (1), with what it failed of."""
        self.busy = 0
        """Steps of primaries that have begun and not come to their end."""
        self.failed: dict[str, BaseException] = {}
        self.unasked: list[str] = []
        """Primaries with a proposal on which a person is to be asked."""
        self.pool = ThreadPoolExecutor(max(1, len(self.experiment.primaries)), "primary")
        self.decisions = Decisions(prepared, journal, lambda primary: self.news.put((primary, 0, None)))
        self.gathering = gathering
        self.arms = Arms(prepared, driver, journal.emit)
        self.watch = Watch(run, options.control, journal, self.decisions.decide)

    def run(self) -> None:
        """Gather evidence of every task once; then each primary goes its own way: rank, propose, confirm, train."""
        with self.watch:
            try:
                self.gathering.tasks()
                self.gathering.pilots(self.arms)
                primaries = [p for p in self.experiment.primaries if self.gathering.has(p)]
                without = [p for p in self.experiment.primaries if p not in primaries]
                for primary in without:
                    self.decisions.withdraw(primary)
                failed = self.primaries(primaries)
            except BaseException:
                self.options.control.stop()  # nobody waits for what is computed now
                raise
        if without:
            reason = f"no result for {', '.join(without)}: the fine-tuning failed (see above)"
            failed = {**failed, ", ".join(without): RunError(reason)}
        raise_all(failed.values())
        if waiting := [p for p in primaries if p not in self.decisions.begun]:
            run = f"{self.folder.id} --store {shlex.quote(str(self.folder.store.absolute()))}"
            raise WaitingForConfirmation(
                f"waiting for confirmation of {', '.join(waiting)}: look with `gradts-engine results {run}`, "
                f"decide with `gradts-engine confirm {run}`, then give the same command again"
            )

    def primaries(self, primaries: Sequence[str]) -> dict[str, BaseException]:
        """Propose, confirm and finish for each primary, in a thread each, of which the devices' workers do the work; what the
        failed ones failed of. A person at the terminal is asked here, in the caller's thread, which signals reach."""
        with self.pool:
            try:
                for primary in primaries:
                    self._begin(primary, self.propose)
                while not self._over():
                    self._hear(*self.news.get())
                    while self.unasked:
                        self.confirm(self.unasked.pop(0))
            except BaseException:
                self.options.control.stop()
                raise
        return self.failed

    def _hear(self, primary: str, steps: int, error: BaseException | None) -> None:
        """Take up what has become of a primary: it failed, was decided on, or has a proposal."""
        self.busy -= steps
        if error:
            self.failed[primary] = error
            self.decisions.withdraw(primary)
            if self.busy and not isinstance(error, Interrupted):
                self.emit(events.Warned(f"{primary} has no result: {error}"))
        elif primary not in self.decisions.begun:
            self.watch.look()
            if not self.decisions.decided(primary) and (self.options.accept or self.experiment.selection.confirm == "auto"):
                self.decisions.accept(primary, None, "policy")
            if not self._train(primary):
                self.unasked.append(primary)

    def _begin(self, primary: str, step: Callable[..., None], *arguments: object) -> None:
        self.busy += 1
        self.pool.submit(self._step, primary, step, *arguments)

    def _step(self, primary: str, step: Callable[..., None], *arguments: object) -> None:
        error: BaseException | None = None
        try:
            step(primary, *arguments)
        except BaseException as failure:
            error = failure
        self.news.put((primary, 1, error))

    def _over(self) -> bool:
        """Whether nothing is left to do; decisions that come later are then left to the next engine."""
        with self.watch.looking:
            self.decisions.closed = not self.busy and self.news.empty()
        return self.decisions.closed

    # --- proposal -----------------------------------------------------------------------------------------------------

    def propose(self, primary: str) -> None:
        """Run the strategy, and keep and announce its selection."""
        selection, evidence = self.experiment.selection, self.gathering.evidence(primary)
        ranking = rank(
            evidence,
            self.experiment.candidates(primary),
            selection,
            self.catalog,
            lambda task: self.gathering.instance_tau(primary, task),
        )
        for warning in silent(ranking, evidence, self.catalog):
            self.emit(events.Warned(warning))
        spec = self.catalog.strategies[selection.strategy]
        self.emit(told(ranking, self.catalog))
        judge = judge_of(self.prepared, primary)
        runs = Trials(
            lambda selections, repeats: self.arms.evaluate(primary, selections, repeats, judge if spec.judges else None),
            lambda selections, repeats: self.arms.judge(primary, selections, repeats, judge),
        )
        chosen = self.prepared.usable(primary, spec.load()(ranking, runs, self.experiment.strategy))
        self.arms.tell_expected(primary, chosen, judge)
        correlation = self.gathering.correlations.get(primary)
        versions = versions_of(selection, self.catalog)
        proposal = propose(self.driver, self.prepared, primary, correlation, chosen, versions)
        self.decisions.offer(primary, proposal)

    # --- decision and final training ----------------------------------------------------------------------------------

    def confirm(self, primary: str) -> None:
        """Ask a person, who may as well decide elsewhere meanwhile, or not yet."""
        answer = None
        if not self._settled(primary):
            self.journal.wait()  # a person is asked once all is shown that was said before
            answer = self.options.ask(self.folder, primary, lambda: self._settled(primary))
        if self.options.control.stopping:
            self.options.control.check()
        self.watch.look()
        with self.watch.looking:
            if answer is not None and not self.decisions.decided(primary):
                self.decisions.accept(primary, answer, "person")
        self._train(primary)

    def _settled(self, primary: str) -> bool:
        """Whether there is nothing to ask any more. Nobody else takes up what becomes of the others while a person is asked."""
        while not self.news.empty():
            self._hear(*self.news.get())
        return self.options.control.stopping or self.decisions.decided(primary) is not None

    def _train(self, primary: str) -> bool:
        """Begin the final training where somebody has decided; whether it has begun."""
        with self.watch.looking:  # the last word before the training begins
            if primary not in self.decisions.begun and self.decisions.decided(primary):
                self._begin(primary, self.finish, self.decisions.begin(primary))
        return primary in self.decisions.begun

    def finish(self, primary: str, selection: Selection) -> None:
        """Train with the confirmed selection (a trial that was run before is taken as it is), compare with the primary alone, and
        export the model where that is not there already."""
        ([before], [found]) = self.arms.trials(primary, [(), selection], [0])
        if found is None:
            raise RunError(f"the final training of {primary} failed (see above)")
        alone = float(before.result["score"]) if before else math.nan
        final = float(found.result["score"])
        self.arms.tell_expected(primary, selection, judge_of(self.prepared, primary))
        tested, alone_tested = self.tested(primary, selection, None if math.isnan(alone) else ())
        test, alone_test = (of.result["score"] if of else None for of in (tested, alone_tested))
        data = self.prepared.data[primary]
        predictions = str(hand_out(self.folder.predictions.absolute(), data, tested)) if tested else ""
        folder = str((self.folder.models / primary).absolute())
        types = span_types(data, found, tested)
        result = events.FinalModel(primary, final, folder, test, alone_test, predictions, found.key, types)
        self.journal.wait(0.0)  # the card says what was told before
        card = model_card(self.prepared, selection, result, alone, self.options.versions, self.journal.view)
        if not is_export(Path(folder), found.key, card):
            self.driver.act(Export(primary=primary, auxiliaries=selection, folder=folder, card=card)).result()
        self.emit(result)

    def tested(self, primary: str, *selections: Selection | None) -> list[Artifact | None]:
        """What the models of trials say of the test rows, side by side; None where the task has none, or there is no trial."""
        if self.facts.tasks[primary].digests.keys().isdisjoint(("test", "unlabelled")):
            return [None for _ in selections]
        jobs = [None if chosen is None else Test(primary=primary, auxiliaries=chosen) for chosen in selections]
        asked = [self.driver.get(job, files=True) if job else None for job in jobs]
        return [future.result() if future else None for future in asked]
