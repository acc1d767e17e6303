"""What a second node is worth: `python scaling.py [EPOCHS]` has a run computed on one node and on two, each with a core of its
own, and prints the seconds from its first job to its last, and those of all its jobs together: the rest, nodes have waited.
For a machine with two idle cores and nothing else to do."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from nodes import Nodes, environment
from runs import command, run

from gradts_engine import events
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store
from gradts_engine.testing import toy_run


def seconds(store: Path) -> tuple[float, float]:
    """From the first job's begin to the last one's end, and of all jobs together."""
    told = [*read_events(Store(store).run(None).events)]
    begun = [time for _, time, event in told if isinstance(event, events.StageStarted) and event.device]
    ended = [(time, event) for _, time, event in told if isinstance(event, events.StageFinished) and not event.cached]
    return ended[-1][0] - begun[0], sum(event.seconds for _, event in ended)


def main(epochs: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, Nodes(cores=True) as nodes:
        folder, took = Path(name), []
        toy_run(folder, epochs=epochs, steps=6 * epochs)
        config = folder / "tasks.toml"
        config.write_text(re.sub(r"(\[(training|multitask)\]\n)", r"\1seeds = 4\n", config.read_text()))  # jobs for both
        for count in (2, 1):
            on = command(folder, nodes.store / str(count), "--executor", "ray", "--address", nodes.address)
            run(nodes.first.inside(*on), environment=environment())
            took.append(seconds(nodes.store / str(count)))
            nodes.second.stop()
            nodes.wait(1)
        (two, twos), (one, ones) = took
        sys.stdout.write(
            f"one node {one:.1f} s, jobs {ones:.1f} s; two {two:.1f} s, jobs {twos:.1f} s: {one / two:.2f} times as fast\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
