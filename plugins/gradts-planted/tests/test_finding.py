"""The command that measures whether helpers are found, on a small scale; what it finds with a real encoder is in the README."""

from click.testing import CliRunner
from gradts_planted.finding import main, ranked

from gradts_engine.report.records import Ranked
from gradts_engine.testing import tiny_encoder

CONFIG = """
[run]
encoder = "encoder"
primary = ["planted-review"]

[data]
max_length = 32

[training]
epochs = 1

[multitask]
epochs = 1
steps = 2
accumulation = 1

[tasks.planted-review]
options = {train_rows = 16, dev_rows = 8, test_rows = 8}

[tasks.planted-stars]
options = {train_rows = 16, dev_rows = 8, test_rows = 8}

[tasks.planted-topic]
options = {train_rows = 16, dev_rows = 8, test_rows = 8}
"""


def test_a_row_for_each_axis_and_seed(tmp_path):
    tiny_encoder(tmp_path / "encoder")
    (tmp_path / "tasks.toml").write_text(CONFIG)
    result = CliRunner().invoke(main, [str(tmp_path / "tasks.toml"), "--seeds", "2", "--store", str(tmp_path / "store")])
    assert result.exit_code == 0, result.output
    header, rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in result.stdout.splitlines()]
    assert len({len(row) for row in (header, rule, *rows)}) == 1
    assert [row[:2] for row in rows] == [["output", "0"], ["output", "1"], ["input", "0"], ["input", "1"]]
    for row in rows:
        assert "**stars**" in row[2]
        assert "topic" in row[2]
        on_top = row[2].startswith("**stars**")
        assert row[3] == f"{int(on_top)} of 1"
        assert 0 <= float(row[6]) <= 1
        assert 0 <= float(row[7]) <= 1
    # Another seed is another draw of the sentences: its scores are of another test split and other matrices.
    assert rows[0][2] != rows[1][2]


def test_a_candidate_without_a_score_is_last():
    ranking = [Ranked(name, tau=tau, embedding=None) for name, tau in (("a", None), ("b", -0.5), ("c", 0.0))]
    assert ranked(ranking, "tau") == ["c", "b", "a"]
