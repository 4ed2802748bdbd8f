"""Monitors in the trainers of others, as these run: what is logged, at which steps, and that nothing else changes."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, Dataset

from scq import Grouped, SoftConvexQuantizer

ROWS = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))


class Rows(Dataset):
    def __len__(self) -> int:
        return len(ROWS)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return {"x": ROWS[number]}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(4, 6)
        self.quantizer = Grouped(lambda _: SoftConvexQuantizer(8, 2), 2)
        self.calls = 0

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == 100:
            raise RuntimeError("power cut")
        output = self.quantizer(self.encoder(x))
        return {"loss": mse_loss(self.decoder(output.quantized), x) + output.loss}


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def check(history: dict[str, dict[int, float]], logged: list[dict[str, float]], prefix: str, steps: list[int]) -> None:
    """What is recorded at these steps is what is logged, and has the numbers that people look for."""
    for name in ("kkt_relative", "converged_share", "hard_perplexity/1", "gap/weights_l2/0", "gap/kkt_relaxed"):
        values = history[f"{prefix}quantizer/{name}"]
        assert list(values) == steps
        assert [line[f"{prefix}quantizer/{name}"] for line in logged] == list(values.values())
    assert max(history[f"{prefix}quantizer/kkt_relative"].values()) < 1e-4


@pytest.mark.filterwarnings("ignore:.*(many workers|logging interval)", "ignore:.*isinstance.treespec, LeafSpec")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_lightning_logs_every_so_many_steps_and_trains_the_same(accumulate: int, tmp_path: Path) -> None:
    pl = pytest.importorskip("lightning.pytorch")
    from scq.callbacks import LightningMonitor

    logged: list[tuple[int, dict[str, float]]] = []

    class Module(pl.LightningModule):
        def __init__(self, net: Net) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: dict[str, Tensor], number: int) -> Tensor:
            return self.net(**batch)["loss"]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

    class Logger(pl.loggers.logger.DummyLogger):
        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            logged.append((step, metrics))

    def fit(net: Net, *callbacks: Any) -> Net:
        trainer = pl.Trainer(
            max_steps=6 // accumulate,
            accumulate_grad_batches=accumulate,
            accelerator="cpu",
            logger=[Logger()],
            callbacks=list(callbacks),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(Module(net), DataLoader(Rows(), 4))
        return net

    net = Net()
    alone = fit(copy.deepcopy(net))
    assert not logged
    monitor = LightningMonitor(every=2)
    other = fit(net, monitor)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), other.parameters(), strict=True))
    steps = [0, 2, 4] if accumulate == 1 else [0, 2]
    assert [step for step, _ in logged] == steps
    check(monitor.history, [numbers for _, numbers in logged], "net.", steps)
    assert not hooks(other)

    other.calls = 98
    with pytest.raises(RuntimeError, match="power cut"):
        fit(other, monitor)
    assert not hooks(other)
    del other.quantizer
    with pytest.raises(ValueError, match="without a quantizer of scq"):
        fit(other, LightningMonitor())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_trainer_of_hugging_face_logs_every_so_many_steps_and_trains_the_same(
    accumulate: int, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    from scq.callbacks import TrainerMonitor

    def trainer(net: Net) -> Any:
        settings = transformers.TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=6 // accumulate,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=accumulate,
            learning_rate=1e-2,
            logging_steps=100,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        return transformers.Trainer(net, settings, train_dataset=Rows(), data_collator=torch.utils.data.default_collate)

    net = Net()
    alone = copy.deepcopy(net)
    trainer(alone).train()
    monitored = trainer(net)
    monitor = TrainerMonitor(monitored, every=2)
    monitored.add_callback(monitor)
    monitored.train()
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), net.parameters(), strict=True))
    logged = [line for line in monitored.state.log_history if "quantizer/kkt_relative" in line]
    steps = [0, 2, 4] if accumulate == 1 else [0, 2]
    # It counts a step when it has been made.
    assert [line["step"] for line in logged] == [step + 1 for step in steps]
    check(monitor.history, logged, "", steps)
    assert not hooks(net)

    net.calls = 98
    with pytest.raises(RuntimeError, match="power cut"):
        monitored.train()
    monitor.remove()
    assert not hooks(net)


@pytest.mark.usefixtures("as_a_user")
def test_wrong_arguments_are_refused_by_name() -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("transformers")
    from scq.callbacks import LightningMonitor, TrainerMonitor

    with pytest.raises(ValueError, match="every is 0, must be at least 1"):
        LightningMonitor(every=0)
    with pytest.raises(TypeError, match="trainer is a Linear, must be the transformers.Trainer it is added to"):
        TrainerMonitor(nn.Linear(2, 2))
