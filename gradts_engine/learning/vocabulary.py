"""Training without the words that do not occur.

An encoder embeds tens of thousands of words, of which a data set uses a part. The others have no gradient: all that an optimiser
does to them is weight decay, and yet it reads and writes them, and two moments of each, in every step. Of the 22.7 million
weights of a small BERT encoder more than half are its word embeddings; of a multilingual one's, two thirds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from gradts_engine.contracts import OwnHead
from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.families import of_transformers
from gradts_engine.learning.model import MultiTaskModel


@contextmanager
def used_words_alone(model: MultiTaskModel, splits: Iterable[Encoded], device: str) -> Iterator[None]:
    """While entered, the word embeddings of `model` are those of the words in `splits`, on `device`. Afterwards they are all
    there, those of other words decayed as an optimiser would have done; up to rounding, it is the same training.

    Leaves alone what may read the embeddings in another way: modules that are not transformers' own, weights that are tied, and
    heads that are made from the encoder. It excludes wrappers that compile a model or copy it to several devices
    (`torch.compile`, `DataParallel`, `DistributedDataParallel`): they are not to be made or called inside, since the weights they
    know are not those that are trained.
    """
    splits = list(splits)
    words = _words(model)
    if words is None or any(isinstance(split.type, OwnHead) for split in splits):
        yield
        return
    every, padding = words.weight, words.padding_idx
    used = torch.from_numpy(np.unique(np.concatenate([split.words() for split in splits])))
    place = torch.full((len(every),), -1)  # fails where a word was forgotten
    place[used] = torch.arange(len(used))
    place = place.to(device)
    # The last row is no word's. It starts as ones, so that what an optimiser makes of it is what it makes of any unused row.
    rows = torch.cat([every.detach()[used.to(every.device)], torch.ones_like(every[:1])]).to(device)
    words.weight = nn.Parameter(rows)
    words.padding_idx = None if padding is None or place[padding] < 0 else int(place[padding])
    hook = words.register_forward_pre_hook(lambda _, ids: (place[ids[0]],))
    try:
        yield
    finally:
        hook.remove()
        rows = words.weight.detach()
        with torch.no_grad():
            every.data = every.data.to(device) * rows[-1]
            every[used.to(device)] = rows[:-1]
        words.weight, words.padding_idx = every, padding


def _words(model: MultiTaskModel) -> nn.Embedding | None:
    """The word embeddings, if nothing else of the model has the same weights."""
    encoder = model.encoder
    if not of_transformers(encoder):
        return None
    words: Tensor | nn.Module = encoder.get_input_embeddings()  # type: ignore[operator] # of transformers' classes
    if type(words) is not nn.Embedding:
        return None
    uses = sum(parameter is words.weight for _, parameter in model.named_parameters(remove_duplicate=False))
    return words if uses == 1 else None
