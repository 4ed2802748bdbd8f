"""Steps with a scaled loss, of which one is skipped because its gradients overflow."""

import torch
from torch import Tensor, nn

from scq import quantizers


def scaled_steps(name: str, device: torch.device) -> dict[str, Tensor]:
    """A codebook before, after a step that the scaler must skip, and after one that it must not; and the scales."""
    torch.manual_seed(0)
    layer, encoder = quantizers.get(name).make(15, 4).to(device), nn.Linear(6, 4).to(device)
    parameters = [*layer.parameters(), *encoder.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    scaler = torch.amp.GradScaler(device.type, init_scale=2.0**8, growth_interval=100)
    x = torch.randn(32, 6).to(device)
    found = {"before": layer.codebook.detach().clone()}
    for step, factor in (("skipped", 1e38), ("after", 1.0)):
        optimizer.zero_grad()
        output = layer(encoder(x))
        loss = output.quantized.square().mean() + output.loss
        scaler.scale(loss * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        found[step] = layer.codebook.detach().clone()
        found[f"scale {step}"] = torch.full((), scaler.get_scale(), dtype=torch.float32, device=device)
    return found
