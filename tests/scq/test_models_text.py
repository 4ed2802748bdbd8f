"""The autoencoder of text: what it evaluates itself by, and that all there is for pictures is there for it."""

import dataclasses
import lzma
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_text import of_text, words

from scq.models.text import CHARACTERS, TextAutoencoder, as_text
from scq.training import TrainConfig, build_model, load_run, resume, train
from scq.training.dumps import dumped
from scq.validation.comparison.measuring.latents import problem_files


@pytest.mark.parametrize("quantizer", ["scq", "vq", "none"])
def test_it_evaluates_itself_as_by_hand(quantizer: str, tmp_path: Path) -> None:
    model, dataset = build_model(of_text(tmp_path, quantizer)), words(300)
    model.train()
    found = model.evaluate(dataset.test)
    assert model.training
    model.eval()
    characters = dataset.test.long()
    with torch.no_grad():
        probabilities = model(characters).logits.softmax(1)
    right = probabilities.argmax(1) == characters
    own = probabilities.gather(1, characters[:, None])
    assert found["accuracy"] == pytest.approx(float(right.double().mean()))
    assert found["cross_entropy"] == pytest.approx(float(-own.log2().mean()), rel=1e-5)
    if quantizer == "none":
        assert all(math.isnan(found[name]) for name in ("hard_accuracy", "hard_cross_entropy", "code_bits"))
    else:
        codes = model.encode_to_codes(characters)
        assert found["hard_accuracy"] == pytest.approx(float((model.decode_codes(codes) == characters).double().mean()))
        shares = codes.flatten().bincount().double() / codes.numel()
        assert found["code_bits"] == pytest.approx(float(-(shares[shares > 0].log2() * shares[shares > 0]).sum()) / 4)
        if quantizer == "vq":
            assert found["hard_cross_entropy"] == pytest.approx(found["cross_entropy"], rel=1e-5)
    content = bytes(dataset.test.flatten().tolist())
    assert found["chance_accuracy"] == max(map(content.count, set(content))) / len(content)
    assert found["xz_bits"] == 8 * len(lzma.compress(content, preset=9)) / len(content)


def test_its_loss_is_the_cross_entropy_in_nats_and_its_start_has_unit_latents(tmp_path: Path) -> None:
    model, characters = build_model(of_text(tmp_path, "none")), words(40).train.long()
    model.start(characters)
    latents = model.encode(characters).detach()
    assert latents.shape == (32, 4, 8)
    torch.testing.assert_close(latents.mean((0, 2)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(latents.std((0, 2)), torch.ones(4), rtol=1e-5, atol=0)
    objective = model.objective(characters, "loss")
    probabilities = model(characters).logits.double().softmax(1).gather(1, characters[:, None])
    assert objective.loss.item() == pytest.approx(-probabilities.log().mean().item(), rel=1e-6)


def test_it_learns_words_by_their_codes(tmp_path: Path) -> None:
    quick = {"steps": 120, "batch_size": 16, "width": 16, "learning_rate": 1e-2, "log_every": 60, "gap": False}
    result = train(of_text(tmp_path, **quick), progress=False, data=words(300))
    assert result.test["accuracy"] > 0.99
    assert result.test["hard_accuracy"] > 0.6 > result.test["chance_accuracy"]
    assert as_text(result.model.samples(words(300).test[:1])) == as_text(words(300).test[:1])
    assert result.test["code_bits"] <= 3 / 4 + 1e-9


def test_diagnostics_dumps_and_going_on_need_nothing_of_their_own(tmp_path: Path, monkeypatch) -> None:
    settings = of_text(tmp_path, dump_every=3, checkpoint_every=4, name="whole")
    whole = train(settings, progress=False)
    for line in whole.history:
        assert line["kkt/relative"] < 1e-4 and line["gap/weights_l2"] > 0
        assert line["gap/decoded_accuracy_exact"] == pytest.approx(line["train/accuracy"])
    first, _ = dumped(whole.folder / "problems")
    assert load_file(first)["latents"].shape == (4 * 32, 4)
    (latents,) = problem_files(whole.folder)
    assert load_file(latents)["latents"].shape == (256 * 32, 4)

    loss, calls = TextAutoencoder.loss, []

    def stopping(self, quantized, batch):
        calls.append(0)
        if len(calls) > 12:  # once a step, and twice for each of the gap
            raise InterruptedError
        return loss(self, quantized, batch)

    with monkeypatch.context() as patch:
        patch.setattr(TextAutoencoder, "loss", stopping)
        with pytest.raises(InterruptedError):
            train(dataclasses.replace(settings, name="stopped"), progress=False)
    again = resume(tmp_path / "stopped", progress=False)
    for name, value in load_run(again.folder)[1].state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name]), name
    assert again.test == whole.test


def test_what_it_cannot_take_is_refused(tmp_path: Path) -> None:
    model = build_model(of_text(tmp_path))
    with pytest.raises(ValueError, match=r"characters has shape \(2, 6\), must be \(B, L\), L a multiple of 4"):
        model.encode(torch.zeros(2, 6, dtype=torch.long))
    with pytest.raises(ValueError, match="quantizer has channel_dim=-1, must have 1"):
        TextAutoencoder(type(model.quantizer)(8, 4), dim=4)
    with pytest.raises(ValueError, match="data is 'photos', which are pictures; must be text, as .*: topics, text$"):
        TrainConfig(model="text")
    assert CHARACTERS == 256
