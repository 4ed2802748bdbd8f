"""The backends that come with the package: one entry each."""

from solvers.registry import BackendInfo, register

register(
    BackendInfo(
        name="interior_point",
        title="Batched Mehrotra interior point with an active-set polish",
        run="solvers.methods.interior_point:solve",
        devices=("cpu", "cuda"),
        dtypes=("float32", "float64"),
        accuracy={"float32": 1e-5, "float64": 1e-9},
        citation="Mehrotra, SIAM Journal on Optimization 2 (1992)",
    )
)
register(
    BackendInfo(
        name="relaxed",
        title="The paper's relaxation: linear solve, then m clip-and-shift steps",
        run="solvers.methods.relaxed:solve",
        exact=False,
        devices=("cpu", "cuda", "mps"),
        dtypes=("float32", "float64"),
        gradient=("native",),
        citation="Gautam et al., arXiv 2310.03004, Algorithm 2",
    )
)
