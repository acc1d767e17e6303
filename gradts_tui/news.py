"""What a person who looks elsewhere is told of, and how a terminal is made to tell it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gradts_tui.state import RunState, Snapshot

ENDS = {"failed": "has failed", "died": "has died", "done": "is done"}
OSC_777 = ("rxvt", "foot")
"""Kinds of terminal that know the notification of rxvt; the others know that of iTerm2, or pass over it."""
MUTE = ("linux", "dumb")


def news(before: Snapshot | None, now: Snapshot) -> list[str]:
    """A line for each run that began to wait for a person, or that ended, since the snapshot before. What waited already is told
    once, when the UI starts."""
    earlier = {run.id: run for run in before.runs} if before else {}
    return [line for run in now.runs if (line := _news(earlier.get(run.id), run))]


def _news(before: RunState | None, now: RunState) -> str:
    if now.waiting and set(now.waiting) - set(before.waiting if before else ()):
        return f"{now.id} waits for you"
    if before and before.state != now.state and now.state in ENDS:
        return f"{now.id} {ENDS[now.state]}"
    return ""


def window_title(waiting: Iterable[str], run: RunState | None) -> str:
    """Which runs wait, or else how the one is that is looked at."""
    names = ", ".join(sorted(set(waiting)))
    return f"{names} waits for you" if names else f"{run.id} {run.state}" if run else "GradTS"


def notification(text: str, term: str) -> str:
    """What shows a text on the desktop: OSC 777 or OSC 9, through tmux or screen where they are in between (tmux asks for `set -g
    allow-passthrough on`); nothing where it would only be noise."""
    if term.startswith(MUTE):
        return ""
    words = "".join(c for c in text if c.isprintable() and c != ";")
    sequence = f"\x1b]777;notify;GradTS;{words}\x07" if term.startswith(OSC_777) else f"\x1b]9;{words}\x07"
    if term.startswith("tmux"):
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return f"\x1bP{sequence}\x1b\\" if term.startswith("screen") else sequence
