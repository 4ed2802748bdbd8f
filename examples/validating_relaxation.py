"""Who uses the relaxation: how far it is from the exact answer on your latents, without training anything.

    python examples/validating_relaxation.py                        # latents made up, some seconds
    python examples/validating_relaxation.py --run runs/photos-scq  # those of a model that scq trained

For each number of steps of the paper's Algorithm 2: the distance of the weights, how far they leave the simplex, and
whether the gradient still points the same way. Training with both is ``scq gap``.
"""

import argparse

import torch

import scq
from scq.solvers.synthetic import hull


def of_a_run(folder: str) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Latents (N, F) of held-out pictures, the codebook (K, F), and lam."""
    config, model = scq.load_run(folder)
    pictures = scq.data.to_float(scq.data.load(config.data, config.data_root).test[:16])
    with torch.no_grad():
        latents = model.encode(pictures).movedim(1, -1).flatten(0, -2)
    return latents, model.quantizer.codebook.detach(), config.lam


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="folder of a finished run with a soft convex quantizer")
    run = parser.parse_args().run
    latents, codebook, lam = of_a_run(run) if run else (*hull(512, 16, 128), 0.1)
    for steps in (1, 5, 20, 100):
        gap = scq.measure_gap(latents, codebook, lam, steps=steps)
        distance, bound = gap["weights_l2"], gap["certificate_relaxed"]
        print(
            f"{steps:3} steps: weights off by {distance:.3f} (certified: at most {bound:.3f}), off the simplex by "
            f"{gap['primal_relaxed']:.0e}, cosine of the codebook's gradients {gap['gradient_codebook_cosine']:.3f}"
        )
    print(f"the exact solve itself: KKT residual {gap['kkt_exact']:.0e}, weights within {gap['certificate_exact']:.0e}")


if __name__ == "__main__":
    main()
