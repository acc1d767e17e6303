"""The UI in a real terminal, over real engines that run by themselves."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradts_tui.reader import Reader
from tests.e2e.terminals import TMUX, Terminal, until

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    found = Terminal(folder)
    yield found
    found.kill()


@pytest.fixture
def engines(place) -> Iterator[None]:
    """No engine outlives its test."""
    yield
    for run in place.store.runs():
        if run.engine():
            place("cancel", run.id)
    assert until(lambda: not any(run.engine() for run in place.store.runs()), 60)


def test_two_terminals_from_tasks_toml_to_the_final_model(slow, terminal, engines, folder):
    """What one does the other shows. Neither leaving nor a lost pane ends the engine, only X does. A proposal is edited, and
    decided once; nothing waits in memory."""
    slow.settings["selection"]["confirm"] = "ask"
    slow.settings["training"]["epochs"] = 16
    slow.write()
    store = ("--store", str(slow.store.root))
    other = Terminal(folder)
    try:
        other.start(*store, size=(80, 24))
        terminal.start(str(slow.config))
        terminal.wait("encoder", "mood", "reading the data")
        other.wait("No runs in")
        terminal.press("Enter")  # need not wait for the plan
        other.wait("● running")
        other.press("Enter")
        for each in (terminal, other):
            each.wait("● running", "Tune each task alone")
        other.press("p")
        terminal.wait("= paused", "press p to go on")
        run = slow.latest
        lives_on(run, terminal, store)
        other.press("p")
        for each in (terminal, other):
            each.wait("● running")
        seen = run.view().last
        assert until(lambda: run.view().last > seen)
        terminal.press("X")
        terminal.wait("Stop this run?")
        terminal.press("y")
        for each in (terminal, other):
            each.wait("- stopped", "press c to go on")
        assert until(lambda: not run.engine())
        assert run.view().state == "cancelled"
        other.press("c")
        for each in (terminal, other):
            each.wait("waits for you", "press 4")
            each.press("4")
            each.wait("candidate", "pair", "stars", "tags")
        assert until(lambda: not run.engine())
        decided_once(run, terminal, other)
        assert sum(line.text.startswith("confirmed") for line in Reader(slow.store).look().runs[0].log) == 1
        assert (run.models / "mood" / "config.json").exists()
        terminal.press("5")
        terminal.wait("tasks, each tuned alone", "mood")
        terminal.press("q")
        assert terminal.gone()
    finally:
        other.kill()


def lives_on(run, terminal, store) -> None:
    """Whatever becomes of a terminal; the other one holds the run meanwhile."""
    for leave in (lambda: terminal.press("q"), terminal.kill):  # the latter is SIGHUP to everything in the pane
        leave()
        assert terminal.gone()
        assert run.engine()
        terminal.start(run.id, *store, size=(80, 24))
        terminal.wait("= paused", "Tune each task alone")
    terminal.tmux("resize-window", "-x", "50", "-y", "12")
    terminal.wait("too small")
    terminal.tmux("resize-window", "-x", "140", "-y", "40")
    terminal.wait("= paused", "Tune each task alone", "artifact")  # of the training under the cursor


def decided_once(run, terminal, other) -> None:
    """Both ask; the first answer, an edit, counts."""
    before = run.view().proposals["mood"]
    other.press("Enter")
    other.wait("Train mood like this?")
    terminal.press("Down", "Down", "Space")  # an edit: the third candidate, in or out
    terminal.wait("against the proposal")
    terminal.press("Enter")
    terminal.wait("Train mood like this?", "against the proposal")
    terminal.press("Enter")
    for each in (terminal, other):
        each.wait("✓ done")
    other.press("Enter")
    other.wait("Not sent: it was confirmed")
    confirmed = run.view().confirmations["mood"]
    assert confirmed.by == "person"
    assert set(confirmed.auxiliaries) != set(before.auxiliaries)


def test_terminals_without_utf8_and_with_16_colours(ran, terminal):
    run = ran.latest
    terminal.start(run.id, "--store", str(ran.store.root), LC_ALL="C", TERM="xterm-16color", COLORTERM="")
    text = terminal.wait("Y done", "Tune each task alone")
    assert text.isascii()
    terminal.press("2")
    text = terminal.wait("layer", "mood")
    assert text.isascii()
    coloured = terminal.tmux("capture-pane", "-p", "-e")
    assert "38;2;" not in coloured
    assert "38;5;" not in coloured
    terminal.press("6")
    assert terminal.wait("run done").isascii()


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TEXTUAL_COLOR_SYSTEM": "truecolor"}])
def test_every_cell_of_a_map_has_its_digits(ran, terminal, variable):
    terminal.start(ran.latest.id, "--store", str(ran.store.root), **variable)
    terminal.wait("✓ done")
    terminal.press("2")
    text = terminal.wait("layer", "head 0")
    rows = re.findall(r"^ *[01] +((?:[.\d]+ +){3}[.\d]+)", text, re.MULTILINE)
    assert len(rows) == 2, text


def test_a_file_that_cannot_run_is_put_right(place, terminal, folder):
    """The messages are those of the command line; the file is edited in place of the UI, or elsewhere and checked again."""
    place.write()
    good = place.config.read_text()
    (folder / "good.toml").write_text(good)
    place.config.write_text('[run]\nencoder = "minilm-l6"\nsede = 1\n')
    expected = place.run().err.strip().partition(" ")[2]
    terminal.start(str(place.config), size=(140, 30), EDITOR=f"cp {folder / 'good.toml'}")
    terminal.wait("cannot run yet", "tasks.toml:3: run.sede: unknown key 'sede'", "press k")
    assert expected.split(": ")[-1] in " ".join(terminal.text().split())
    place.config.write_text(good.replace("[run]", "[rum]", 1))
    terminal.press("k")
    terminal.wait("cannot run yet", "'rum'")
    terminal.press("e")
    terminal.wait("mood", "reading the data")
    terminal.wait("Enter starts an engine", "trials: at most", "36")  # a process of its own has read them
    terminal.press("q")
    assert terminal.gone()


def test_a_new_run_is_asked_for_in_this_folder(terminal, folder, tmp_path):
    for name in ("mood-train", "mood-dev", "topic-train", "topic-dev"):
        rows = [{"text": f"{name} {word} {i}", "label": word} for word in ("good", "bad") for i in range(8)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    terminal.start(XDG_CONFIG_HOME=str(tmp_path))
    terminal.wait("No runs in")
    terminal.press("n")
    terminal.wait("Which task is to be improved?")
    terminal.press("mood", "Enter")
    terminal.wait("Encoder (")
    terminal.press("Enter")
    terminal.wait("Budget (")
    terminal.press("quick", "Enter")
    terminal.wait("primary", "mood", "reading the data")
    assert (folder / "tasks.toml").exists()
    terminal.press("q")
    assert terminal.gone()
