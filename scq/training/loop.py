"""The training loop: one process, one device."""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import mse_loss

from scq import data
from scq.autoencoder import Autoencoder
from scq.diagnostics import measure_gap
from scq.quantizers import registry
from scq.quantizers.base import CodebookQuantizer, QuantizerOutput
from scq.quantizers.layout import from_rows, to_rows
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.training import folder as folders
from scq.training.config import TrainConfig
from scq.training.dumps import dump
from scq.training.environment import environment
from scq.training.evaluation import evaluate
from scq.training.log import MetricLog
from scq.training.model import build_model, calibrate, displace, pick_device, seeds
from scq.training.progress import TrainingProgress
from solvers import registry as backends


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: where it lives.
        model: trained, in evaluation mode, on the training device.
        history: the log, one dict a line.
        test: what :func:`scq.training.evaluate` says of the held-out pictures.
    """

    folder: Path
    model: Autoencoder
    history: list[dict[str, int | float]]
    test: dict[str, float]


def train(config: TrainConfig, progress: bool = True) -> RunResult:
    """Trains an autoencoder and evaluates it on the held-out pictures, or on a share of the training pictures.

        loss = ||reconstruction - picture||^2 / variance of the data + loss of the quantizer        (means, not sums)

    by Adam. The first step, every ``log_every``-th and the last are logged, with the KKT residuals of the solver in
    use on that step's batch and, when asked for, the gap to the relaxation (:func:`scq.diagnostics.measure_gap`).

    The run's folder is new: ``config.out / name``, with a number after it when there is one already. It holds
    config.json, environment.json, metrics.jsonl (each line on disk at once), tensorboard/ (the same numbers),
    model.safetensors and test.json; with ``config.dump_every`` also problems/, what the solver was given. After Ctrl-C
    it holds the log and the weights so far, and the KeyboardInterrupt goes on.

    Args:
        config: the settings.
        progress: shows a bar with the time left, the loss and the KKT residual.

    Raises:
        ValueError: bad settings, a device that is not there, or a folder that cannot be written; before training.
        solvers.BackendMissingError: the backend's package is not installed; before training.
        FileNotFoundError: the data is not where it is looked for.
    """
    device = pick_device(config.device)
    if registry.get(config.quantizer).convex:
        backends.get(config.backend).check_available()
    images = _split(data.load(config.data, config.data_root), config.validation_share)
    model = build_model(config).to(device).train()
    folder = folders.create(config.out, config.name or f"{config.data}-{config.quantizer}")
    folders.write_config(folder, config)
    folders.write_json(folder / folders.ENVIRONMENT, environment(device))

    with MetricLog(folder) as log:
        try:
            _run(config, model, images, device, folder, log, progress)
        except KeyboardInterrupt:
            _save(folder, model)
            logged = log.history[-1]["step"] if log.history else 0
            Console().print(f"Interrupted; what was logged up to step {logged} and the weights so far are in {folder}")
            raise
    _save(folder, model)
    test = evaluate(model.eval(), images.test)
    folders.write_json(folder / folders.TEST, test)
    return RunResult(folder, model, log.history, test)


def _split(images: data.ImageData, share: float) -> data.ImageData:
    """The same pictures with a share of the training pictures in place of the test pictures.

    The last ones in the order of the data set, so that of photographs, whose tiles follow each other, at most one is
    on both sides.

    Raises:
        ValueError: nothing would be left on one side.
    """
    if share == 0:
        return images
    kept = len(images.train) - round(share * len(images.train))
    if not 0 < kept < len(images.train):
        raise ValueError(
            f"validation_share is {share}, must leave at least one of the {len(images.train)} training pictures on "
            "either side"
        )
    return dataclasses.replace(images, train=images.train[:kept], test=images.train[kept:])


def _run(
    config: TrainConfig,
    model: Autoencoder,
    images: data.ImageData,
    device: torch.device,
    folder: Path,
    log: MetricLog,
    progress: bool,
) -> None:
    generator = torch.Generator().manual_seed(seeds(config.seed)[2])
    batches = data.batches(images.train, config.batch_size, generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    variance = images.variance
    calibrate(model, next(batches).to(device))
    displace(model, config.latents_offset)
    seconds, since = 0.0, 0
    with TrainingProgress(config.name or config.quantizer, config.steps, disable=not progress) as bar:
        for step in range(1, config.steps + 1):
            start = time.perf_counter()
            logged = step == 1 or step % config.log_every == 0 or step == config.steps
            model.quantizer.diagnose = logged
            picture = next(batches).to(device)
            output = model(picture)
            mse = mse_loss(output.reconstruction, picture)
            loss = mse / variance + output.quantized.loss
            optimizer.zero_grad()
            loss.backward()
            if isinstance(model.quantizer, SoftConvexQuantizer) and config.dump_every and step % config.dump_every == 0:
                # Before the update too, and none of the step's time.
                start += dump(folder, step, model.quantizer, output.latents)
            if logged:
                # Before the update: the gap belongs to the codebook that quantized this batch.
                numbers = _numbers(loss, mse, output.quantized)
                seconds += time.perf_counter() - start
                if config.gap and registry.get(config.quantizer).convex:
                    numbers |= _gap(config, model, picture, output.latents, variance)
                start = time.perf_counter()
            optimizer.step()
            seconds, since = seconds + time.perf_counter() - start, since + 1
            bar.step()
            if logged:
                log.write(step, numbers | {"time/step": seconds / since})
                bar.show(log.history[-1])
                seconds, since = 0.0, 0
    # Otherwise the test's pictures per second would pay for residuals that nobody reads.
    model.quantizer.diagnose = False


def _numbers(loss: Tensor, mse: Tensor, quantized: QuantizerOutput) -> dict[str, float]:
    """The log's names: "kkt_primal" of the quantizer's info becomes "kkt/primal", the others "quantizer/..."."""
    tensors = {"train/loss": loss, "train/mse": mse, "train/quantizer_loss": quantized.loss}
    for name, value in quantized.info.items():
        tensors[f"kkt/{name[4:]}" if name.startswith("kkt_") else f"quantizer/{name}"] = value
    # One transfer for all numbers: each costs a wait for the device.
    values = torch.stack([value.detach().double() for value in tensors.values()]).tolist()
    return dict(zip(tensors, values, strict=True))


def _gap(
    config: TrainConfig, model: Autoencoder, picture: Tensor, latents: Tensor, variance: float
) -> Mapping[str, float]:
    """The gap on this step's batch, through this step's decoder."""
    quantizer = model.quantizer
    assert isinstance(quantizer, CodebookQuantizer)  # every convex entry of the registry is one
    gap = measure_gap(
        to_rows(latents, config.dim, quantizer.channel_dim),
        quantizer.codebook,
        config.lam,
        decode=lambda rows: model.decode(from_rows(rows, latents, quantizer.channel_dim)),
        target=picture,
        variance=variance,
        quantization_weight=config.quantization_weight,
        backend=config.backend,
        steps=config.relaxation_steps,
    )
    seconds = gap.pop("seconds")
    return {f"gap/{name}": value for name, value in gap.items()} | {"time/gap": seconds}


def _save(folder: Path, model: Autoencoder) -> None:
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / folders.WEIGHTS)
