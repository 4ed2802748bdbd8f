"""A prior over the hard codes of a finished run: what a latent really costs in bits, and pictures drawn from it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from scq.data import to_float
from scq.data.batching import at_once
from scq.data.dataset import Examples, spread
from scq.extras import need
from scq.models.autoencoding import PictureModel, as_pictures
from scq.perceptual.distances import features_of, of_features
from scq.perceptual.networks import pooled_features
from scq.quantizers.composed import ComposedQuantizer
from scq.training.images import images_of
from scq.training.model import pick_device
from scq.training.run import Run
from scq.training.terminal import say
from scq.validation.common.files import write_json

FOLDER, NUMBERS, SAMPLES = "prior", "prior.json", "samples.png"

_AT_ONCE = 250
_SOFT = 0.05
"""Share of the quantized latents' variance that hard decoding may move them by."""
_VALIDATION = 0.1


@dataclass(frozen=True)
class PriorSettings:
    """What the prior is, and how it is trained.

    Args:
        width: of the transformer.
        layers: of it.
        heads: of its attention.
        steps: at most.
        batch_size: pictures a step.
        learning_rate: of AdamW.
        every: steps between two looks at the validation pictures, the last tenth of those of training.
        patience: looks without a better one, after which it stops; the best is kept.
        samples: pictures that are drawn, at least 2.
        seed: of weights, batches and samples.
    """

    width: int = 128
    layers: int = 4
    heads: int = 4
    steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 5e-4
    every: int = 50
    patience: int = 5
    samples: int = 64
    seed: int = 0


