"""Where the numbers of the log go besides its own file: accelerate's trackers, by name. Some show pictures beside."""

import atexit
import dataclasses
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, TrackioTracker, WandBTracker
from jaxtyping import Integer, UInt8

from scq.training.config import TrainConfig

_PROJECT = "scq"
"""What the services file runs under; a run has its folder's name there."""

MAKERS: dict[str, Callable[[Path, int], GeneralTracker]] = {
    # What a run that goes on from a step wrote after it does not count any more.
    "tensorboard": lambda folder, step: TensorBoardTracker(
        "tensorboard", _as_utf8(folder), purge_step=step + 1 if step else None
    ),
    "wandb": lambda folder, step: WandBTracker(_PROJECT, name=folder.name, dir=str(folder)),
    "trackio": lambda folder, step: TrackioTracker(_PROJECT, name=folder.name),
    "mlflow": lambda folder, step: MLflowTracker(_PROJECT, run_name=folder.name),
}


def check_installed(names: Sequence[str]) -> None:
    """Before a run needs them.

    Raises:
        ValueError: one is not, with the command that installs it.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"trackers has {name!r}, which is not installed: pip install {name}")


def _as_utf8(folder: Path) -> Path:
    """A path of the same folder that is UTF-8, which TensorBoard encodes paths in: a link, until this process ends."""
    try:
        str(folder).encode()
        return folder
    except UnicodeEncodeError:
        place = Path(tempfile.mkdtemp(prefix="scq-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        (place / "run").symlink_to(folder.absolute())
        return place / "run"


def start(folder: Path, config: TrainConfig, step: int) -> list[GeneralTracker]:
    """Trackers that take numbers of the steps after that one."""
    trackers = [MAKERS[name](folder, step) for name in config.trackers]
    items = dataclasses.asdict(config).items()
    settings = {name: value if isinstance(value, int | float | str) else str(value) for name, value in items}
    for tracker in trackers:
        tracker.start()
        # TensorBoard's files lie beside config.json.
        if tracker.name != "tensorboard":
            tracker.store_init_configuration(settings)
    return trackers


def show_picture(tracker: GeneralTracker, name: str, picture: UInt8[np.ndarray, "H W channels"], step: int) -> None:
    """A picture among the numbers, at a step, in a tracker of :data:`scq.training.parts.VIEWERS`."""
    if tracker.name == "tensorboard":
        tracker.tracker.add_image(name, picture, step, dataformats="HWC")
    else:
        tracker.log_images({name: [picture]}, step=step)


def show_histogram(
    tracker: GeneralTracker, name: str, values: Integer[np.ndarray, " n"], edges: np.ndarray, step: int
) -> None:
    """How often whole numbers are there, in bins with these edges; otherwise as :func:`show_picture`."""
    if tracker.name == "tensorboard":
        tracker.tracker.add_histogram(name, values, step, bins=edges)
    else:
        import wandb  # pyrefly: ignore[missing-import]

        tracker.log({name: wandb.Histogram(np_histogram=np.histogram(values, edges))}, step=step)
