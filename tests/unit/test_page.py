"""The page of a run: everything on it is the report's, and nothing in data, names or messages can be more than text."""

import csv
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from gradts_engine import events, report
from gradts_engine.page import page
from gradts_engine.page.figures import write_figures
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.store import Store
from tests.tui.invented import make

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' {{ 7*7 }} {% x %} \x1b[31m\u202e]]>&amp;<!--"


class Parsed(HTMLParser):
    """Tags with the names of their attributes, in order; and the texts."""

    VOID = ("meta", "rect", "line", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, *(name for name, _ in attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def told(folder, name: str, text: str):
    """A run whose every text is `text`; its tasks begin with `name`."""
    store = Store(folder / ".gradts")
    run = store.create("tasks-1")
    a, b = f"{name}{text}", f"{name} b{text}"
    settings = {"scoring": {"head_axis": "output"}, "multitask": {"length": "steps"}, "selection": {"strategy": text}}
    what = [
        events.RunStarted("tasks-1", f"/{text}", text, (a, b), (a,), (text,), settings, {text: text}, f"/{text}"),
        events.TaskRead(a, text, text, {"train": 3, "dev": 2}, {}),
        events.TaskRead(b, text, text, {"train": 3, "dev": 2}, {}),
        events.StageFailed("tune", b, text),
        events.TrialScored(a, {}, 0.5, "k"),
        events.TrialScored(a, {b: 3}, 0.25, "l"),
        events.TrialScored(a, {b: 2}, float("nan"), "m", text),
        events.Proposed(a, "d", {b: 3}),
        events.Confirmed(a, "d", {b: 3}, "person"),
        events.FinalModel(a, 0.25, f"/{text}", 0.5, 0.75),
        events.Warned(text),
        events.RunEnded("failed", text),
    ]
    with Journal(run.events) as journal:
        for event in what:
            journal.emit(event)
    return store, run


def test_hostile_texts_are_shown_and_do_nothing(tmp_path):
    plain, evil = (Parsed(page(*told(tmp_path / name, "t", text))) for name, text in (("plain", "x"), ("evil", HOSTILE)))
    assert evil.tags == plain.tags
    assert evil.open == plain.open == []
    assert not {tag for tag, *_ in evil.tags} & {"script", "img", "iframe", "link", "object"}
    assert not [name for _, *names in evil.tags for name in names if name.startswith("on")]
    said = "".join(evil.texts)
    assert said.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in said
    assert "\\x1b[31m\\u202e" in said
    assert not {"\x1b", "\u202e"} & set(said)


@pytest.mark.parametrize("phase", ["starting", "running", "waiting", "failed", "done"])
def test_the_page_says_what_the_report_says(phase, tmp_path):
    store = Store(tmp_path / ".gradts")
    make(store, phase).write()
    (run,) = store.runs()
    html = page(store, run)
    parsed, found = Parsed(html), report.results(store, run)
    assert parsed.open == []
    said = " ".join(" ".join(parsed.texts).split())
    for name, primary in found.primaries.items():
        assert report.answer(name, primary) in said
        for row in primary.ranking:
            assert f"{row.task} {row.tau:.4f} {row.embedding:.4f}" in said
        for trial in primary.trials:
            assert f"{trial.score:.4f}" in said
    assert [task.task in said for task in found.data] == [True] * len(found.data)
    for outside in ("http:", "https:", "src=", "@import", "url("):
        assert outside not in html


def test_drawings_hold_every_number(tmp_path):
    store = Store(tmp_path / ".gradts")
    make(store, "done").write()
    (run,) = store.runs()
    html = page(store, run)
    drawings = [ET.fromstring(part) for part in ("<svg" + p.split("</svg>")[0] + "</svg>" for p in html.split("<svg")[1:])]
    titles = {title.text for drawing in drawings for title in drawing.iter("title")}
    heads = report.heads(store, run.view(), "rte").task
    for (layer, head), value in [((i, j), heads[i, j]) for i in range(heads.shape[0]) for j in range(heads.shape[1])]:
        assert f"{layer}, {head}: {value:.4f}" in titles
    tau = report.results(store, run).tau["rte"]
    assert {f"rte, {task}: {value:.4f}" for task, value in tau.items()} <= titles


def test_figures_and_tables(tmp_path):
    store = Store(tmp_path / ".gradts")
    make(store, "done").write()
    (run,) = store.runs()
    found = report.results(store, run)
    once, again = ({p.name: p.read_bytes() for p in write_figures(store, run, tmp_path / name)} for name in ("a", "b"))
    assert once == again
    assert {f"heads-{task}.{kind}" for task in found.tasks for kind in ("png", "svg")} | {"tau.svg", "trials-rte.png"} <= set(
        once
    )
    for name, content in once.items():
        if name.endswith(".svg"):
            ET.fromstring(content)
        elif name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
    with (tmp_path / "a" / "ranking-rte.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["task"], float(r["tau"])) for r in rows] == [(r.task, r.tau) for r in found.primaries["rte"].ranking]
