"""The adapters in their hosts, as they come: training steps, codes, files."""

import functools
from typing import Any

import pytest
import torch

import scq
from scq import Grouped, Monitor, Residual
from scq.adapters import dac, vq_model, wav2vec2

pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("diffusers", reason="diffusers is not installed")

from diffusers import VQModel
from transformers import DacConfig, DacModel, PreTrainedModel, Wav2Vec2Config, Wav2Vec2ForPreTraining

K = 16


class Speech(Wav2Vec2ForPreTraining):
    """As a user writes it, whose model is to be loaded by from_pretrained."""

    quantizer_name = "scq"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        groups, dim = config.num_codevector_groups, config.codevector_dim
        layer = Grouped(lambda _: scq.quantizer(self.quantizer_name, K, dim // groups), groups)
        self.quantizer = wav2vec2(layer, config.conv_dim[-1])


class Codec(DacModel):
    quantizer_name = "scq"

    def __init__(self, config: Any) -> None:
        super().__init__(config)

        def make(_: int) -> scq.quantizers.Quantizer:
            return scq.quantizer(self.quantizer_name, K, config.hidden_size, channel_dim=1)

        self.quantizer = dac(Residual(make, config.n_codebooks))


class Pictures(VQModel):
    quantizer_name = "scq"

    @functools.wraps(VQModel.__init__)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        dim = self.config.latent_channels
        self.quantize = vq_model(scq.quantizer(self.quantizer_name, K, dim, channel_dim=1))


def speech(groups: int = 2) -> Wav2Vec2Config:
    return Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_kernel=(10, 3),
        conv_stride=(5, 4),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        codevector_dim=8,
        proj_codevector_dim=8,
        num_codevector_groups=groups,
        num_codevectors_per_group=K,
        do_stable_layer_norm=True,
        feat_extract_norm="layer",
        layerdrop=0.0,
    )


def codec() -> DacConfig:
    return DacConfig(
        encoder_hidden_size=2,
        downsampling_ratios=[2, 4],
        decoder_hidden_size=16,
        n_codebooks=2,
        codebook_size=K,
    )


def pictures(kind: type = Pictures) -> VQModel:
    return kind(
        block_out_channels=(8,),
        norm_num_groups=4,
        latent_channels=4,
        num_vq_embeddings=K,
        mid_block_add_attention=False,
    )


def reached(model: torch.nn.Module) -> bool:
    """Whether every parameter of the quantizer, and the first of the model, has a gradient."""
    layer = getattr(model, "quantize", None) or model.quantizer
    first = next(parameter for parameter in model.parameters() if parameter.requires_grad)
    return all(parameter.grad is not None and parameter.grad.any() for parameter in (first, *layer.parameters()))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("name", ["scq", "vq", "simvq", "smoothed_knn_ce"])
def test_wav2vec2_learns_with_any_quantizer_and_masks_identical_negatives(name: str, groups: int) -> None:
    model = Wav2Vec2ForPreTraining(speech(groups)).train()
    layer = Grouped(lambda _: scq.quantizer(name, 4, 8 // groups), groups)
    model.quantizer = wav2vec2(layer, model.config.conv_dim[-1], hard=True)
    frames = int(model._get_feat_extract_output_lengths(torch.tensor(800)))
    mask = torch.rand(2, frames) < 0.5
    negatives = torch.randint(0, 2 * frames, (2, frames, 5))
    with Monitor(model, every=1) as monitor:
        out = model(torch.randn(2, 800), mask_time_indices=mask, sampled_negative_indices=negatives)
    output = model.quantizer.output
    (out.loss / mask.sum() + output.loss).backward()
    assert reached(model)
    # The host compares vectors: those of the same codes are the same, bit for bit.
    codes = output.indices.flatten(0, 1)
    vectors = out.projected_quantized_states.flatten(0, 1)
    of_same = (codes[negatives] == output.indices.unsqueeze(2)).all(-1)
    equal = (vectors[negatives] == out.projected_quantized_states.unsqueeze(2)).all(-1)
    assert torch.equal(equal[mask], of_same[mask] & mask.flatten()[negatives][mask])
    assert of_same[mask].any()
    assert float(monitor.history["quantizer.quantizer/hard_perplexity"][0]) == pytest.approx(
        float(output.info["hard_perplexity"].mean())
    )
    assert name != "scq" or monitor.history["quantizer.quantizer/kkt_relative"][0] < 1e-4


@pytest.mark.parametrize("name", ["scq", "vq"])
def test_the_codec_learns_and_decodes_its_codes(name: str) -> None:
    model = DacModel(codec()).train()
    layer = Residual(lambda _: scq.quantizer(name, K, 8, channel_dim=1), 2, dropout=0.5)
    model.quantizer = dac(layer, hard=True)
    audio = torch.randn(3, 1, 256)
    out = model(audio)
    assert out.loss == model.quantizer.output.loss
    (out.loss + (out.audio_values - audio[:, 0]).square().mean()).backward()
    assert reached(model)
    model.eval()
    encoded = model.encode(audio)
    assert encoded.audio_codes.shape == (3, 2, 32)
    decoded = model.decode(audio_codes=encoded.audio_codes).audio_values
    torch.testing.assert_close(decoded, model(audio).audio_values)
    coarse = model(audio, n_quantizers=1)
    assert torch.equal(coarse.audio_codes, encoded.audio_codes[:, :1])
    torch.testing.assert_close(model.decode(audio_codes=coarse.audio_codes).audio_values, coarse.audio_values)
    model.apply_weight_norm()
    torch.testing.assert_close(model(audio).audio_values, decoded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["scq", "vq"])
def test_the_picture_model_learns_and_decodes_its_codes(name: str) -> None:
    model = pictures(VQModel).train()
    model.quantize = vq_model(scq.quantizer(name, K, 4, channel_dim=1), hard=True)
    x = torch.randn(2, 3, 8, 8)
    out = model(x)
    assert out.commit_loss is model.quantize.output.loss
    (out.commit_loss + (out.sample - x).square().mean()).backward()
    assert reached(model)
    latents = model.eval().encode(x).latents
    codes = model.quantize(latents)[2][2]
    entries = model.quantize.get_codebook_entry(codes, (2, 8, 8, 4))
    torch.testing.assert_close(model.decode(entries, force_not_quantize=True).sample, model.decode(latents).sample)


@pytest.mark.parametrize("name", ["scq", "vq_ema", "fsq"])
@pytest.mark.parametrize("kind", [Speech, Codec, Pictures], ids=lambda kind: kind.__name__)
def test_what_is_saved_is_loaded(kind: type, name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "quantizer_name", name)
    model: Any = pictures() if kind is Pictures else kind(speech() if kind is Speech else codec())
    x = torch.randn(2, 3, 8, 8) if kind is Pictures else torch.randn(2, *[1] * (kind is Codec), 400)
    model.train()(x)  # moves averages
    model.eval().save_pretrained(tmp_path)
    loaded = kind.from_pretrained(tmp_path).eval()
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(value, after[key]) for key, value in before.items())
    if kind is Codec:  # before anything was quantized
        codes = model.encode(x).audio_codes
        for one in (loaded, model):
            assert torch.equal(one.decode(audio_codes=codes).audio_values, model.decode(audio_codes=codes).audio_values)
    first, second = (one(x) for one in (model, loaded))
    name = {Speech: "projected_quantized_states", Codec: "audio_values", Pictures: "sample"}[kind]
    assert torch.equal(getattr(first, name), getattr(second, name))
    assert isinstance(model, PreTrainedModel) == (kind is not Pictures)
