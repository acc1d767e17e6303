"""Encoders, and where their attention heads are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch


HeadAxis = Literal["output", "input"]
"""Which weights are a head's: rows of the projection (where a head's keys and values live) or columns (as published)."""


@dataclass(frozen=True)
class Projection:
    """Where a query, key or value projection lives: output rows `start:stop` of the linear module `module`, holding `heads`
    heads of `(stop - start) / heads` rows each. `call` counts the calls of a module that several layers share (ALBERT)."""

    module: str
    start: int
    stop: int
    heads: int
    call: int = 0


@dataclass(frozen=True)
class HeadSites:
    """The projections of every layer, from the first layer to the last: `layers[l]["key"]` and so on.

    `batched` is False where a projection also sees inputs that a batch shares (relative positions in DeBERTa), so that
    gradients of single instances cannot be told apart inside a batch and each instance is scored by itself.
    """

    layers: tuple[Mapping[str, Projection], ...]
    batched: bool = True


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """A pretrained encoder. `source` gives a folder or a Hub name; `sha256` maps file names in that folder to digests that are
    verified on load; `head_sites` says where the heads are if the model's family is not one that GradTS knows;
    `model` builds the module from a folder, the source or an exported model, where `AutoModel.from_pretrained` is not the way;
    `tokenizer` changes the fast tokenizer that was found there."""

    name: str
    source: Callable[[], str]
    sha256: Mapping[str, str] = field(default_factory=dict)
    head_sites: Callable[[torch.nn.Module], HeadSites] | None = None
    model: Callable[[str], torch.nn.Module] | None = None
    tokenizer: Callable[[Any], Any] | None = None
    version: int = 1
    description: str = ""
