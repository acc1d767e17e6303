"""What is shown: any text from outside goes through `printable`, and through nothing that reads it as markup."""

import ast
import json
import subprocess
import sys
import unicodedata
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

import gradts_engine
from gradts_engine import events, tables
from gradts_engine.__main__ import main
from gradts_engine.cli import base
from gradts_engine.console import describe
from gradts_engine.printing import printable
from gradts_engine.runtime.card import markdown

ANY = st.text(st.characters(), max_size=40)  # half surrogate pairs too, as in names of files that are not UTF-8
NASTY = st.lists(
    st.sampled_from(
        [*"\x1b\x9b\x00\x07\t\r\n\u202e\u2066\u200d\ufeff\u2028\ud800\x7f\xad [](){}<>|&`*_#~$!\\aü漢", "[red]", "[/]"]
    )
)
TEXT = ANY | NASTY.map("".join)
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


# --- the function ----------------------------------------------------------------------------------------------------


@given(TEXT)
def test_nothing_but_visible_characters_is_left(text):
    shown = printable(text)
    assert not FORBIDDEN & {unicodedata.category(c) for c in shown}
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown


@given(TEXT)
def test_nothing_is_lost_and_what_is_fine_stays(text):
    fine = "".join(c for c in text if c.isprintable())
    assert printable(fine) == fine
    assert printable(text.replace("\\", "/")).encode("latin-1", "backslashreplace").decode("unicode_escape") == text.replace(
        "\\", "/"
    )


@pytest.mark.parametrize("text", ["naïve café", "漢字", "שלום", "مرحبا", "e\u0301", "a b", "🙂", "C:\\dir"])
def test_other_scripts_are_not_touched(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202eexe.txt", "\\u202eexe.txt"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\udcff"),
    ],
)
def test_examples(text, shown):
    assert printable(text) == shown


# --- its edges -------------------------------------------------------------------------------------------------------


def drawn(renderable) -> str:
    out = StringIO()
    Console(file=out, width=400, force_terminal=False, markup=True).print(renderable)
    return out.getvalue()


@given(TEXT)
def test_tables_draw_it_and_do_not_read_it(text):
    drawings = [
        tables.label(text),
        tables.records([{"name": text, text: 1}]),
        tables.Matrix([text], [text], {(text, text): 0.5}),
    ]
    for drawing in drawings:
        shown = drawn(drawing)
        assert not FORBIDDEN & {unicodedata.category(c) for c in shown if c != "\n"}
        assert "".join(printable(text).split()) in "".join(shown.split())


@given(text=TEXT)
def test_json_is_ascii_and_holds_the_data_as_they_are(text):
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        base.show({text: [text]}, True, lambda: "")
    shown = out.getvalue()
    assert shown.isascii()
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == {text: [text]}


@given(text=TEXT)
def test_markdown_shows_it_and_does_nothing_else(text):
    """By another reader of Markdown: a heading, a list and a table cell hold the text as text, whatever it is made of."""
    page = f"# x {markdown(text)} x\n\n- x {markdown(text)} x\n\n| a |\n| --- |\n| x {markdown(text)} x |\n"
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page)
    inline = [token for token in tokens if token.type == "inline"]
    assert [token.tag for token in tokens if token.nesting == 1] == "h1 ul li p table thead tr th tbody tr td".split()
    for token in (inline[0], inline[1], inline[3]):
        assert {child.type for child in token.children} <= {"text", "text_special"}
        assert "".join(child.content for child in token.children) == f"x {printable(text)} x"


@given(TEXT, st.sampled_from(list(events.Event.__subclasses__())))
def test_events_in_words(text, kind):
    """Whatever an event says is a line, once it is shown as the display shows it."""
    event = {
        events.StageFailed: events.StageFailed("tune", text, text),
        events.Warned: events.Warned(text),
        events.Proposed: events.Proposed(text, text, {text: 1}),
        events.FinalModel: events.FinalModel(text, 0.5, text),
    }.get(kind, events.EpochScored("tune", text, 1, text, 0.5))
    assert printable(describe(event)).isprintable()


def test_commands_print_through_one_door():
    """A new command that writes to the terminal by itself is noticed here."""
    doors = {"cli/base.py": {"click.echo", "console.print"}, "__main__.py": {"print"}, "console.py": {"self.console.print"}}
    root = Path(gradts_engine.__file__).parent
    for path in root.rglob("*.py"):
        allowed = doors.get(path.relative_to(root).as_posix(), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func)).split(".")[-1] in ("echo", "secho", "print"):
                assert name in allowed or _is_table(node), f"{path}: {name}"


def _is_table(call: ast.Call) -> bool:
    """`console.print` of a table or a text of our own making."""
    return ast.unparse(call.func) == "console.print" and all(
        ast.unparse(argument).startswith(("tables.", "printable(")) for argument in call.args
    )


@pytest.mark.parametrize(
    "arguments",
    [["run", "\x1b[2J\u202e.toml"], ["\x1b[2J\u202e"], ["run", "--\x1b[2J\u202e"], ["status", "a", "\x1b[2J\nx\u202e"]],
)
def test_what_was_typed_wrong_is_repeated_as_text(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "\\x1b[2J" in error
    assert error.replace("\n", "").isprintable()


def test_the_traceback_of_a_bug_is_text_too(tmp_path):
    code = "import sys; from gradts_engine.__main__ import main; main(['--version']); raise KeyError('\\x1b[2J\\u202e')"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    error = child.stderr.decode()
    assert child.returncode == 1
    assert "Traceback (most recent call last)" in error
    assert "KeyError" in error
    assert error.replace("\n", "").isprintable()


def test_a_terminal_that_lacks_letters_gets_their_codes(tmp_path):
    command = [sys.executable, "-m", "gradts_engine", "results", "ü漢", "--store", str(tmp_path)]
    (tmp_path / "runs" / "ö").mkdir(parents=True)
    environment = {"PYTHONIOENCODING": "ascii", "PATH": ""}
    for arguments in (command, [*command[:3], "run", "ü.toml"], [*command[:3], "tasks"]):
        child = subprocess.run(arguments, capture_output=True, timeout=60, check=False, env=environment)
        assert b"Traceback" not in child.stderr
        assert (child.stdout + child.stderr).isascii()


@pytest.mark.parametrize(
    ("devices", "shown"),
    [
        (("cpu",), "on cpu"),
        (("cpu", "cpu"), "on 2 x cpu"),
        (("cuda:0", "cuda:1", "cuda:0", "cuda:1"), "on 2 x cuda:0, 2 x cuda:1"),
    ],
)
def test_a_device_that_workers_share_is_named_once(devices, shown):
    started = events.RunStarted("r", "c", "minilm", ("a",), ("a",), devices, {}, {}, precision={})
    assert describe(started) == f"run r: 1 tasks, encoder minilm, {shown}"
