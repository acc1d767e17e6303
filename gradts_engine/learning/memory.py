"""A GPU that others compute on, too."""

from __future__ import annotations

import time

import torch

from gradts_engine.errors import RunError

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between tries to compute a single instance."""


class Patience:
    """Waits for the memory of a GPU that other programs hold, for about a minute in all."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.waits = iter(WAITS)

    def wait(self, error: torch.OutOfMemoryError) -> None:
        """After a try that had too little memory for a single instance. Raises `RunError` when it is time to give up."""
        seconds = next(self.waits, None)
        if seconds is None:
            raise RunError(f"out of memory on {self.device} with one instance: {self._held()}lower [data] max_length") from error
        time.sleep(seconds)

    def _held(self) -> str:
        if not self.device.startswith("cuda"):
            return ""
        free, total = torch.cuda.mem_get_info(self.device)
        others = (total - free - torch.cuda.memory_reserved(self.device)) / 1e9
        return f"other programs hold {others:.0f} of {total / 1e9:.0f} GB; go on when they have ended, name another device, or "
