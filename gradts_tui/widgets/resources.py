"""CPU, memory and GPUs of this machine, in a line (`g`)."""

from __future__ import annotations

from rich.text import Text
from textual.timer import Timer
from textual.widgets import Static

INTERVAL = 2.0
"""Seconds between two looks."""
FIRST = 0.2
"""Seconds to the first."""


class Resources(Static):
    """Looks only while it is shown."""

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self.display = False
        self.timer: Timer | None = None

    def on_show(self) -> None:
        """Look at the machine from now on; a first time soon."""
        machine()  # CPU is measured between two looks
        self.set_timer(FIRST, self.look)
        self.timer = self.timer or self.set_interval(INTERVAL, self.look)

    def look(self) -> None:
        """Measure and say it."""
        if not (self.display and self.screen.is_current):
            return
        self.update(Text("  ".join([*machine(), *graphics()]), no_wrap=True, overflow="ellipsis"))


def machine() -> list[str]:
    """CPU and memory."""
    import psutil

    memory = psutil.virtual_memory()
    load = psutil.getloadavg()[0]
    used = f"memory {gib(memory.total - memory.available)} of {gib(memory.total)} GiB"
    return [f"CPU {psutil.cpu_percent():.0f}% of {psutil.cpu_count()} cores, load {load:.1f}", used]


def graphics() -> list[str]:
    """Each GPU that NVML knows; nothing where it is missing (the extra `gpu`) or does not answer."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, no permission: there is nothing to show
        return []
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            busy, memory = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu, pynvml.nvmlDeviceGetMemoryInfo(handle)
            found.append(f"GPU {index} {busy}%, {gib(memory.used)} of {gib(memory.total)} GiB")
        except pynvml.NVMLError as error:
            found.append(f"GPU {index}: {error}")
    return found


def gib(size: float) -> str:
    """Bytes in GiB."""
    return f"{size / 2**30:.1f}"
