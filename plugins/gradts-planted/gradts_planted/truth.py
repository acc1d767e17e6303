"""Does the planted truth hold? Trains each primary alone and with each task that the truth names, for equally many optimiser
steps, and prints a table of test accuracies: `python -m gradts_planted.truth`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import click

from gradts_engine.config import STEPS_FACTOR, MultitaskSettings
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import Encoded, encode, plan_steps
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.seeds import derive_seed
from gradts_engine.learning.training import Dev, evaluate, train
from gradts_planted import TRUTH
from gradts_planted.tasks import QUESTIONS

SETTINGS = MultitaskSettings(epochs=5, batch_size=16, accumulation=1, learning_rate=2e-4)
"""The `[multitask]` settings of the default tasks.toml, but for its steps and epochs."""


@cache
def encoder() -> Encoder:
    """The encoder of the default tasks.toml."""
    return load_encoder(load_catalog().encoders["minilm-l6"])


@cache
def splits(task: str, **options: float) -> dict[str, Encoded]:
    """A task's tokenised splits."""
    spec = replace(load_catalog().tasks[task], options=options)
    kind = load_catalog().task_types[spec.type].load()
    data = read_task(spec, kind, "", {}, "stop", seed=0)
    tokenizer = encoder().tokenizer_for(kind.word_level)
    return {name: encode(task, kind, data.labels, rows, tokenizer, max_length=128) for name, rows in data.splits.items()}


def accuracy(primary: str, auxiliary: str | None, *, seed: int, noise: float, mix: float) -> float:
    """Test accuracy in percent of a primary trained with an auxiliary, as the engine's trials would train it. The seed is that of
    the sentences too; the dials are the auxiliary's."""
    own = splits(primary, seed=seed)
    data = {primary: own["train"]}
    if auxiliary:
        data[auxiliary] = splits(auxiliary, seed=seed, noise=noise, mix=mix)["train"]
    module, size = encoder().build(), encoder().hidden_size
    heads = {
        task: make_head(rows.type, module, size, rows.labels, SETTINGS.dropout, derive_seed(seed, task))
        for task, rows in data.items()
    }
    plan = plan_steps(
        {task: rows.lengths for task, rows in data.items()},
        steps=STEPS_FACTOR * SETTINGS.epochs * math.ceil(len(own["train"]) / SETTINGS.batch_size),
        evaluations=SETTINGS.epochs,
        batch_size=SETTINGS.batch_size,
        accumulation=SETTINGS.accumulation,
        seed=seed,
        limits={auxiliary: len(own["train"])} if auxiliary else {},
    )
    model = MultiTaskModel(module, heads)
    train(model, data, plan, Dev(own["dev"], "accuracy"), SETTINGS, device="cpu", seed=seed)
    return 100 * evaluate(model, Dev(own["test"], "accuracy"), "cpu")


def table(primary: str, only: Sequence[str], seeds: Sequence[int], noise: float, mix: float) -> Iterator[str]:
    """Lines of a Markdown table: mean and standard deviation over the seeds of the test accuracy and of the gain, which is taken
    seed by seed."""
    yield f"| `{primary}` with | planted as | test accuracy | gain |"
    yield "|---|---|---|---|"
    truth = TRUTH[primary]
    kinds = {"helper": truth.helpers, "unrelated": truth.unrelated, "conflicting": truth.conflicting}
    alone = [accuracy(primary, None, seed=seed, noise=noise, mix=mix) for seed in seeds]
    yield f"| nothing | | {spread(alone)} | |"
    for kind, auxiliary in [(kind, name) for kind, names in kinds.items() for name in names if name in only or not only]:
        scores = [accuracy(primary, auxiliary, seed=seed, noise=noise, mix=mix) for seed in seeds]
        gains = [score - before for score, before in zip(scores, alone, strict=True)]
        yield f"| `{auxiliary}` | {kind} | {spread(scores)} | {spread(gains, '+')} |"


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation."""
    return f"{statistics.mean(values):{sign}.1f} ± {statistics.stdev(values):.1f}"


@click.command()
@click.argument("primaries", nargs=-1, type=click.Choice(list(TRUTH)))
@click.option(
    "--with", "only", multiple=True, type=click.Choice(list(QUESTIONS)), help="An auxiliary; default: all that the truth names."
)
@click.option(
    "--seeds", default=3, type=click.IntRange(2), show_default=True, help="How many seeds, of the sentences and of the training."
)
@click.option("--noise", default=0.0, show_default=True, help="Share of the auxiliary's train labels that are wrong.")
@click.option("--mix", default=1.0, show_default=True, help="Share of the auxiliary's train rows that carry its factor.")
def main(primaries: tuple[str, ...], only: tuple[str, ...], seeds: int, noise: float, mix: float) -> None:
    """Print the table of each of PRIMARIES, by default all."""
    for primary in primaries or TRUTH:
        for line in table(primary, only, range(seeds), noise, mix):
            click.echo(line)
        click.echo()


if __name__ == "__main__":
    main()
