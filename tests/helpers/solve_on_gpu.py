"""Small solves and derivatives on a GPU, for compute-sanitizer to look at. Run as a script."""

import torch

from scq import solvers
from scq.solvers.synthetic import hull


def main() -> None:
    # The last with supports in memory.
    for N, F, K in ((33, 4, 15), (64, 16, 128), (16, 64, 512), (4, 96, 400)):
        for dtype in (torch.float32, torch.float64):
            for backend in ("active_set", "relaxed"):
                latents, codebook = (x.to("cuda").requires_grad_() for x in hull(N, F, K, dtype))
                solution = solvers.solve(solvers.Problem(latents, codebook), backend)
                (solution.weights.square().sum() + solution.reconstruction.square().sum()).backward()
    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
