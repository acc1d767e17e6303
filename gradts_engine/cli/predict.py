"""`predict`: what a final model says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradts_engine.cli.base import cli, json_option, say, show
from gradts_engine.errors import UsageError

if TYPE_CHECKING:
    from gradts_engine.learning.predicting import Predicted


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the answers there; default: print them.")
@click.option("--text", multiple=True, metavar="COLUMN", help="Column of the text, twice for a pair; default: as in training.")
@click.option("--label", metavar="COLUMN", help="Column of the label, if there is one; default: as in training.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda:N.")
@json_option
def predict(
    model: Path, file: str, out: Path | None, text: tuple[str, ...], label: str | None, device: str, as_json: bool
) -> None:
    """Answer the rows of FILE with the final model in the folder MODEL.

    FILE has any format that `run` reads. A row that has a label counts for the score, in the metric of the training; a label may
    be missing, empty or -1, and so may the column. Answers are JSON, one row a line: `row` (from 0), `prediction`, `scores` of
    the classes where there are some, and the `label`.

    \b
      gradts-engine predict .gradts/runs/tasks-1a2b3c4d/models/rte data/rte.test.jsonl --out answers.jsonl
      gradts-engine predict model reviews.csv --text review | jq -r .prediction
    """
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.learning import predicting
    from gradts_engine.learning.classes import listed
    from gradts_engine.runtime.executors import resolve_devices

    if as_json and out is None:
        raise UsageError("--json prints the score as JSON and needs --out FILE for the answers")
    if out is not None and Path(file).exists() and out.exists() and out.samefile(file):
        raise UsageError(f"--out {out} is the file with the rows; name another one for the answers")
    chosen = resolve_devices((device,), "--device")[0].name
    catalog = load_catalog()
    opened = predicting.open_model(model, catalog.encoders, catalog.task_types)
    columns: dict[str, Any] = {"text": text} if text else {}
    rows = predicting.read_rows_for(opened, file, columns | ({"label": label, "indicators": ()} if label else {}))
    if strange := predicting.unknown_labels(opened, rows):
        known = f"{listed(strange)}; it has {listed(opened.labels)}"
        say(f"warning: no answer can be right where the label is none of the model's: {known}", err=True)
    bar: Any = click.progressbar(length=len(rows), label="predicting", file=sys.stderr)
    with bar:
        found = predicting.predict(opened, rows, chosen, bar.update)
    if out is None:
        for row in found.rows:
            say(json.dumps(row))  # in ASCII, where a text holds what a terminal would obey
    else:
        try:
            found.write(out)
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    _summarise(found, out, as_json)


def _summarise(found: Predicted, out: Path | None, as_json: bool) -> None:
    """Say how good the answers are; beside them, where they are on standard output."""
    from gradts_engine import tables, words

    score = None if found.why else found.score
    facts = {"rows": len(found.rows), "labelled": found.labelled, "metric": found.metric, "score": score, "undefined": found.why}
    facts |= {"types": found.types} if found.types else {}
    if out is not None:
        plain = {key: value for key, value in facts.items() if key != "types"}
        show(facts, as_json, lambda: tables.facts(plain | {"score": words.score(found.score), "answers": str(out)}))
    else:
        what = f"{found.metric} {words.score(found.score)}" if score is not None else f"no {found.metric}: {found.why}"
        say(f"{len(found.rows)} rows, {found.labelled} with a label: {what}", err=True)
    for kind, of in () if as_json else found.types.items():
        values = ", ".join(f"{name} {words.score(of[name])}" for name in ("precision", "recall", "f1"))
        say(f"{kind}: {values}, {int(of['support'])} spans", err=True)
