"""MLflow, where `GRADTS_MLFLOW` names a tracking server or a database: `https://...`, `sqlite:///runs.db`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from gradts_engine.hooks.specs import hookimpl

if TYPE_CHECKING:
    import numpy as np

    from gradts_engine import events

SERVER = "GRADTS_MLFLOW"


class Tracking:
    """A run in the experiment `gradts` of MLflow."""

    def __init__(self, uri: str, event: events.RunStarted) -> None:
        from mlflow import MlflowClient

        self.client: Any = MlflowClient(tracking_uri=uri)
        found = self.client.get_experiment_by_name("gradts")
        experiment = found.experiment_id if found else self.client.create_experiment("gradts")
        self.run = self.client.create_run(experiment, run_name=event.run).info.run_id
        for section, settings in event.settings.items():
            for key, value in settings.items() if isinstance(settings, dict) else ():
                self.client.log_param(self.run, f"{section}.{key}", str(value)[:500])

    def scalar(self, name: str, value: float, step: int) -> None:
        """A number at a step."""
        self.client.log_metric(self.run, _name(name), value, step=step)

    def picture(self, name: str, pixels: np.ndarray) -> None:
        """Pixels [height, width, 3], as an artifact."""
        self.client.log_image(self.run, pixels, f"{_name(name)}.png")

    def close(self) -> None:
        """The run has ended."""
        self.client.set_terminated(self.run)


def _name(name: str) -> str:
    """MLflow's names have no brackets and plus signs."""
    return re.sub(r"[^\w./ -]", "_", name)


def _open(event: events.RunStarted) -> Tracking | None:
    uri = os.environ.get(SERVER)
    return Tracking(uri, event) if uri else None


_watchers: list[Any] = []


@hookimpl
def gradts_event(event: events.Event) -> None:
    """Every event, where a server is named."""
    if not os.environ.get(SERVER):
        return
    if not _watchers:
        from gradts_observers.watching import Watcher

        _watchers.append(Watcher(_open))
    _watchers[0](event)
