"""Exported models, loaded with the plugins that are installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning import export

if TYPE_CHECKING:
    from torch import nn


def load_model(folder: str | Path) -> nn.Module:
    """The model in an exported folder, in eval mode: `load_model(folder)(**tokenizer(texts, return_tensors="pt")).logits`.

    Raises UsageError if the folder is not an export or damaged, its encoder is of a plugin that is not installed, or its head is
    of a plugin's own class.
    """
    return export.load_model(folder, load_catalog().encoders)
