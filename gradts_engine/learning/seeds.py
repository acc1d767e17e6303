"""Seeds for every random choice, derived from the run's seed and the name of the choice, so that none depends on another."""

import hashlib


def derive_seed(*parts: object) -> int:
    """A 63-bit seed: a pure function of `parts`, the same on every platform."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
