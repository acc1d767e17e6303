"""The whole method, from a checked experiment to trained models; read it top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary, Evidence, Executor, Repeats, Selection, Trials, Verdict
from gradts_engine.errors import Cancelled, Interrupted, RunError, Terminated, TrainingDiverged, WaitingForConfirmation
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.learning.overlap import left_out, usable
from gradts_engine.runtime import stages, trials
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.card import model_card
from gradts_engine.runtime.cleaning import sweep
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.described import describe
from gradts_engine.runtime.inbox import Confirm
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.listening import Listener
from gradts_engine.runtime.mounts import network_file_system
from gradts_engine.runtime.prepare import check, method_settings, prepare, run_id
from gradts_engine.runtime.ranking import rank
from gradts_engine.runtime.shards import read_raw
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.watch import Watch, refuse_old_commands
from gradts_engine.runtime.workbench import Workbench
from gradts_engine.scoring.normalise import mean_importance
from gradts_engine.selection.strategies import keep_instances

Ask = Callable[[RunFolder, str], Sequence[str] | None]
"""Asks a person to confirm a primary's proposal, with the run to look at: the names of the auxiliaries to train with, or None to
decide later."""


@dataclass(frozen=True)
class Options:
    """How a run is to be made, as opposed to what (which is the experiment)."""

    listeners: tuple[Listener, ...] = ()
    ask: Ask = lambda run, primary: None
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
    devices, types, data, encoder = prepare(experiment, catalog)
    described = describe(experiment, types, data)
    name = run_id(experiment, data, encoder.digest)
    if not store.folder(name).events.exists():  # a run that was begun was checked then, and may have nothing left to do
        check(experiment, types, data, encoder)
    run = store.create(name)
    with run.locked(), Journal(run.events, options.listeners) as journal:
        sweep(store, run)
        refuse_old_commands(run, journal.emit)
        journal.emit(
            events.RunStarted(
                run=run.id,
                config=str(experiment.path.absolute()),
                encoder=encoder.name,
                tasks=tuple(data),
                primaries=experiment.primaries,
                devices=devices,
                settings=method_settings(experiment),
                versions=options.versions,
                store=str(store.root.absolute()),
            )
        )
        if kind := network_file_system(store.root):
            journal.emit(events.Warned(f"{store.root} is on a network file system ({kind}): safe, but slower than a local disk"))
        for task in described:
            journal.emit(task)
            for warning in task.warnings:
                journal.emit(events.Warned(f"task '{task.task}': {warning}"))
        bench = Workbench(experiment, data, types, encoder, store.artifacts, journal.emit, options.control)

        def ask(run: RunFolder, primary: str) -> Sequence[str] | None:
            journal.wait()  # a person is asked once all is shown that was said before
            return options.ask(run, primary)

        try:
            with closing(catalog.executors[experiment.run.executor].load(devices)) as executor:
                pipeline = Pipeline(bench, executor, run, catalog, replace(options, ask=ask))
                with pipeline.watch:
                    pipeline.run()
        except BaseException as error:
            with suppress(RunError):  # a journal that cannot be written either does not hide why
                journal.emit(_ended(error))
            raise
        journal.emit(events.RunEnded("done"))
    return run


def _ended(error: BaseException) -> events.RunEnded:
    if isinstance(error, WaitingForConfirmation):
        return events.RunEnded("waiting", str(error))
    if isinstance(error, Cancelled):
        return events.RunEnded("cancelled")
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return events.RunEnded("interrupted", "SIGTERM" if isinstance(error, Terminated) else "")
    return events.RunEnded("failed", str(error) or type(error).__name__)


@dataclass(frozen=True)
class Proposal:
    """What a strategy selected for a primary, from which correlations."""

    selection: Selection
    digest: str
    correlation: Artifact

    def edited(self, names: Sequence[str], keep: float | None = None, threshold: float | None = None) -> Selection:
        """Auxiliaries by name: with the proposed instances where they were proposed, with all where they were added; or, with
        `keep` or `threshold`, each with the instances that these choose, left out where that is none."""
        proposed = {a.task: a.instances for a in self.selection}
        if keep is None and threshold is None:
            return tuple(Auxiliary(name, proposed.get(name)) for name in names)
        taus = self.correlation.arrays(stages.TAU)
        rows = {name: keep_instances(taus[name], threshold=threshold, keep=keep or 1.0) for name in names}
        return tuple(Auxiliary(name, kept) for name, kept in rows.items() if kept)


def _no_judge(selections: Sequence[Selection], repeats: Sequence[int]) -> Sequence[Verdict]:
    raise RunError("verdicts need several seeds, which runs do not have yet")


class Pipeline:
    """One execution of a run."""

    def __init__(self, bench: Workbench, executor: Executor, run: RunFolder, catalog: Catalog, options: Options) -> None:
        self.bench = bench
        self.experiment = bench.experiment
        self.executor = executor
        self.folder = run
        self.catalog = catalog
        self.options = options
        self.watch = Watch(run, options.control, bench.emit, self.decide)
        self.proposed: dict[str, Proposal] = {}
        self.proposing = True
        self.decided: set[str] = set()

    def run(self) -> None:
        """Score every task once; then, for each primary: rank, propose, confirm, train."""
        scores, states = self.score_tasks()
        primaries = [p for p in self.experiment.primaries if p in scores]
        correlations = stages.correlate(self.bench, primaries, scores, states)
        # Primaries wait for each other's devices, not for each other: a thread each, of which the devices' workers do the work.
        with ThreadPoolExecutor(max(1, len(primaries)), "primary") as pool:
            list(pool.map(lambda p: self.propose(p, correlations[p], scores, states), primaries))
            self.proposing = False
            decisions = {p: self.confirm(p) for p in primaries}
            confirmed = {p: selection for p, selection in decisions.items() if selection is not None}
            list(pool.map(lambda p: self.finish(p, confirmed[p]), confirmed))
        if failed := [p for p in self.experiment.primaries if p not in scores]:
            raise RunError(f"no result for {', '.join(failed)}: the fine-tuning failed (see above)")
        if waiting := [p for p in primaries if p not in confirmed]:
            run = f"{self.folder.id} --store {self.folder.store}"
            raise WaitingForConfirmation(
                f"waiting for confirmation of {', '.join(waiting)}: look with `gradts-engine results {run}`, "
                f"decide with `gradts-engine confirm {run}`, then give the same command again"
            )

    # --- evidence -----------------------------------------------------------------------------------------------------

    def score_tasks(self) -> tuple[dict[str, Artifact], dict[str, np.ndarray]]:
        """Importance and mean state of every task; a task whose training failed is left out (its events say why)."""
        embedding = {t: self.executor.submit(partial(stages.embed, self.bench, t)) for t in self.bench.data}
        scoring = {t: self.executor.submit(partial(stages.score, self.bench, t)) for t in self.bench.data}
        scores = {}
        for task, future in scoring.items():
            try:
                scores[task] = future.result()
            except TrainingDiverged as error:
                self.bench.emit(events.Warned(f"{task} is left out: {error}"))
        return scores, {task: future.result() for task, future in embedding.items()}

    def propose(
        self, primary: str, correlation: Artifact, scores: Mapping[str, Artifact], states: Mapping[str, np.ndarray]
    ) -> None:
        """Run the strategy, and keep and announce its selection."""
        found = [primary, *correlation.result["tau"]]
        importance = cache(lambda task: mean_importance(read_raw(scores[task].folder / stages.RAW)))
        evidence = Evidence(
            primary=primary,
            candidates=tuple(c for c in self.experiment.candidates(primary) if c in found),
            importance=lambda task, repeat: importance(task),
            state=states.__getitem__,
        )
        ranking = rank(
            evidence,
            self.experiment.candidates(primary),
            self.experiment.selection,
            self.catalog,
            lambda task: self.instance_tau(primary, correlation, task),
        )
        strategy = self.catalog.strategies[self.experiment.selection.strategy].load()
        runs = Trials(lambda selections, repeats: self.evaluate(primary, selections, repeats), _no_judge)
        chosen = self.usable(primary, strategy(ranking, runs, self.experiment.strategy))
        proposal = trials.propose(self.bench, primary, correlation, chosen)
        self.proposed[primary] = Proposal(chosen, proposal.key, correlation)
        self.bench.emit(events.Proposed(primary, proposal.key, trials.sizes(self.bench, chosen)))

    def evaluate(self, primary: str, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Repeats]:
        """Dev scores of trials, NaN for one that failed."""
        assert list(repeats) == [0], "one seed a run, so far"
        futures = [self.executor.submit(partial(trials.trial, self.bench, primary, self.usable(primary, s))) for s in selections]
        scores = []
        for future in futures:
            try:
                scores.append(Repeats((float(future.result().result["score"]),)))
            except TrainingDiverged:
                scores.append(Repeats((math.nan,)))
        return scores

    def instance_tau(self, primary: str, correlation: Artifact, task: str) -> np.ndarray:
        """Tau of a primary with every train instance of a candidate, NaN for those that it cannot be trained with."""
        tau = np.array(correlation.arrays(stages.TAU)[task])
        if self.experiment.data.overlap == "drop":
            tau[left_out(self.bench.data[primary], self.bench.data[task])] = math.nan
        return tau

    def usable(self, primary: str, selection: Selection) -> Selection:
        """A selection without rows that the primary is judged by."""
        return usable(selection, primary, self.bench.data, self.experiment.data.overlap)

    # --- decision -----------------------------------------------------------------------------------------------------

    def confirm(self, primary: str) -> Selection | None:
        """What to train: the proposal or a person's edit of it; None where nobody has decided yet."""
        self.watch.look()
        proposal = self.proposed[primary]
        if not self.folder.view().confirmed(primary):
            if self.options.accept or self.experiment.selection.confirm == "auto":
                names, by = [a.task for a in proposal.selection], "policy"
            else:
                answer = self.options.ask(self.folder, primary)
                if answer is None:
                    return None
                names, by = list(answer), "person"
            counts = trials.sizes(self.bench, self.usable(primary, proposal.edited(names)))
            self.bench.emit(events.Confirmed(primary, proposal.digest, counts, by))
        with self.watch.looking:  # the last word before the training begins
            decision = self.folder.view().confirmed(primary)
            self.decided.add(primary)
        assert decision is not None
        return self.usable(primary, proposal.edited(list(decision.auxiliaries), decision.keep, decision.threshold))

    def decide(self, command: Confirm) -> str | None:
        """Take a person's confirmation: why it is refused, or nothing; None while there may still be a proposal to come."""
        primary = command.primary
        proposal = self.proposed.get(primary)
        if proposal is None and self.proposing and primary in self.experiment.primaries:
            return None
        reason = self.objection(proposal, command) if proposal else "there is no proposal"
        if proposal and not reason:
            names = command.auxiliaries if command.auxiliaries is not None else [a.task for a in proposal.selection]
            chosen = self.usable(primary, proposal.edited(names, command.keep, command.threshold))
            counts = trials.sizes(self.bench, chosen)
            decision = events.Confirmed(primary, command.digest, counts, "person", command.keep, command.threshold)
            self.bench.emit(decision)
        else:
            self.bench.emit(events.Warned(f"confirmation of {primary} refused: {reason}"))
        return reason

    def objection(self, proposal: Proposal, command: Confirm) -> str:
        """What is wrong with a confirmation, if anything."""
        if proposal.digest != command.digest:
            return "it answers another proposal than the present one; look again and confirm again"
        if command.primary in self.decided:
            return "the final training has begun; confirm again after it, and give the run's command again"
        candidates, taus = self.experiment.candidates(command.primary), proposal.correlation.result["tau"]
        if unknown := [n for n in command.auxiliaries or () if n not in candidates]:
            return f"{', '.join(unknown)} not among the candidates of {command.primary}"
        cut = command.keep is not None or command.threshold is not None
        if without := [n for n in command.auxiliaries or () if cut and n not in taus]:
            return f"{', '.join(without)} cannot be cut by tau: its fine-tuning failed"
        return ""

    # --- final training -----------------------------------------------------------------------------------------------

    def finish(self, primary: str, selection: Selection) -> None:
        """Train with the confirmed selection (a trial that was run before is taken as it is), compare with the primary alone, and
        export the model."""
        alone, final = (found.mean for found in self.evaluate(primary, [(), selection], [0]))
        if math.isnan(final):
            raise RunError(f"the final training of {primary} failed (see above)")
        folder = (self.folder.models / primary).absolute()
        bench = self.bench

        def job(device: str) -> events.FinalModel:
            test = trials.test_score(bench, primary, selection, device)
            alone_test = None if math.isnan(alone) else trials.test_score(bench, primary, (), device)
            result = events.FinalModel(primary, final, str(folder), test, alone_test)
            card = model_card(bench, selection, result, alone, self.options.versions, self.folder.view().tasks[primary])
            trials.export(bench, primary, selection, device, folder, card)
            return result

        bench.emit(self.executor.submit(job).result())
