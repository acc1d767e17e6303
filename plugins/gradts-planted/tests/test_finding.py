"""The command that measures whether helpers are found, on a small scale; what it finds with a real encoder is in the README."""

import re

from click.testing import CliRunner
from gradts_planted.finding import main, ranked, variant, wrong

from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.report.records import Chosen, Final, Interval, Judgement, PrimaryResults, Ranked
from gradts_engine.testing import tiny_encoder

CONFIG = """
[run]
encoder = "encoder"
workers = 2
primary = ["planted-review"]

[data]
max_length = 32

[training]
epochs = 1

[multitask]
epochs = 1
steps = 2
accumulation = 1

[selection.halving]
budget = 2
seeds = 2
finalists = 1

[tasks.planted-review]
options = {train_rows = 16, dev_rows = 8, test_rows = 8}

[tasks.planted-stars]
options = {train_rows = 16, dev_rows = 8, test_rows = 8}

[tasks.planted-topic]
options = {train_rows = 16, dev_rows = 8, test_rows = 8}
"""


def test_a_row_for_each_seed(tmp_path):
    tiny_encoder(tmp_path / "encoder")
    (tmp_path / "tasks.toml").write_text(CONFIG)
    result = CliRunner().invoke(
        main, [str(tmp_path / "tasks.toml"), "--seed", "0", "--seed", "1", "--others", "2", "--store", str(tmp_path / "store")]
    )
    assert result.exit_code == 0, result.output
    header, rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in result.stdout.splitlines()]
    assert len({len(row) for row in (header, rule, *rows)}) == 1
    assert [row[0] for row in rows] == ["0", "1"]
    for row in rows:
        assert {*row[1].split(" + ")} <= {"stars", "topic", "none"}
        assert ("proposal" in row[5]) == (row[1] != "stars")
        assert bool(re.fullmatch(r"[+-]\d+\.\d ± \d+\.\d", row[4])) == (row[1] != "none")
        assert {row[6], row[7]} <= {"0 of 1", "1 of 1"}
    experiment = variant(load_experiment(tmp_path / "tasks.toml", load_catalog()), 7)
    assert experiment.run.seed == 7
    assert {spec.options["seed"] for spec in experiment.tasks.values()} == {7}  # another draw of the sentences


def test_a_file_that_there_is_not_is_said_in_one_line(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path / "none.toml")])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "none.toml: no such file" in result.stderr


def found(proposed: str, **verdicts: str) -> PrimaryResults:
    """Results with an interval of 10 points to both sides of a gain of 10."""
    chosen = tuple(Chosen(task, 128) for task in proposed.split(" + ") if proposed)
    final = Final(0.9, "", 0.95, 0.8, 0.7, "helps", 0.1, 0.0, 0.2)
    span = Interval(0.0, 0.2)
    judged = {
        name.replace("_", " + "): Judgement(verdict, 0.1, 0.0, 0.2, 3, 100, 128, 0, None, span, span)
        for name, verdict in verdicts.items()
    }
    named = {" + ".join(f"planted-{task}" for task in names.split(" + ")): of for names, of in judged.items()}
    return PrimaryResults("accuracy", "embedding", (), named, {}, (), chosen, None, chosen, final)


def test_what_is_wrong():
    assert wrong("planted-review", found("planted-stars", stars="helps", topic="hurts", stars_topic="hurts")) == []
    assert wrong("planted-review", found("")) == ["proposal"]
    assert wrong("planted-review", found("planted-stars + planted-topic", stars_topic="helps")) == ["proposal"]
    assert wrong("planted-review", found("planted-stars"), [0.2, 0.24]) == ["interval"]
    assert wrong("planted-review", found("planted-stars"), [0.02, 0.24]) == []
    assert wrong("planted-review", found("planted-stars", topic="helps", stars="hurts")) == [
        "verdict on planted-topic",
        "verdict on planted-stars",
    ]


def test_a_candidate_without_a_score_is_last():
    ranking = [Ranked(name, tau=tau, embedding=None) for name, tau in (("a", None), ("b", -0.5), ("c", 0.0))]
    assert ranked(ranking, "tau") == ["c", "b", "a"]
