"""A Ray cluster whose nodes are each in a network namespace of its own, with its own host name, mounts and cable.

All of them are in one user namespace, so that this needs no rights, and nothing of it is left on the machine in the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import psutil

RAY = str(Path(sys.executable).with_name("ray"))
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 64,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_grpc_keepalive_time_ms": "10000",
    "RAY_grpc_keepalive_timeout_ms": "10000",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(__file__).parent),
}
"""Those of the plugin's README, for tests."""
AGAIN = ("sh", "-c", 'until "$0" "$@"; do sleep 2; done')
"""Of a service: where it ends it is begun again. On a busy machine Ray may not be there in the 30 s that it gives itself."""
COUNT = """
import logging, sys, time, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

def answers():  # the first node does not know at once of one that is gone
    there = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    nothing = ray.remote(num_cpus=0, max_retries=0)(lambda: None)
    try:
        ray.get([nothing.options(scheduling_strategy=On(node, soft=False)).remote() for node in there], timeout=10)
    except ray.exceptions.RayError:
        return 0
    return len(there)

while not ray.is_initialized():
    try:
        ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
    except ConnectionError:  # the first node's raylet is not there yet
        time.sleep(1)
while answers() != int(sys.argv[2]):
    time.sleep(0.2)
"""
READY = 240.0
"""Seconds that a node may take to start, on a busy machine."""


def environment() -> dict[str, str]:
    """Of what runs on a node: without what the plugin has set in this process, for a Ray of this machine alone."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | SETTINGS


class Space:
    """Namespaces that live as long as a process in them."""

    def __init__(self, *command: str) -> None:
        self.holder = subprocess.Popen([*command, "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE)
        assert self.holder.stdout
        self.holder.stdout.readline()

    def see(self, path: Path) -> Path:
        """What is at that path in there, for those outside."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def disk(self, path: Path, size: str) -> None:
        """A small disk of its own, and of the spaces that are made in this one."""
        path.mkdir()
        self.run("mount", "-t", "tmpfs", "-o", f"size={size}", "disk", str(path))

    def inside(self, *command: str) -> list[str]:
        """The command, to be run in there."""
        spaces = ("--user", "--net", "--mount", "--uts", "--preserve-credentials")
        return ["nsenter", "--target", str(self.holder.pid), *spaces, f"--wd={os.getcwd()}", *command]

    def run(self, *command: str) -> None:
        subprocess.run(self.inside(*command), check=True, timeout=READY, env=environment())

    def end(self) -> None:
        self.holder.kill()
        self.holder.communicate()


class Node(Space):
    """One machine."""

    def __init__(self, outer: Space, number: int, core: int | None) -> None:
        super().__init__(*outer.inside("unshare", "--net", "--mount", "--uts"))
        self.outer, self.name, self.link, self.address = outer, f"node{number}", f"cable{number}", f"10.201.7.{number}"
        self.ray: subprocess.Popen[bytes] | None = None
        self.on = [] if core is None else ["taskset", "--cpu-list", str(core)]
        outer.run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        outer.run("ip", "link", "set", self.link, "master", "bridge0", "up")
        self.run("hostname", self.name)
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "link", "set", "lo", "up")

    def start(self, said: Path, *options: str) -> None:
        """Start its Ray, with a processor, in place of one that was there before."""
        self.stop()
        names = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")
        ports = [f"--{name}-port={port}" for port, name in enumerate(names, 52365)]  # Ray need not wait until they are chosen
        small = ("--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000", "--disable-usage-stats", "--block")
        with said.open("w") as file:
            self.ray = subprocess.Popen(
                self.inside(*self.on, *AGAIN, RAY, "start", f"--node-ip-address={self.address}", *small, *ports, *options),
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,  # as on a machine of its own
            )

    def processes(self, name: str = "") -> list[psutil.Process]:
        """All that runs in there; with a name, what is called so."""
        mine = os.readlink(f"/proc/{self.holder.pid}/ns/net")
        found = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.NoSuchProcess):  # it has ended meanwhile
                if (
                    os.readlink(f"/proc/{process.pid}/ns/net") == mine
                    and process.pid != self.holder.pid
                    and name in process.name()
                ):
                    found.append(process)
        return found

    def hold(self) -> None:
        """All of it stops, like a machine that hangs."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def go_on(self) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def cut(self) -> None:
        """Pull the cable."""
        self.outer.run("ip", "link", "set", self.link, "down")

    def join(self) -> None:
        self.outer.run("ip", "link", "set", self.link, "up")

    def drop(self) -> None:
        """The cable is there, and what is sent is lost on the way: nobody is told."""
        self.outer.run("bridge", "link", "set", "dev", self.link, "state", "0")

    def pass_on(self) -> None:
        self.outer.run("bridge", "link", "set", "dev", self.link, "state", "3")

    def stop(self) -> None:
        """Kill all that runs in there."""
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)
        if self.ray:
            self.ray.wait()


class Nodes:
    """Two nodes with a processor each; `first` has the head. They share a folder, `store`, and a small disk, `small`; the second
    one has another one, for what Ray writes. With `cores`, each computes on one of its own. A context manager."""

    def __init__(self, cores: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nodes-", dir="/tmp"))  # short: the names of sockets end at 107 bytes
        self.ended = ExitStack()
        self.outer = Space("unshare", "--user", "--map-root-user", "--net", "--mount", "--uts")
        self.ended.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.ended.callback(self.outer.end)
        self.store, self.small, self.sessions = self.folder / "store", self.folder / "small", self.folder / "ray"
        self.store.mkdir()
        self.outer.disk(self.small, "100m")
        self.outer.run("ip", "link", "add", "bridge0", "type", "bridge")
        self.outer.run("ip", "link", "set", "bridge0", "up")
        self.first, self.second = self.all = [Node(self.outer, number, number - 1 if cores else None) for number in (1, 2)]
        for node in self.all:
            self.ended.callback(node.end)
            self.ended.callback(node.stop)
        self.second.disk(self.sessions, "300m")

    @property
    def address(self) -> str:
        return f"{self.first.address}:6379"

    def __enter__(self) -> Nodes:
        try:
            self.begin()
        except BaseException:
            self.ended.close()
            raise
        return self

    def begin(self) -> None:
        """Start both, in place of what was there."""
        head = ("--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={self.sessions}")
        self.first.start(self.folder / "first", *head)
        self.first.run("bash", "-c", "until (exec 3<>/dev/tcp/$0/6379) 2>/dev/null; do sleep 0.2; done", self.first.address)
        self.add()
        self.wait(2)

    def add(self) -> None:
        """Have the second one join, in place of what was there."""
        self.second.start(self.folder / "second", f"--address={self.address}")

    def wait(self, count: int) -> None:
        """Until so many are there, also where the first one is begun again meanwhile."""
        command = self.first.inside(sys.executable, "-c", COUNT, self.address, str(count))
        until(lambda: not subprocess.call(command, timeout=READY, env=environment()), f"{count} nodes")

    def popen(self, *command: str) -> subprocess.Popen[str]:
        """A driver's process, on the first node; what it says can be read."""
        return subprocess.Popen(
            self.first.inside(*command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.close()


def until(happens: Callable[[], object], what: str, seconds: float = READY) -> float:
    """Waits for it; the seconds that it took."""
    began = time.monotonic()
    while not happens():
        assert time.monotonic() < began + seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began


def fill(disk: Path) -> Path:
    """A file that takes the last byte of it."""
    path = disk / "full"
    with path.open("xb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return path
