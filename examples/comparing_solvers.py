"""Who needs the programme solved: every solver that is installed on one batch, each answer certified.

    python examples/comparing_solvers.py         # some seconds; --columns 4096 for a larger batch

minimise ||C^T p - z||^2 + lam ||p - a||^2 over the simplex, for N latents z at once. A comparison with repeats,
tolerances, memory and tables is ``scq compare``.
"""

import argparse
import time

from scq import solvers
from scq.solvers.synthetic import hull


def seconds(problem: solvers.Problem, backend: str, repeats: int = 3) -> float:
    """Of the fastest, after one that imports and compiles."""
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        solvers.solve(problem, backend, throw=False)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=64, help="latents, N")
    N = parser.parse_args().columns
    latents, codebook = hull(N, 16, 128)
    problem = solvers.Problem(latents, codebook, 0.1)
    exact = solvers.solve(problem)
    for info in solvers.backends():
        if not info.available:
            print(f"{info.name:15} {info.why_not}")
            continue
        solution = solvers.solve(problem, info.name, throw=False)
        residual = solution.residuals.relative.max()  # float64, by code that no solver shares
        distance = (solution.weights - exact.weights).norm(dim=1).max()
        cost = 1e6 * seconds(problem, info.name) / N
        print(f"{info.name:15} {cost:8.1f} µs a column, KKT residual {residual:.0e}, weights off by {distance:.0e}")


if __name__ == "__main__":
    main()
