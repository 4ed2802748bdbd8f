"""Workers on one or many machines, through Ray. All must see the study's folder and the data by the same path."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch

from scq.solvers import plugins
from scq.training.model import pick_device
from scq.validation.studies.engines.base import Workers

INSTALL = "pip install 'scq[ray]'"


class Cluster(Workers):
    """A Ray cluster that is running already (RAY_ADDRESS), or one that is started on this machine.

    Args:
        width: how many cells at a time; None for as many as the cluster has cores, or GPUs where the runs need one.
        device: of the runs.

    Raises:
        ValueError: Ray is not installed.
    """

    def __init__(self, width: int | None, device: str) -> None:
        try:
            import ray
        except ImportError as error:
            raise ValueError(f"engine is 'ray', which is not installed: {INSTALL}") from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(
                num_cpus=None if os.environ.get("RAY_ADDRESS") else width, log_to_driver=False, include_dashboard=False
            )
        needs: dict[str, Any] = {"num_gpus": 1} if pick_device(device).type == "cuda" else {"num_cpus": 1}
        if plugins.named():  # a cluster that was there before has not this process's variables
            needs["runtime_env"] = {"env_vars": {plugins.VARIABLE: ",".join(plugins.named())}}
        # A run that ends its process is reported as failed, not tried again.
        self._remote = ray.remote(max_retries=0, **needs)(_call)
        resources = ray.cluster_resources()
        self.width = width or max(1, int(resources.get("GPU" if "num_gpus" in needs else "CPU", 1)))

    def submit(self, work: Callable[[Any], Any], item: Any) -> Future[Any]:
        return self._remote.remote(work, item).future()

    def close(self) -> None:
        if self._started:
            self._ray.shutdown()


def _call(work: Callable[[Any], Any], item: Any) -> Any:
    torch.set_num_threads(1)
    return work(item)
