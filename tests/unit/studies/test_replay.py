"""Replays of tables whose truth is known, through the real command line."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradts_engine.errors import UsageError
from gradts_engine.studies.replay import Outcome, Played, deal, of_uniform
from gradts_engine.studies.scores import read_table


def table(path: Path, *, targets: int = 8, sources: int = 16, seeds: int = 8, common: float = 1.0, alone: bool = True) -> Path:
    """Scores in per cent: sources differ by 5 points, a share `common` of it the same for all targets, seeds by 2 points."""
    draw = np.random.default_rng(0)
    main = draw.normal(size=sources)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["target", "source", "seed", "hyper", "score"])
        for t in range(targets):
            own = common * main + np.sqrt(1 - common**2) * draw.normal(size=sources)
            for s in range(seeds):
                for c, gain in enumerate(own):
                    writer.writerow([f"t{t}", f"s{c}", s, "x", 60 + 5 * gain + 2 * draw.normal()])
                if alone:
                    writer.writerow([f"t{t}", f"t{t}", s, "x", 60 - 5 + 2 * draw.normal()])
    return path


def replay(path: Path, *options: str) -> dict:
    command = [sys.executable, "-m", "gradts_engine", "study", "replay", str(path), "--json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


KEYS = """table strategy predictor budget pilots targets repetitions trials regret uniform_regret random_regret gain oracle_gain
wrong_verdicts verdicts""".split()


def test_what_others_know_helps_and_what_nobody_knows_does_no_harm(tmp_path: Path):
    path = table(tmp_path / "scores.csv")
    led = replay(path)
    assert list(led) == KEYS
    assert (led["targets"], led["repetitions"]) == (8, 200)
    assert led["trials"] <= 14  # 12, and the target alone in each of two rounds
    assert led["regret"] <= 0.6 * led["uniform_regret"] < led["random_regret"]
    assert led["gain"] + led["regret"] == pytest.approx(led["oracle_gain"], abs=0.01)
    assert led["verdicts"] > 100
    assert led["wrong_verdicts"] <= 0.05
    blind = replay(path, "--predictor", "random")
    assert blind["regret"] <= 1.1 * blind["uniform_regret"]
    assert blind["uniform_regret"] == led["uniform_regret"]


def test_how_sure_the_share_of_uniform_is():
    draw = np.random.default_rng(0)
    uniform = draw.gamma(4, 1, size=(5, 40))
    ours = 0.5 * uniform + draw.normal(scale=0.5, size=uniform.shape)
    played = Played(*([Outcome(0, regret, 0) for regret in found.ravel()] for found in (ours, uniform)), [], [])
    share = of_uniform(played, 40)
    again = [draw.integers(40, size=40) for _ in range(2000)]  # an independent way: a bootstrap over repetitions
    drawn = np.percentile([ours[:, a].mean() / uniform[:, a].mean() for a in again], [2.5, 97.5])
    assert share.mean == pytest.approx(ours.mean() / uniform.mean())
    assert share.interval() == pytest.approx(drawn, abs=0.01)


def test_a_table_without_the_target_alone(tmp_path: Path):
    found = replay(table(tmp_path / "scores.csv", alone=False), "--limit", "2", "--repetitions", "3")
    assert found["targets"] == 2
    assert found["gain"] > 0


def test_every_strategy_plays(tmp_path: Path):
    path = table(tmp_path / "scores.csv", targets=3)
    for strategy in ("none", "trial"):
        found = replay(path, "--strategy", strategy, "--repetitions", "2")
        assert found["regret"] >= 0
    assert replay(path, "--strategy", "none", "--repetitions", "2")["trials"] == 0


HEAD = "target,source,seed,score\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", ":1: no column target and no source .*expected a table with the columns target, source, seed, score"),
        ("", ":1: no column target"),
        (HEAD, "has no row below its columns"),
        ("target,source,seed,score,score\nt,s,1,2,3\n", ":1: two columns 'score'"),
        (HEAD + "t,s,1,x\n", ":2: score: got 'x', expected a number"),
        (HEAD + "t,s,1,inf\n", ":2: score: got inf, expected per cent"),
        (HEAD + "t,s,1,1e308\n", ":2: score: got 1e308"),
        (HEAD + "t,s,1\n", ":2: fewer cells"),
        (HEAD + ",s,1,2\n", ":2: target: got nothing"),
        (HEAD + "t,s,1,0.5\n", "target t has 1 seed, expected at least 2"),
        (HEAD + "t,s,1,nan\nt,s,2,nan\n", "target t has no score with a source"),
        (HEAD + "t,,1,1\nt,,2,1\n", "target t has no score with a source"),
        (HEAD + "t,a + b,1,1\nt,a + b,2,1\n", "has no row of a single source"),
        (
            "target,source,seed,score,protocol\nt,s,1,1,p\nt,s,2,1,q\n",
            ":3: t was trained with another metric or protocol",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, text: str, message: str):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / "scores.csv")


def test_other_rows_are_another_table_and_other_seeds_of_a_run_other_seeds(tmp_path: Path):
    path = tmp_path / "scores.csv"
    head = "target,source,seed,score,data,run_seed\n"
    path.write_text(head + "t,,0,70,D1,1\nt,a,0,72,D2,1\n")
    with pytest.raises(UsageError, match=":3: t was trained with another metric or protocol or data before"):
        read_table(path)
    path.write_text(head + "t,,0,70,,1\nt,,0,80,D,2\nt,a,0,72,D,1\nt,a,0,82,D,2\n")
    (target,), said = read_table(path)
    np.testing.assert_allclose(target.scores, [[0.70, 0.80], [0.72, 0.82]])
    assert said == []


def test_what_a_reader_should_know_of_a_table_is_said(tmp_path: Path):
    path = tmp_path / "scores.csv"
    rows = [f"t, s{s} ,{seed},{60 + s + seed}" for s in range(3) for seed in range(8)]
    path.write_text("\ufeff" + HEAD + "\n".join([*rows, "t,s0 + s1,0,95", "t,s0,0,62", "t,s3,0,99", "t,s3,1,nan"]) + "\n")
    (target,), said = read_table(path)
    assert target.sources == ("s0", "s1", "s2", "s3")
    np.testing.assert_allclose(target.scores[1], [0.61, *(0.01 * (60 + seed) for seed in range(1, 8))])  # of 60 and 62
    assert said == [
        "left out: 1 row of sets",
        "there several times, so that their mean is played: 1 cell",
        "without a score: 7 cells; a source without one on both sides of a deal is left out of it",
        "gains are against the mean source: the table has no rows whose source is the target itself",
    ]
    for repetition in range(20):
        game = deal(target, np.random.default_rng(repetition), 0.01)
        assert game.target.sources == ("s0", "s1", "s2")  # one seed is on one side alone
        assert np.isfinite(game.drawn).any(1).all()
        assert np.isfinite(game.held).any(1).all()


def test_what_knows_nothing_is_not_played(tmp_path: Path):
    one, more = table(tmp_path / "one.csv", targets=1), table(tmp_path / "scores.csv")
    for asked, message in (
        ([one], "predictor main-effect says nothing of any source of t0"),
        ([more, "--strategy", "fine-grained"], "strategy fine-grained chooses rows"),
    ):
        command = [sys.executable, "-m", "gradts_engine", "study", "replay", *map(str, asked)]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (2, "")
        assert message in result.stderr
