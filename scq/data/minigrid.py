"""``minigrid``: frames of gridworlds, as an agent that acts at random meets them; drawn when they are asked for.

Six tasks of Minigrid on 8 x 8 cells, seen whole. An episode is a layout drawn from its seed and 24 random actions; the
test has episodes of other seeds. Frames are drawn at the size that is asked for, not resized. Most actions change a
cell or nothing: equal frames count once, so that none is in training and test.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from scq.data.image_data import ImageData
from scq.data.pictures import SIZE, check_size
from scq.extras import need

TASKS = ("DoorKey-8x8", "Dynamic-Obstacles-8x8", "Fetch-8x8-N3", "GoToDoor-8x8", "GoToObject-8x8-N2", "PutNear-8x8-N3")
CELLS = 8
TRAIN, TEST = range(30), range(1000, 1005)
"""Seeds of the episodes of each task."""
STEPS = 24


def read(root: Path | None = None, size: int = SIZE) -> ImageData:
    """All frames, in a fixed order. ``root`` is not looked at: the tasks are inside installed packages.

    Raises:
        MissingExtraError: without the extra ``rl``.
        ValueError: ``size`` is no multiple of 8, the cells on a side.
    """
    need("rl")
    check_size(size)
    if size % CELLS:
        raise ValueError(f"size is {size}, must be a multiple of {CELLS} for data set 'minigrid': cells on a side")
    seen: set[bytes] = set()
    test, train = (_different(seeds, size, seen) for seeds in (TEST, TRAIN))
    description = (
        f"{len(train)} training and {len(test)} test frames of {len(TASKS)} tasks of Minigrid, {size} x {size}: "
        f"{len(TRAIN)} and {len(TEST)} episodes each, of different seeds, of {STEPS} random actions; equal frames once"
    )
    return ImageData(name="minigrid", train=train, test=test, description=description)


def _different(seeds: range, size: int, seen: set[bytes]) -> UInt8[Tensor, "N 3 size size"]:
    """The frames that equal none that was seen before."""
    kept = []
    for task in TASKS:
        for frame in _frames(task, seeds, size):
            key = hashlib.sha256(frame.tobytes()).digest()
            if key not in seen:
                seen.add(key)
                kept.append(frame)
    return torch.from_numpy(np.ascontiguousarray(np.stack(kept).transpose(0, 3, 1, 2)))


def _frames(task: str, seeds: range, size: int) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
    import gymnasium
    import minigrid  # noqa: F401  it registers the tasks
    from minigrid.wrappers import ImgObsWrapper, RGBImgObsWrapper

    drawn = RGBImgObsWrapper(gymnasium.make(f"MiniGrid-{task}-v0"), tile_size=size // CELLS)
    world = ImgObsWrapper(drawn)
    try:
        for seed in seeds:
            frame, _ = world.reset(seed=seed)
            yield frame
            for action in np.random.default_rng(seed).integers(world.action_space.n, size=STEPS):
                frame, _, ended, _, _ = world.step(action)
                yield frame
                if ended:
                    break
    finally:
        world.close()
