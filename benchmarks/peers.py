"""Seconds a column of the packages that solve the same programme, against ours."""

from functools import partial

from common import Round, forward, medians, run, together, write
from rich.progress import track

from scq.solvers import backends
from scq.solvers.synthetic import hull

SIZES = {(16, 128): 32, (64, 512): 4}
"""(F, K), and the columns that a peer is given: it takes milliseconds for each."""

OURS, OURS_NAMES = 2048, ("active_set", "interior_point")


def measure() -> Round:
    """For each size and backend, in turns: microseconds a column, and the worst relative KKT residual."""
    found: Round = {}
    for (F, K), columns in track(SIZES.items(), "sizes"):
        latents, codebook = hull(OURS, F, K)
        names = [info.name for info in backends() if info.exact and info.available]
        given = {name: latents if name in OURS_NAMES else latents[:columns] for name in names}
        solves = {name: partial(forward, given[name], codebook, name) for name in names}
        for name, seconds in medians(solves, 3).items():
            residual = float(forward(latents[:columns], codebook, name).residuals.relative.max())
            found[f"{F}, {K}: {name}"] = {"time": 1e6 * seconds / len(given[name]), "residual": residual}
    return found


def publish(rounds: list[Round]) -> None:
    found, rows = together(rounds), []
    for F, K in SIZES:
        ours = [found[f"{F}, {K}: {name}"]["time"] for name in OURS_NAMES]
        for info in backends():
            if not info.exact:
                continue
            own = found.get(f"{F}, {K}: {info.name}")
            if own is None:
                rows.append((f"{F}, {K}", f"`{info.name}`", "not installed", "", "", ""))
                continue
            ratios = (own["time"].over(other) for other in ours)
            residual = f"{own['residual'].maximum:.0e}"
            rows.append((f"{F}, {K}", f"`{info.name}`", own["time"], *ratios, residual))
    headings = ("F, K", "backend", "µs a column", "/ active_set", "/ interior_point", "relative KKT, worst")
    notes = (
        f"Float64, lam 0.1, forward, in each round medians of three turns; {OURS} columns for ours, few for the "
        "others, which take as long for each."
    )
    write("peers", "Exact backends, seconds a column", headings, rows, notes)


if __name__ == "__main__":
    run(measure, publish)
