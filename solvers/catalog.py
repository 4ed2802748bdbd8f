"""The backends that come with the package: one entry each."""

from scq.solvers.registry import BackendInfo, register

register(
    BackendInfo(
        name="active_set",
        title="Active set grown from the anchor; compiled on the CPU, fused kernels on a GPU",
        run="scq.solvers.methods.active_set:solve",
        devices=("cpu", "cuda"),
        dtypes=("float32", "float64"),
        accuracy={"float32": 1e-6, "float64": 1e-9},
        citation="Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23",
    )
)
register(
    BackendInfo(
        name="interior_point",
        title="Batched Mehrotra interior point with an active-set polish",
        run="scq.solvers.methods.interior_point:solve",
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
        run="scq.solvers.methods.relaxed:solve",
        exact=False,
        devices=("cpu", "cuda", "mps"),
        dtypes=("float32", "float64"),
        gradient=("native",),
        citation="Gautam et al., arXiv 2310.03004, Algorithm 2",
    )
)
register(
    BackendInfo(
        name="cvxpylayers",
        title="cvxpylayers with diffcp and SCS, tight tolerances and the dense derivative",
        run="scq.solvers.methods.cvxpylayers:solve",
        gradient=("native", "implicit"),
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="cvxpylayers",
        install="pip install 'cvxpylayers>=1.2,<1.3' 'diffcp>=1.1.9'",
        citation="Agrawal et al., Differentiable convex optimization layers, arXiv 1910.12430",
        variants={
            "its defaults": {"solver_args": {}, "as_given": True},
            "with Moreau": {"solver": "MOREAU", "solver_args": {}, "as_given": True},
        },
        follow_tol={"follow_tol": True},
    )
)
register(
    BackendInfo(
        name="qpth",
        title="qpth (OptNet), batched interior point with Q expanded to every column",
        run="scq.solvers.methods.qpth:solve",
        gradient=("native", "implicit"),
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="qpth",
        install="pip install --no-deps 'qpth==0.0.18'",
        citation="Amos and Kolter, OptNet, arXiv 1703.00443",
        variants={
            "Q passed once": {"expand": False, "as_given": True},
            "in float32": {"dtype": "float32", "as_given": True},
        },
        follow_tol={"follow_tol": True},
    )
)
register(
    BackendInfo(
        name="daqp",
        title="DAQP, dual active set in C, one column after the other",
        run="scq.solvers.methods.daqp:solve",
        batched=False,
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="daqp",
        install="pip install 'daqp>=0.11'",
        citation="Arnström, Bemporad and Axehill, IEEE Transactions on Automatic Control 67 (2022)",
        variants={"its defaults": {"settings": {"primal_tol": 1e-6, "dual_tol": 1e-12}, "as_given": True}},
    )
)
register(
    BackendInfo(
        name="clarabel",
        title="Clarabel, interior point for cones in Rust, one column after the other",
        run="scq.solvers.methods.clarabel:solve",
        batched=False,
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="clarabel",
        install="pip install 'clarabel>=0.11'",
        citation="Goulart and Chen, arXiv 2405.12762",
        variants={
            "its defaults": {
                "settings": {"tol_gap_abs": 1e-8, "tol_gap_rel": 1e-8, "tol_feas": 1e-8},
                "as_given": True,
            }
        },
        limits={
            "scales_from_1e_3_to_1e3_are_solved": "codewords near 1e3 at lam = 0.1 put a residual of 1e-9 below what "
            "its stopping rule resolves; it reaches 1e-7",
        },
    )
)
register(
    BackendInfo(
        name="proxqp",
        title="ProxQP (ProxSuite), proximal augmented Lagrangian in C++ with QPLayer's derivative, column by column",
        run="scq.solvers.methods.proxqp:solve",
        batched=False,
        gradient=("native", "implicit"),
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="proxsuite",
        install="pip install 'proxsuite>=0.8'",
        citation="Bambade et al., PROX-QP, RSS 2022; Bambade et al., QPLayer, ICLR 2024",
        variants={
            "its defaults": {
                "eps": 1e-9,
                "max_iter": 1000,
                "eps_backward": 1e-4,
                "proximal_backward": 1e-6,
                "as_given": True,
            }
        },
        follow_tol={"follow_tol": True},
    )
)
register(
    BackendInfo(
        name="moreau",
        title="Moreau, its batched active-set solver in Rust",
        run="scq.solvers.methods.moreau:solve",
        gradient=("native", "implicit"),
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="moreau",
        install="pip install 'moreau>=0.4.1,<0.5'",
        citation="https://github.com/moreau-project/moreau; Arnström, Bemporad and Axehill, IEEE TAC 67 (2022)",
        variants={"its defaults": {"solver": "auto", "as_given": True}},
        limits={
            "one_codeword_has_all_the_weight": "with a single codeword its backward pass takes the matrices that the "
            "columns share for matrices of their own, and raises",
            "scales_from_1e_3_to_1e3_are_solved": "codewords near 1e3 at lam = 0.1 end some columns in its status "
            "NumericalError, whatever its tolerances",
        },
    )
)
