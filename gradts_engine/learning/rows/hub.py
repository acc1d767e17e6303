"""Data sets of the Hugging Face Hub."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradts_engine.contracts import Row
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows.parquet import class_name

CONNECT = 5.0
"""Seconds to wait for the Hub before it counts as out of reach."""


def hub_rows(source: str) -> Iterator[Row]:
    """`hf:owner/name:split`, `hf:owner/name/config:split`, or either with `@revision` (a commit, tag or branch) before the split;
    `config` may also be a folder of it. Class indices become names, -1 (no label) becomes None."""
    name, _, split = source.removeprefix("hf:").partition(":")
    name, at, revision = name.partition("@")
    parts = name.split("/")
    if not split or not all(parts) or not 1 <= len(parts) <= 3 or bool(at) != bool(revision):
        raise UsageError(f"{source}: expected hf:owner/name:split or hf:owner/name/config@revision:split")
    import datasets

    try:
        with _offline_where_out_of_reach():
            data = _load("/".join(parts[:2]), *parts[2:], split=split, revision=revision or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{source}: cannot be loaded ({reason}): check name, config, revision and split on https://huggingface.co/datasets "
            "and the network; without a network, download the data set once where there is one (HF_HOME holds it), or use a file"
        ) from None
    for row in data:
        yield {column: _class_names(data.features[column], value) for column, value in row.items()}


def _load(name: str, config: str | None = None, **which: Any) -> Any:
    import datasets

    try:
        return datasets.load_dataset(name, config, **which)
    except ValueError as unknown_config:
        # The branches with converted data sets have a folder for each configuration, and nothing that says so.
        try:
            return datasets.load_dataset(name, data_dir=config, **which)
        except (OSError, ValueError, datasets.exceptions.DatasetsError):
            raise unknown_config from None


@contextmanager
def _offline_where_out_of_reach() -> Iterator[None]:
    """Without a network, `datasets` would try for half a minute before it looks into its cache, or gives up."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if not any(before) and not _reachable(constants.ENDPOINT):
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@functools.cache
def _reachable(endpoint: str) -> bool:
    """Whether the Hub answers at all, by the client and the proxies that would load from it; asked once a process."""
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=CONNECT)
    except Exception:  # of whichever HTTP client it is; a Hub that answers with an error is in reach
        return False
    return True


def revision_of(place: str) -> str:
    """Whether the data of a place, as it is shown, are fixed to a commit of the Hub; empty where they are not on the Hub."""
    found = re.search(r"hf:[^@:]+(?:@([^:]+))?:", place)
    if not found:
        return ""
    revision = found[1] or "main"
    if re.fullmatch("[0-9a-f]{40}", revision):
        return f"commit {revision}"
    return (
        f"{revision}, which is not a commit: the Hub may change what it holds; fix one with "
        'options = {revision = "COMMIT"} in [tasks.NAME]'
    )


def _class_names(feature: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_class_names(getattr(feature, "feature", None), item) for item in value]
    names = getattr(feature, "names", None)
    return class_name(names, value) if names else value
