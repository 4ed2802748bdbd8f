"""The figures of the report."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scq.validation.paired.plots import gap, gap_map, held_out, over_training
from scq.validation.paired.record import Record

Draw = Callable[[Record, Axes], bool]
"""Draws into a panel; False when the record has nothing for it."""

Make = Callable[[Record], Figure | None]
"""Makes a figure of its own layout; None when the record has nothing for it."""

Caption = str | Callable[[Record], str]
"""What a figure shows; a function where it also says what came out."""

MADE: dict[str, tuple[tuple[str, Caption, Make], ...]] = {
    "held_out": (
        ("test_psnr", held_out.psnr_caption, held_out.psnr),
        ("test_ssim", "Structural similarity, mean over held-out pictures.", held_out.ssim),
        (
            "test_perplexity",
            "Use of the codebook over all held-out latents: perplexity of the largest weight's codeword "
            "(hard) and of the mean weights (soft).",
            held_out.perplexity,
        ),
        ("test_speed", held_out.speed_caption, held_out.speed),
        ("training_step", held_out.step_time_caption, held_out.step_time),
    ),
    "pictures": (
        (
            "reconstructions",
            "Held-out pictures, spread evenly over the test set, and their reconstructions.",
            held_out.reconstructions,
        ),
    ),
    "gap_pictures": (("gap_pictures", gap_map.over_pictures_caption, gap_map.over_pictures),),
}
"""The figures of their own layout, by section: name, caption, and the function that makes them."""

SECTIONS: dict[str, tuple[tuple[str, Caption, Draw], ...]] = {
    "training": (
        (
            "training_mse",
            over_training.training_mse_caption,
            over_training.training_mse,
        ),
        ("training_perplexity", "Use of the codebook in the training batch.", over_training.training_perplexity),
    ),
    "gap": (
        ("gap_weights", "Distance between the exact and the relaxed weights of the same latents.", gap.weights),
        (
            "gap_quantisation",
            "Quantisation error of the same latents with either solver. The relaxation's weights may leave the "
            "simplex, so it can also come closer to a latent than any point of the hull.",
            gap.quantisation,
        ),
        (
            "gap_decoded",
            "What the relaxation adds to the error of the decoded training batch, in per cent of the error "
            "with exact weights. Above zero the relaxation is worse; below, the decoder has adapted to it.",
            gap.decoded,
        ),
        (
            "gap_gradient_cosine",
            "Cosine between the exact and the relaxed gradient of the training loss, with respect to latents "
            "Z and codebook C. 1 is the same direction.",
            gap.gradient_cosine,
        ),
        ("gap_gradient_ratio", "Norm of the relaxed gradient over that of the exact one.", gap.gradient_ratio),
        ("gap_overlap", "Codewords that both supports share, over those in either.", gap.overlap),
    ),
    "where": (
        ("gap_distances", gap_map.distances_caption, gap_map.distances),
        ("gap_supports", gap_map.supports_caption, gap_map.supports),
    ),
    "certificates": (
        (
            "kkt",
            "Relative KKT residual, the largest of the batch: the exact solver is held to its tolerance, the "
            "relaxation to nothing.",
            gap.kkt,
        ),
        (
            "kkt_parts",
            "The parts of it, of the solver in use: leaving the simplex (primal), a codeword that would still "
            "lower the objective (dual), weight on a codeword that should be off (complementarity).",
            over_training.kkt_parts,
        ),
        (
            "certificate",
            "How far the weights can be from the exact ones, proved from the weights alone. For exact "
            "solutions it is limited by the square root of rounding.",
            gap.certificate,
        ),
    ),
    "solver": (
        (
            "solver_iterations",
            "Iterations of the solver in use; the relaxation does a fixed number of steps.",
            over_training.iterations,
        ),
        ("solver_converged", "Latents whose relative KKT residual reached the tolerance.", over_training.converged),
        ("solver_support", "Codewords with weight above 1e-6.", over_training.support),
        (
            "solver_margin",
            "Margin of strict complementarity of the exact solutions. Near zero the gradient is one-sided.",
            over_training.margin,
        ),
        (
            "solver_weak",
            "Latents with a weakly active codeword, whose gradient is one of several.",
            over_training.weakly_active,
        ),
    ),
}
"""The panels over the steps or over latents, by section: name, caption, and the function that draws."""
