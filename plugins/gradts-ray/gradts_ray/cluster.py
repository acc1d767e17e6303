"""Ray, joined or started. What is started here listens on this machine alone, and only who has its token gets in.

Ray reads its settings from the environment when it is imported: so it is imported here, and had from here.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from gradts_engine.errors import RunError, UsageError

ADDRESS = "GRADTS_RAY_ADDRESS"
PREFIX, HELD = "gradts-", "held"
"""Of temporary folders, and of the file in each that is locked for as long as its engine lives."""
TRIES = 3
"""How often Ray is started on this machine: it gives itself 30 seconds, and a busy machine may need more."""
OBJECTS = 100_000_000
"""Bytes of Ray's shared memory: only texts go through it."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_grpc_client_keepalive_time_ms": "10000",  # a host that hangs is noticed in seconds, not in minutes
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
}
LOCAL = SETTINGS | {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # or else 127.0.0.1 is replaced by an address that others can reach
    "RAY_memory_monitor_refresh_ms": "0",  # it ends tasks when a machine is full, whoever has filled it
}
"""How a cluster notices a host that hangs is set where it is started (README); on one machine, nothing that is alive should be
taken for dead because others keep it busy."""

os.environ |= {name: value for name, value in (SETTINGS if os.environ.get(ADDRESS) else LOCAL).items() if name not in os.environ}

import ray  # noqa: E402

__all__ = ["cluster", "line", "ray"]


@contextmanager
def cluster() -> Iterator[None]:
    """Within: this process is in a Ray cluster, the one that is named, or one of its own. One that it is in already stays."""
    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # what the cluster has to say would go over the terminal
    vars(ray._private.worker)["print_to_stdstream"] = lambda *_, **__: None  # and what its nodes say, whatever log_to_driver is
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.CRITICAL, "namespace": "gradts"}
    address = os.environ.get(ADDRESS)
    with ExitStack() as stack:
        where = {"address": address} if address else _alone(stack)
        stack.callback(ray.shutdown)
        left = TRIES
        while not ray.is_initialized():
            try:
                ray.init(**where, **quiet)
            except Exception as error:  # Ray raises all kinds, bare ones too
                ray.shutdown()
                left -= 1
                if address:
                    raise UsageError(f"no Ray cluster at {address}: {line(error)}") from error
                if not left:
                    raise RunError(f"Ray cannot be started on this machine: {line(error)}") from error
        yield


def _alone(stack: ExitStack) -> dict[str, Any]:
    """How Ray is started for this process alone; what it needs is there for as long as the stack."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # short, since the names of sockets end at 107 bytes, and the user's own
    held = stack.enter_context((folder / "new").open("w"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    fcntl.flock(held, fcntl.LOCK_EX)
    (folder / "new").rename(folder / HELD)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(_token())
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    here = {"address": "local", "_node_ip_address": "127.0.0.1", "_temp_dir": str(folder / "ray")}
    return here | {"object_store_memory": OBJECTS, "include_dashboard": False}


@cache
def _token() -> str:
    """One a process: Ray remembers the first that it has read."""
    return secrets.token_hex(32)


def line(error: Exception) -> str:
    """What Ray says, in one."""
    return " ".join(str(error).split())[:300]


def sweep() -> None:
    """Remove the temporary folders of engines that were killed: those that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / HELD).open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
