"""The networks whose features sets of pictures are compared by: EfficientNet-Lite0, and Inception, from where it can be
had."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from scq.perceptual.torchmetrics import imported

Features = Callable[[Tensor], Tensor]
"""From 8-bit pictures to (B, features)."""


def pooled_features(device: torch.device | str = "cpu") -> Features:
    """EfficientNet-Lite0's 112 features of a picture, from 8-bit pictures."""
    from scq.perceptual.features import PooledFeatures

    network = PooledFeatures().to(device)
    return lambda pictures: network(pictures.to(device).float() / 127.5 - 1)


def inception(path: Path | str | None = None, device: torch.device | str = "cpu") -> Features:
    """The Inception network of FID, from 8-bit pictures to 2,048 features.

    Args:
        path: a TorchScript file, as ``inception-2015-12-05.pt`` of StyleGAN2-ADA, which clean-fid uses too: called with
            pictures from 0 to 255 and ``return_features=True``, it resizes them itself. A TorchScript file is a
            programme; use none that you do not trust. None for that of torch-fidelity, which downloads its weights.
        device: to compute on.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no TorchScript file.
        ImportError: no path, and torch-fidelity is not installed, or does not fit the torch that is; the message says
            what to do.

    FID differs between implementations: say which network a number is of, and how pictures were resized.
    """
    return _scripted(Path(path), device) if path is not None else _of_torch_fidelity(device)


def _scripted(path: Path, device: torch.device | str) -> Features:
    if not path.is_file():
        raise FileNotFoundError(f"inception is '{path}', must be a TorchScript file, as inception-2015-12-05.pt")
    try:
        network = torch.jit.load(path, map_location=device).eval()
    except RuntimeError as error:
        raise ValueError(
            f"inception is '{path}', which is no TorchScript file: {str(error).splitlines()[0]}"
        ) from error

    def features(pictures: UInt8[Tensor, "B 3 H W"]) -> Tensor:
        return network(pictures.to(device).float(), return_features=True).flatten(1)

    return features


def _of_torch_fidelity(device: torch.device | str) -> Features:
    module = imported("torchmetrics.image.fid")
    try:
        network = module.NoTrainInceptionV3("inception-v3-compat", ["2048"]).to(device)
    except ModuleNotFoundError as error:
        raise ImportError(
            "rFID needs Inception: install torch-fidelity, with a torchvision that fits this torch, or name a "
            "TorchScript file of it, as inception-2015-12-05.pt of StyleGAN2-ADA"
        ) from error
    return lambda pictures: network(pictures.to(device))
