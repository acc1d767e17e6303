"""Experiments about the method itself: whether what it says of auxiliaries is true."""
