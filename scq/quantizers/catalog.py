"""Every quantizer that can be made by name: the entries of the registry. Imports no torch."""

from scq.quantizers.entry import Parts, QuantizerInfo

_SCQ = (
    "Gautam et al., Soft Convex Quantization: Revisiting Vector Quantization with Convex Optimization, arXiv 2310.03004"
)
_VQ = "van den Oord et al., Neural Discrete Representation Learning, arXiv 1711.00937"
_SIMVQ = "Zhu et al., SimVQ: Addressing Representation Collapse with One Linear Layer, arXiv 2411.02038"
_SU = "Su, https://kexue.fm/archives/10519"
_KNN = "Morita, arXiv 2509.22161"
_HALVES = ("codebook", "commitment")
ENTRIES = (
    QuantizerInfo(
        "scq",
        "soft convex quantization, solved exactly",
        "scq.quantizers.soft_convex:SoftConvexQuantizer",
        Parts("direct", "exact SCQ", "implicit", ("quantization_error",)),
        settings=("lam", "backend", "on_failure", "quantization_weight", "init"),
        convex=True,
        citation=_SCQ,
    ),
    QuantizerInfo(
        "scq_relaxed",
        "soft convex quantization by the paper's scalable relaxation (Algorithm 2)",
        "scq.quantizers.named_convex:relaxed",
        Parts("direct", "relaxed SCQ", "autograd", ("quantization_error",)),
        settings=(
            "lam",
            "relaxation_steps",
            "relaxation_projection",
            "on_failure",
            "quantization_weight",
            "init",
        ),
        convex=True,
        citation=_SCQ,
    ),
    QuantizerInfo(
        "scq_annealed",
        "soft convex quantization, solved exactly, with lam growing until the code is nearly hard",
        "scq.quantizers.named_convex:annealed",
        Parts("direct", "exact SCQ", "implicit", ("quantization_error",)),
        settings=("lam", "lam_end", "anneal_steps", "backend", "on_failure", "quantization_weight", "init"),
        convex=True,
        citation=_SCQ,
    ),
    QuantizerInfo(
        "vq",
        "vector quantization with the straight-through gradient",
        "scq.quantizers.vector:VectorQuantizer",
        Parts("direct", "nearest", "straight_through", _HALVES),
        settings=("commitment_weight", "init"),
        citation=_VQ,
    ),
    QuantizerInfo(
        "none",
        "no quantization: the plain autoencoder, an upper bound of the others",
        "scq.quantizers.identity:no_quantizer",
    ),
    QuantizerInfo(
        "vq_ema",
        "vector quantization, codewords as moving averages, dead ones revived",
        "scq.quantizers.named:vq_ema",
        Parts("ema", "nearest", "straight_through", ("commitment",)),
        settings=("commitment_weight", "init"),
        citation=f"{_VQ}, appendix A.1",
    ),
    QuantizerInfo(
        "rotation",
        "vector quantization with the rotation trick",
        "scq.quantizers.named:rotation",
        Parts("direct", "nearest", "rotation", _HALVES),
        settings=("commitment_weight", "init"),
        citation="Fifty et al., Restructuring Vector Quantization with the Rotation Trick, arXiv 2410.06424",
    ),
    QuantizerInfo(
        "simvq",
        "SimVQ: a frozen codebook times a learned matrix",
        "scq.quantizers.named:simvq",
        Parts("linear", "nearest", "straight_through", _HALVES),
        settings=("commitment_weight",),
        citation=_SIMVQ,
    ),
    QuantizerInfo(
        "simvq_joint",
        "SimVQ with both factors learned",
        "scq.quantizers.named:simvq_joint",
        Parts("linear_joint", "nearest", "straight_through", _HALVES),
        settings=("commitment_weight",),
        citation=_SU,
    ),
    QuantizerInfo(
        "simvq_diagonal",
        "a learned codebook times a learned diagonal matrix",
        "scq.quantizers.named:simvq_diagonal",
        Parts("diagonal", "nearest", "straight_through", _HALVES),
        settings=("commitment_weight", "init"),
        citation=_SU,
    ),
    QuantizerInfo(
        "fsq",
        "finite scalar quantization: each channel rounded to a few levels",
        "scq.quantizers.named:fsq",
        Parts("fixed_grid", "rounding", "straight_through"),
        citation="Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, arXiv 2309.15505",
    ),
    QuantizerInfo(
        "gumbel",
        "Gumbel-softmax of the distances, annealed, hard at test",
        "scq.quantizers.named:gumbel",
        Parts("direct", "gumbel", "soft", ("quantization_error",)),
        settings=("anneal_steps", "quantization_weight", "init"),
        citation="Jang et al., Categorical Reparameterization with Gumbel-Softmax, arXiv 1611.01144",
    ),
    QuantizerInfo(
        "smoothed_knn_l2",
        "softmax weights, vertices drawn to by squared distances of nearest neighbours",
        "scq.quantizers.named:smoothed_knn_l2",
        Parts("direct", "softmax", "soft", ("quantization_error", "knn_l2")),
        settings=("quantization_weight", "regularizer_weight", "neighbours", "init"),
        citation=_KNN,
    ),
    QuantizerInfo(
        "smoothed_knn_ce",
        "softmax weights, vertices drawn to by cross-entropies of nearest neighbours",
        "scq.quantizers.named:smoothed_knn_ce",
        Parts("direct", "softmax", "soft", ("quantization_error", "knn_ce")),
        settings=("quantization_weight", "regularizer_weight", "neighbours", "init"),
        citation=_KNN,
    ),
    QuantizerInfo(
        "smoothed_perplexity",
        "softmax weights with wav2vec 2.0's diversity loss",
        "scq.quantizers.named:smoothed_perplexity",
        Parts("direct", "softmax", "soft", ("quantization_error", "mean_perplexity")),
        settings=("quantization_weight", "regularizer_weight", "init"),
        citation="Baevski et al., wav2vec 2.0, arXiv 2006.11477",
    ),
)
