"""What the app does for its screens: it keeps the desk, and answers their messages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from textual import events, on
from textual.app import App, SuspendNotSupported
from textual.message import Message
from textual.widgets import Input

from gradts_engine.printing import printable
from gradts_engine.runtime.store import Store
from gradts_tui.desk import Desk
from gradts_tui.driver import driver
from gradts_tui.engines import Sent, Starting, begin, deliver
from gradts_tui.evidence import Evidence
from gradts_tui.messages import Attach, Complain, Copy, Export, Prefer, Run, Send, Start
from gradts_tui.outside import export, keep_copy
from gradts_tui.preferences import Preferences
from gradts_tui.screens.page import Page
from gradts_tui.shelf import Shelf
from gradts_tui.state import Snapshot

LEAVES = ("leave", "quit", "help_quit")
"""What keys do where the terminal is too small to show anything."""


class Source(Protocol):
    """Where snapshots come from: the reader thread, or a test."""

    def start(self, post: Callable[[Snapshot], object]) -> None:
        """Call `post` with the first snapshot, and with each later one."""

    def stop(self) -> None:
        """Post no more."""

    def wake(self) -> None:
        """Look at once."""


class Host(App[int]):
    """Nothing but its own thread changes the desk: what other threads find out, they post."""

    class Read(Message):
        """Something that a screen asked for has been read from an artifact."""

    def __init__(self, store: Store, source: Source, run: str | None, preferences: Preferences | None, plain: bool) -> None:
        super().__init__(driver_class=driver(self.get_driver_class(), plain))
        self.source = source
        self.shelf = Shelf(lambda: self.post_message(self.Read()))
        self.desk = Desk(store, Evidence(store, self.shelf), preferences or Preferences(), run)

    async def on_event(self, event: events.Event) -> None:
        """Do what keys ask for in the order in which they are pressed. Textual hands each to the widget with the focus, and does
        it when that hands it back: what a busy screen still has then overtakes what was pressed later, on the next one."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self.app_focus = True  # as Textual does with the first key: a page in a browser has it from then on
            active = self.screen.active_bindings.get(event.key)
            if isinstance(self.screen, Page) and self.screen.small and not (active and active.binding.action in LEAVES):
                return  # whatever it did would not be seen
        if isinstance(event, events.Key) and not event.is_forwarded and not isinstance(self.focused, Input):
            active = self.screen.active_bindings.get(event.key)
            if active and active.enabled:
                if isinstance(self.screen, Page):
                    self.screen.notice(event.key)
                if await self.run_action(active.binding.action, active.node):
                    return
        await super().on_event(event)

    def remember(self, **changes: Any) -> None:
        """Remember a choice of the user."""
        self.desk.preferences = replace(self.desk.preferences, **changes)
        self.desk.preferences.save()

    def redraw(self) -> None:
        """Draw the present snapshot again: something that was read is there now."""
        for screen in self.screen_stack:
            if isinstance(screen, Page):
                screen.refresh_run()
                screen.refresh_keys()

    @on(Read)
    def draw_what_was_read(self) -> None:
        """Draw what was read."""
        self.redraw()

    def notify(self, message: str, **options: Any) -> None:
        """Show a message for a while. It may name anything: Textual would send control characters to the terminal as they are."""
        super().notify("\n".join(map(printable, message.split("\n"))), **(options | {"markup": False}))

    def complain(self, message: str) -> None:
        """Show what went wrong, until it is read."""
        self.notify(message, severity="error", timeout=30)
        self.redraw()

    # --- what screens ask for ----------------------------------------------------------------------------------------

    @on(Attach)
    def attach(self, message: Attach) -> None:
        """Look at a run: what waits for a person opens where it is decided."""
        self.desk.selected = message.run
        run = self.desk.run
        self.switch_screen("select" if run and run.waiting else "run")

    @on(Start)
    def start(self, message: Start) -> None:
        """Start an engine and look at its run."""
        self.desk.starting = f"starting an engine for {message.config.name}"
        self.run_worker(partial(begin, message.config, self.desk.store.root, self.post_message), thread=True)
        self.redraw()

    @on(Starting)
    def hear(self, message: Starting) -> None:
        """Show what an engine says that begins."""
        self.desk.starting = message.line
        if message.problem:
            self.complain(message.problem)
        self.source.wake()
        self.redraw()

    @on(Send)
    def send(self, message: Send) -> None:
        """Send a command. Its answer may be there before this is told that it was sent."""
        self.notify(f"{message.words}: asked, after the present step" if message.run.engine else f"{message.words}: asked")
        self.desk.sent[message.command.id] = message.words
        self.run_worker(partial(deliver, message, self.post_message), thread=True)

    @on(Sent)
    def sent(self, message: Sent) -> None:
        """Have an engine take it up, where none is at work."""
        if message.problem:
            self.desk.sent.pop(message.sent.command.id, None)
            self.complain(message.problem)
            return
        self.source.wake()
        started = message.sent.run.view.started
        if message.sent.then_start and started:
            self.post_message(Start(Path(started.config)))

    @on(Export)
    def export(self, message: Export) -> None:
        """Write a file into the present folder, in a thread: it may be large."""
        path = Path(message.name).absolute()

        def work() -> None:
            """Write it, and say so."""
            text, severity = export(path, message.write)
            self.call_from_thread(self.notify, text, severity=severity)

        self.run_worker(work, thread=True)

    @on(Run)
    def run_program(self, message: Run) -> None:
        """Leave the terminal to another program for a while."""
        try:
            with self.suspend():
                failed = subprocess.run(message.command, check=False).returncode
                if failed:
                    input("Enter: back to GradTS ")
        except (SuspendNotSupported, OSError, EOFError) as error:
            self.complain(str(error) or f"{message.command[0]} cannot be run in a browser")
            return
        if not failed:
            message.then()

    @on(Copy)
    def copy(self, message: Copy) -> None:
        """Copy through the terminal (OSC 52), and into a file."""
        self.copy_to_clipboard(message.text)
        text, severity = keep_copy(f"{self.desk.selected or 'runs'}-{message.page}.txt", message.text)
        self.notify(text, severity=severity)

    @on(Prefer)
    def prefer(self, message: Prefer) -> None:
        """Remember choices, and draw by them."""
        self.remember(**message.changes)
        self.redraw()

    @on(Complain)
    def hear_complaint(self, message: Complain) -> None:
        """Say what went wrong."""
        self.complain(message.text)

    def answers(self, snapshot: Snapshot) -> None:
        """Say what became of commands."""
        for run in snapshot.runs:
            for identifier in [i for i in self.desk.sent if i in run.view.answers]:
                answer, words = run.view.answers[identifier], self.desk.sent.pop(identifier)
                if answer.accepted:
                    self.notify(f"{words}: done")
                else:
                    self.complain(f"{words}: refused: {answer.reason}")
