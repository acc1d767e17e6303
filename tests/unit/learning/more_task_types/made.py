"""Rows of all kinds, and models for them."""

from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.encoders import Encoder
from gradts_engine.learning.model import MultiTaskModel, make_head

GOOD, BAD, PLACES = "lovely nice fine dear".split(), "grim awful sad sour".split(), "rome paris oslo lima".split()
WORDS = (*GOOD, *BAD, *PLACES, *"the a soup was in to road where is it and".split())


def with_head(encoder: Encoder, data: Encoded) -> MultiTaskModel:
    """In float64, so that only a wrong formula can make a difference."""
    module = encoder.build().double()
    head = make_head(data.type, module, encoder.hidden_size, data.labels, 0.0, seed=1).double()
    return MultiTaskModel(module, {"task": head}).eval()
