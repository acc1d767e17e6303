"""The page of a run: everything on it is the report's, and nothing in data, names or messages can be more than text."""

import csv
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from gradts_engine import events, report
from gradts_engine.page import page
from gradts_engine.page.figures import write_figures
from gradts_engine.prediction.stacked import places
from gradts_engine.repeats import Repeats
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.store import Store
from tests.tui.invented import make

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' {{ 7*7 }} {% x %} \x1b[31m\u202e]]>&amp;<!--"


class Parsed(HTMLParser):
    """Tags with the names of their attributes, in order; and the texts."""

    VOID = ("meta", "rect", "line", "circle", "br")

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
        events.TaskRead(
            b,
            text,
            text,
            {"train": 3, "dev": 2},
            {},
            classes={text: {"train": 3, "dev": 2}},
            overlap={"dev": {text: 2}},
            duplicates=1,
            constant=0.5,
            warnings=(text,),
            judged_by=text,
        ),
        events.Planned({text: 2, "score": 2}, {text: (1.0, 2.0), "score": (60.0, 140.0)}),
        events.StageFailed("tune", b, text),
        *(events.StageStarted("score", a, key, device=f"{key}{text}") for key in ("m", "n")),
        *(events.StageFinished("score", a, key, 61.0, False) for key in ("m", "n")),
        events.TrialScored(a, {}, 0.5, "k"),
        events.TrialScored(a, {b: 3}, 0.25, "l"),
        events.TrialScored(a, {b: 2}, float("nan"), "m", text),
        events.Judged(a, {b: 3}, text, 0.1, 0.05, 0.15, 5, 100, 0),
        events.Judged(a, {}, "undecided", 0.1, float("nan"), float("nan"), 1, 0, None),
        events.Predicted(a, text, {text: {b: (0.1, 0.2)}}),
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
    took = [text.strip() for text in plain.texts]
    start = took.index("importance of heads")
    assert [text for text in took[start:] if text][1:5] == ["1", "0", "1m 00s to 2m 20s", "1m 01s"]
    assert "1m 01s to 2m 22s" in took  # together
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


@pytest.fixture
def judged(tmp_path):
    """A finished run with repeats, two predictors and verdicts."""
    store = Store(tmp_path / ".gradts")
    invented = make(store, "done")
    others = [task for task in invented.sizes if task != "rte"]
    told = {task: (0.3 + 0.05 * i, 0.35 + 0.05 * i, 0.28 + 0.05 * i) for i, task in enumerate(others)}
    nan = float("nan")
    likely = places({task: Repeats(values) for task, values in told.items()})
    invented.add(events.Predicted("rte", "probe", {"probe": told, "tau": {"mnli": (0.5,)}, "stacked": told}, places=likely))
    invented.add(events.Judged("rte", {"mnli": 600}, "helps", 0.05, 0.01, 0.09, 5, 277, 0))
    invented.add(events.Judged("rte", {"cola": 400}, "hurts", -0.05, -0.09, -0.01, 5, 277, 0))
    invented.add(events.Judged("rte", {"mnli": 600, "qnli": 450}, "undecided", 0.01, -0.02, 0.04, 2, 277, 8))
    invented.add(events.Judged("rte", {"sst2": 500}, "undecided", 0.0, nan, nan, 2, 277, None))
    return store, invented.write()


def test_every_predictor_and_verdict_has_its_interval(judged):
    found = report.results(*judged)
    parsed, ranking = Parsed(page(*judged)), found.primaries["rte"].ranking
    assert parsed.open == []
    assert ranking == tuple(sorted(ranking, key=lambda row: -row.predictors["probe"].mean))
    said = " ".join(" ".join(parsed.texts).split())
    for row in ranking:
        probe = row.predictors["probe"]
        assert f"{row.task} {probe.mean:.3f} [{probe.low:.3f}, {probe.high:.3f}]" in said
    assert said.index("wnut17 0.610 [") < said.index("cola 0.360 [")  # in the predictor's own order
    assert "ranked by probe" in said
    assert "probe (gave the order)" in said
    likely = found.primaries["rte"].places
    assert [sum(of) for of in zip(*likely.values(), strict=True)] == pytest.approx([1] * len(likely), abs=0.01)
    assert [sum(of) for of in likely.values()] == pytest.approx([1] * len(likely), abs=0.01)
    assert max(likely, key=lambda task: likely[task][0]) == "wnut17"  # of the highest expected gain
    assert f"wnut17 {100 * likely['wnut17'][0]:.0f}%" in said
    assert "mnli helps +0.0500 +0.0100 to +0.0900 5 277 600" in said
    assert "cola hurts -0.0500 -0.0900 to -0.0100 5 277 400" in said
    assert "mnli + qnli undecided +0.0100 -0.0200 to +0.0400 2 277 1050" in said
    assert "sst2 undecided +0.0000 - 2 277 500" in said
    for verdict in found.primaries["rte"].verdicts.values():
        assert verdict.verdict != "undecided" or report.to_know(verdict) in said
    expected = found.primaries["rte"].final.expected
    assert expected is None or report.expected(expected) in said


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
    sizes = dict.fromkeys(("rte", "mrpc", "qnli", "mnli"), 100)
    make(store, "done", shape=(3, 4), sizes=sizes).write()
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
    for name in ("ranking-rte", "tasks", "trials-rte"):
        text = (tmp_path / "a" / f"{name}.csv").read_text()
        assert not set("(){}[]") & set(text), "a cell is what Python prints"
    with (tmp_path / "a" / "trials-rte.csv").open() as file:
        assert [int(r["repeat"]) for r in csv.DictReader(file)] == [t.repeat for t in found.primaries["rte"].trials]
