"""`import-pickle`, `import-mtdnn`, `import-machamp`: what published code has computed, and what it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from gradts_engine.cli.base import cli, json_option, say, show
from gradts_engine.errors import UsageError
from gradts_engine.names import DEFAULT_ENCODER


@cli.command("import-pickle")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@json_option
def import_pickle(source: Path, out: Path, as_json: bool) -> None:
    """Read gradients and correlations of the published GradTS code.

    SOURCE is its gradient_files/ENCODER. OUT gets TASK.safetensors with task [L, H] and instances [N, L, H], TASK.tau.safetensors
    with tau of the instances of each auxiliary, and tau.json. The published correlations are computed again and compared.

    \b
      gradts-engine import-pickle gradient_files/bert-base-uncased imported

    A pickle can run any program when it is opened as usual. Here it is read by a process that can open nothing else and knows
    nothing but arrays of numbers.
    """
    from rich.console import Group

    from gradts_engine import tables
    from gradts_engine.published import gradients
    from gradts_engine.words import number

    tasks = gradients.read_gradients(source)
    found = gradients.check(tasks)
    gradients.write_gradients(tasks, out)
    tau = gradients.correlate(tasks)
    facts = {
        "tasks": {name: {key: list(array.shape) for key, array in task.importance.items()} for name, task in tasks.items()},
        "tau": {p: {a: number(x) for a, x in row.items()} for p, row in tau.items()},
        "compared": found.compared,
        "equal": found.equal,
        "difference": found.difference,
    }
    cells = {(a, p): x for p, row in tau.items() for a, x in row.items()}
    heading = tables.label("Kendall's tau between head rankings (columns: primaries):")
    show(facts, as_json, lambda: Group(heading, tables.Matrix(list(tau), list(tau), cells)))
    say(f"{len(tasks)} tasks written to {out}", err=True)
    if found.equal == found.compared:
        say(f"{found.compared} published correlations computed again: all are equal, to the bit", err=True)
        return
    say(
        f"{found.compared - found.equal} of {found.compared} published correlations are not those of the published matrices, by "
        f"up to {found.difference:.3g}: they were made from other ones",
        err=True,
    )
    raise click.exceptions.Exit(1)


@cli.command("import-mtdnn")
@click.argument("definition", metavar="TASK_DEF.yml", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA_DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@click.option("--encoder", default="", help="Encoder for tasks.toml; default: the one of the definitions' encoder_type.")
@json_option
def import_mtdnn(definition: Path, data: Path, out: Path, encoder: str, as_json: bool) -> None:
    """Turn MT-DNN's task definitions and data into a tasks.toml.

    DATA_DIR has its canonical data, TASK_SPLIT.tsv, .json or .txt with texts (not the tokenised files), or SQuAD's JSON. OUT gets
    tasks.toml and data/mtdnn-TASK/SPLIT.jsonl, labels by name. What could not be carried over is listed. A task with a row that
    cannot be read is left out, with a line that says which, and the exit code is 2.

    \b
      gradts-engine import-mtdnn glue_task_def.yml canonical_data imported
      gradts-engine run imported/tasks.toml
    """
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.published import mtdnn

    metrics = {name: spec.metrics for name, spec in load_catalog().task_types.items()}
    found = mtdnn.import_mtdnn(definition, data, out, metrics, encoder)
    _show_imported(out, found.rows, found.lost, as_json)
    if found.damaged:
        left_out = "1 task was" if found.damaged == 1 else f"{found.damaged} tasks were"
        raise UsageError(f"{left_out} left out because of rows that cannot be read, see above; the others are written")


@cli.command("import-machamp")
@click.argument("configuration", metavar="CONFIG.json", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA_DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, help="Encoder for tasks.toml.")
@json_option
def import_machamp(configuration: Path, data: Path, out: Path, encoder: str, as_json: bool) -> None:
    """Turn a data set configuration of MaChAmp into a tasks.toml.

    DATA_DIR is where its paths begin. OUT gets tasks.toml, which reads the same files where they are: seq, seq_bio,
    classification, regression, multiclas and mlm. What could not be carried over is listed.

    \b
      gradts-engine import-machamp configs/glue.json . imported
      gradts-engine plan imported/tasks.toml
    """
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.published import machamp

    metrics = {name: spec.metrics for name, spec in load_catalog().task_types.items()}
    found = machamp.import_machamp(configuration, data, out, metrics, encoder)
    _show_imported(out, found.files, found.lost, as_json)


def _show_imported(out: Path, tasks: Mapping[str, Mapping[str, object]], lost: Sequence[str], as_json: bool) -> None:
    """What was written of each task, by split, and what could not be."""
    from rich.console import Group

    from gradts_engine import tables

    facts = {"written": str(out), "tasks": tasks, "not carried over": lost}
    splits = dict.fromkeys(split for of in tasks.values() for split in of)
    table = tables.records([{"task": task} | {split: of.get(split, "") for split in splits} for task, of in tasks.items()])
    lines = [tables.label(line) for line in lost]
    show(facts, as_json, lambda: Group(table, *([tables.label("not carried over:", "bold"), *lines] if lines else [])))
    say(f"wrote {out / 'tasks.toml'}", err=True)
