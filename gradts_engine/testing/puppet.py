"""A worker that does what a test says, in a few lines: also an example of how a worker is written."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Order, Say

WAIT = 30
"""Seconds until what does not come is given up."""

PUPPET = f"{__name__}:Puppet"
"""Where an executor finds it; its arguments are any text."""


class Puppet:
    """Tasks are JSON lists of lists, done one after the other:

    - `["echo", value]` has the value in the outcome, `["device"]` the device that the task runs on, `["arguments"]` the arguments
      that the worker was made with;
    - `["say", record]` tells a record;
    - `["wait", path]` waits until there is a file, `["touch", path]` makes one, `["sleep", seconds]` sleeps;
    - `["order"]` waits for an order and has it in the outcome;
    - `["process"]` has the number of its process in the outcome, and `["die"]` kills that;
    - `["fail", reason]` ends in an outcome that says so.

    The outcome is `{"answers": [...], "failure": reason or ""}`.
    """

    def __init__(self, arguments: str) -> None:
        self.arguments = arguments
        self.orders: list[Order] = []
        self._ordered = threading.Condition()

    def order(self, order: Order) -> None:
        """Remembered for the tasks that wait for one."""
        with self._ordered:
            self.orders.append(order)
            self._ordered.notify_all()

    def work(self, task: str, device: str, say: Say) -> str:
        """Do what the task says."""
        answers: list[Any] = []
        for verb, *values in json.loads(task):
            match verb:
                case "echo":
                    answers += values
                case "device":
                    answers.append(device)
                case "arguments":
                    answers.append(self.arguments)
                case "say":
                    say(json.dumps(values[0]))
                case "sleep":
                    time.sleep(values[0])
                case "touch":
                    Path(values[0]).touch()
                case "wait":
                    until = time.monotonic() + WAIT
                    while not Path(values[0]).exists():
                        assert time.monotonic() < until, f"nobody has made {values[0]}"
                        time.sleep(0.005)
                case "order":
                    with self._ordered:
                        assert self._ordered.wait_for(lambda: self.orders, WAIT), "no order has come"
                    answers.append(self.orders[-1])
                case "process":
                    answers.append(os.getpid())
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "fail":
                    return json.dumps({"answers": answers, "failure": values[0]})
        return json.dumps({"answers": answers, "failure": ""})