def prior(
    folder: Path | str,
    settings: PriorSettings | None = None,
    *,
    data_root: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> dict[str, Any]:
    """Trains a GPT-2 on the codes of a run's training pictures in the order of their rows, and measures it.

    Written into ``prior`` in the run's folder: prior.json, what is returned; the network, as transformers'
    ``GPT2LMHeadModel.from_pretrained`` reads it; samples.png, pictures drawn from it, below each the training picture
    that is nearest by its features.

    Args:
        folder: of a finished run, of a model of pictures with hard codes.
        settings: None for the defaults.
        data_root: where the data is, if not where the run had it.
        device: to compute on.
        progress: says at each look how it goes.

    Returns:
        bits: of a held-out latent under the prior, the rate that its code costs an ideal entropy coder. bits_alone:
        under the frequencies of the training codes. bits_uniform: log2 K. steps: at the best look. pictures, frechet,
        frechet_floor, kernel, kernel_floor: of the samples, by EfficientNet-Lite0, which is not FID.

    Raises:
        MissingExtraError: the extra prior or vqgan is not installed.
        ValueError: no finished run of such a model, or one whose codes are soft.
    """
    need("prior", "vqgan")
    settings = settings or PriorSettings()
    run = Run.open(folder)
    place, model = pick_device(device), run.model()
    config = run.config if data_root is None else replace(run.config, data_root=data_root)
    quantizer = model.quantizer
    if not isinstance(model, PictureModel) or not isinstance(quantizer, ComposedQuantizer):
        raise ValueError(f"run is '{run.folder}', must be of a model of pictures with one code a latent")
    model, images = model.to(place), images_of(config)
    _refuse_soft(model, images.test)
    train, test = _codes(model, images.train), _codes(model, images.test)
    kept = len(train) - max(1, round(_VALIDATION * len(train)))
    shape, size = train.shape[1:], quantizer.codebook_size
    rows = [codes.flatten(1) for codes in (train[:kept], train[kept:], test)]
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        network, steps = _trained(rows[0].to(place), rows[1].to(place), size, settings, progress)
        codes = _drawn(network, settings.samples, rows[0].shape[1], size).reshape(-1, *shape)
    with torch.no_grad():
        made = torch.cat([as_pictures(model.decode_codes(some)) for some in codes.split(64)])
    found = {
        "bits": _bits(network, rows[2].to(place), size),
        "bits_alone": _bits_alone(rows[0], rows[2], size),
        "bits_uniform": math.log2(size),
        "steps": steps,
    }
    target = run.folder / FOLDER
    target.mkdir(exist_ok=True)
    found |= _compared(made, images.test, images.train, target / SAMPLES, place)
    network.save_pretrained(target)
    write_json(target / NUMBERS, found)
    return found


@torch.no_grad()
def _refuse_soft(model: PictureModel, examples: Examples) -> None:
    """
    Raises:
        ValueError: hard decoding gives the decoder something else than what it was trained with.
    """
    pictures = to_float(examples[spread(len(examples), 64)]).to(next(model.parameters()).device)
    quantized = model(pictures).quantized
    moved = (model.quantizer.decode(quantized.indices) - quantized.quantized).square().mean()
    share = float(moved / quantized.quantized.var((0, 2, 3)).mean())
    if share > _SOFT:
        raise ValueError(
            "the run's codes are soft: the codeword of the largest weight alone moves the quantized latents by "
            f"{share:.0%} of their variance, so that the decoder was not trained for what is decoded from it; a prior "
            "needs hard codes, as of vq_ema, simvq or scq_annealed"
        )


def _codes(model: PictureModel, examples: Examples) -> Int[Tensor, "N h w"]:
    device = next(model.parameters()).device
    batches = examples.split(at_once(examples, _AT_ONCE))
    return torch.cat([model.encode_to_codes(to_float(batch).to(device)).cpu() for batch in batches])


def _trained(train: Tensor, validation: Tensor, size: int, settings: PriorSettings, progress: bool) -> tuple[Any, int]:
    """The network at its best look, and after how many steps that was."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=size + 1,
        n_positions=train.shape[1] + 1,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        bos_token_id=size,
        eos_token_id=size,
        pad_token_id=size,
    )
    network = GPT2LMHeadModel(config).to(train.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    best, best_step, state = math.inf, 0, network.state_dict()
    for step in range(1, settings.steps + 1):
        network.train()
        chosen = torch.randint(len(train), (settings.batch_size,), device=train.device)
        loss = _nats(network, train[chosen], size)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % settings.every == 0 or step == settings.steps:
            bits = _bits(network, validation, size)
            if progress:
                say(f"prior: step {step}  {bits:.3f} bits a latent of validation pictures")
            if bits < best:
                best, best_step = bits, step
                state = {name: value.clone() for name, value in network.state_dict().items()}
            elif step - best_step >= settings.patience * settings.every:
                break
    network.load_state_dict(state)
    return network.eval(), best_step


def _nats(network: Any, codes: Int[Tensor, "B L"], size: int) -> Tensor:
    """The mean cross entropy of a code, given those before it in its picture."""
    begun = torch.cat([codes.new_full((len(codes), 1), size), codes[:, :-1]], 1)
    logits = network(input_ids=begun, attention_mask=torch.ones_like(begun)).logits[..., :size]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), codes.flatten())


@torch.no_grad()
def _bits(network: Any, codes: Int[Tensor, "N L"], size: int) -> float:
    network.eval()
    total = sum(float(_nats(network, some, size)) * len(some) for some in codes.split(64))
    return total / len(codes) / math.log(2)


def _bits_alone(train: Tensor, test: Tensor, size: int) -> float:
    # One more of each, so that a code that training never had costs something finite.
    counts = torch.bincount(train.flatten(), minlength=size).double() + 1
    return float(-(counts / counts.sum()).log2()[test.flatten()].mean())


@torch.no_grad()
def _drawn(network: Any, number: int, length: int, size: int) -> Int[Tensor, "N L"]:
    begun = torch.full((number, 1), size, device=network.device)
    drawn = network.generate(
        begun,
        attention_mask=torch.ones_like(begun),
        do_sample=True,
        top_k=0,
        max_new_tokens=length,
        min_new_tokens=length,
        suppress_tokens=[size],
    )
    return drawn[:, 1:]


@torch.no_grad()
def _compared(
    made: UInt8[Tensor, "N 3 H W"], test: Examples, train: Examples, path: Path, device: torch.device
) -> dict[str, Any]:
    """The distances of the samples, and the picture of them."""
    network = pooled_features(device)
    batches = train.split(at_once(train, _AT_ONCE))
    all_train, own = features_of(network, batches), features_of(network, made.split(64))
    number = min(len(made), len(test), len(train))
    real = features_of(network, [test[spread(len(test), number)]])
    numbers = of_features(own[:number], real, all_train[spread(len(all_train), number)])._asdict()
    nearest = torch.cdist(own, all_train).argmin(1)
    _save(torch.cat([made, train[nearest]], 2), path)
    return numbers


def _save(pictures: UInt8[Tensor, "N 3 H W"], path: Path, columns: int = 8) -> None:
    """Rows of pictures, white between them."""
    padded = torch.nn.functional.pad(pictures, (2, 2, 2, 6), value=255)
    missing = -len(padded) % columns
    padded = torch.cat([padded, padded.new_full((missing, *padded.shape[1:]), 255)])
    rows = padded.reshape(-1, columns, *padded.shape[1:]).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    Image.fromarray(rows.numpy()).save(path)
