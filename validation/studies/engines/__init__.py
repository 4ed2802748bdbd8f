"""Where the cells of a study are worked on."""

from scq.validation.config import Engine
from scq.validation.studies.engines.base import Workers
from scq.validation.studies.engines.cluster import Cluster
from scq.validation.studies.engines.local import Here, Processes, usable

__all__ = ["Workers", "workers"]


def workers(engine: Engine, jobs: int | None, device: str) -> Workers:
    """The workers that a configuration asks for.

    Args:
        engine: "local" or "ray".
        jobs: how many; None for as many as suit the machine or the cluster.
        device: of the runs.

    Raises:
        ValueError: Ray is asked for and not installed; says how to install it.
    """
    if engine == "ray":
        return Cluster(jobs, device)
    number = jobs or usable(device)
    return Here() if number == 1 else Processes(number)
