"""wav2vec 2.0: its loss is the paper's, equal codes are equal targets, and it has every diagnostic of pictures."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_speech import of_speech, tones

from scq.data.speech_data import waves
from scq.training import build_model, load_run, resume, train
from scq.training.dumps import dumped

pytest.importorskip("transformers")
pytest.importorskip("soundfile")


def model_of(tmp_path: Path, quantizer: str = "vq", **changes):
    model = build_model(of_speech(tmp_path, quantizer, **changes))
    model.meet(tones())
    return model


def batch_of(number: int = 4) -> torch.Tensor:
    return waves(tones().train[:number])


@pytest.mark.parametrize("quantizer", ["vq", "scq"])
def test_its_loss_and_accuracy_are_equation_3_over_masked_frames(quantizer: str, tmp_path: Path) -> None:
    model, batch = model_of(tmp_path, quantizer).eval(), batch_of()
    torch.manual_seed(0)
    objective = model.objective(batch, "loss")
    torch.manual_seed(0)
    drawn = model.draw(batch)
    with torch.no_grad():
        codewords = torch.zeros(drawn.masks.numel(), 4)
        codewords[drawn.frames] = objective.quantized.quantized
        targets = model.network.project_q(codewords.reshape(*drawn.masks.shape, 4))
        outputs = model.network.wav2vec2(batch, mask_time_indices=drawn.masks)
        contexts = model.network.project_hid(outputs.last_hidden_state).double()
    losses, right, same = [], [], []
    for b, t in drawn.masks.nonzero().tolist():
        places = [(n // drawn.masks.shape[1], n % drawn.masks.shape[1]) for n in drawn.negatives[b, t].tolist()]
        assert all(place[0] == b and place[1] != t and drawn.masks[place] for place in places)
        others = [targets[place] for place in places]
        equal = [bool((other == targets[b, t]).all()) for other in others]
        near = [torch.cosine_similarity(contexts[b, t], x.double(), dim=0) for x in (targets[b, t], *others)]
        kept = [near[0], *(one for one, skip in zip(near[1:], equal, strict=True) if not skip)]
        losses.append(torch.logsumexp(torch.stack(kept) / 0.1, 0) - near[0] / 0.1)
        right.append(len(kept) > 1 and bool(near[0] > max(kept[1:])))
        same += equal
    assert objective.numbers["contrastive_loss"].item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)
    assert objective.numbers["contrastive_accuracy"].item() == pytest.approx(sum(right) / len(right))
    assert objective.numbers["identical_negatives"].item() == pytest.approx(sum(same) / len(same))
    total = objective.numbers["contrastive_loss"] + objective.quantized.loss
    assert objective.loss.item() == pytest.approx(total.item(), rel=1e-5)


def test_equal_codes_are_equal_targets_bit_for_bit(tmp_path: Path) -> None:
    model, batch = model_of(tmp_path, codebook_size=3).train(), batch_of()
    objective = model.objective(batch, "loss")
    drawn = model._drawn
    codes = torch.full((drawn.masks.numel(),), -1)
    codes[drawn.frames] = objective.quantized.indices
    negatives = codes[drawn.negatives.flatten(0, 1)[drawn.frames]]
    equal = (negatives == objective.quantized.indices[:, None]).double().mean()
    assert 0 < objective.numbers["identical_negatives"].item() == pytest.approx(equal.item())


def test_every_window_is_masked_and_masks_come_from_the_seed(tmp_path: Path) -> None:
    model, batch = model_of(tmp_path), batch_of(8)
    torch.manual_seed(1)
    first = model.draw(batch)
    for _ in range(20):
        assert int(model.draw(batch).masks.sum(1).min()) > 4
    torch.manual_seed(1)
    assert all(torch.equal(a, b) for a, b in zip(first, model.draw(batch), strict=True))


def test_diagnostics_dumps_and_going_on_need_nothing_of_their_own(tmp_path: Path, monkeypatch) -> None:
    settings = of_speech(tmp_path, steps=6, dump_every=3, checkpoint_every=2, name="whole")
    whole = train(settings, progress=False, data=tones())
    for line in whole.history:
        assert line["kkt/relative"] < 1e-4 and line["gap/weights_l2"] > 0 and line["gap/converged_share"] == 1
        assert line["gap/decoded_contrastive_loss_exact"] == pytest.approx(line["train/contrastive_loss"], rel=1e-4)
    first, _ = dumped(whole.folder / "problems")
    assert load_file(first)["latents"].shape[1] == 4
    kind, calls = type(whole.model), []
    objective = kind.objective

    def stopping(self, batch, name):
        calls.append(name)
        if len(calls) == 4:
            raise InterruptedError
        return objective(self, batch, name)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "objective", stopping)
        with pytest.raises(InterruptedError):
            train(dataclasses.replace(settings, name="stopped"), progress=False, data=tones())
    again = resume(tmp_path / "stopped", progress=False, data=tones())
    for name, value in load_run(again.folder)[1].state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name
    assert again.test == whole.test


def test_two_groups_and_no_quantizer_train_too(tmp_path: Path) -> None:
    dual = train(of_speech(tmp_path, "simvq", groups=2), progress=False, data=tones())
    assert dual.model.samples(tones().test).shape == (8, 24, 2)
    assert "quantizer/hard_perplexity/1" in dual.history[-1] and dual.test["digit_information"] >= 0
    continuous = train(of_speech(tmp_path, "none"), progress=False, data=tones())
    assert continuous.history[-1]["train/identical_negatives"] == 0
    assert math.isnan(continuous.test["hard_perplexity"]) and math.isnan(continuous.test["digit_information"])


def test_probes_tell_what_is_in_the_contexts(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    found = model.evaluate(tones().test)
    assert model.training
    # Tones of other pitches are told apart even by convolutions of random weights.
    assert found["digit_accuracy"] > 0.6 > found["chance_digit_accuracy"] == 0.25
    assert found["chance_speaker_accuracy"] == 0.5
    assert found == pytest.approx(model.evaluate(tones().test), rel=0, abs=0, nan_ok=True)
    bare = dataclasses.replace(tones(), recordings=tuple(type(r)() for r in tones().recordings))
    model.meet(bare)
    assert math.isnan(model.evaluate(bare.test)["digit_accuracy"])


def test_a_collapsed_codebook_is_said(tmp_path: Path) -> None:
    model = model_of(tmp_path, init="normal")
    with torch.no_grad():
        model.quantizer.codebook[1:] += 1e3
    with pytest.warns(UserWarning, match=r"100.0% of the negatives equal their target: the codebook has collapsed to"):
        found = model.evaluate(tones().test)
    assert found["contrastive_accuracy"] == 0 and found["contrastive_loss"] == pytest.approx(0, abs=1e-6)


def test_what_it_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="width is 24, must be a multiple of 16 for model 'wav2vec2'"):
        model_of(tmp_path, width=24)
    model = build_model(of_speech(tmp_path))
    with pytest.raises(ValueError, match="model knows no data, must meet it before it is evaluated"):
        model.evaluate(tones().test)
    with pytest.raises(ValueError, match="data has 16000 samples a second, must have 8000, as the model"):
        model.meet(dataclasses.replace(tones(), rate=16000))
    short = dataclasses.replace(tones(), train=tones().train[:, :, :2000], test=tones().test[:, :, :2000])
    with pytest.raises(ValueError, match="data has windows of 12 frames, must have 16 at least: 2 spans of 4"):
        model.meet(short)
    with pytest.raises(ValueError, match="rate is 11025, must be 8000 or 16000"):
        of_speech(tmp_path, rate=11025)
    with pytest.raises(ValueError, match="rate is 16000, but applies to data 'speech' alone"):
        dataclasses.replace(of_speech(tmp_path, rate=16000), model="vqvae", data="photos", transformer_layers=2)
