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
        Parts("direct", "scq", "soft", ("quantization_error",)),
        _SCQ,
    ),
    QuantizerInfo(
        "scq_relaxed",
        "soft convex quantization by the paper's scalable relaxation (Algorithm 2)",
        Parts("direct", "scq_relaxed", "soft", ("quantization_error",)),
        _SCQ,
    ),
    QuantizerInfo(
        "scq_annealed",
        "soft convex quantization, solved exactly, with lam growing until the code is nearly hard",
        Parts("direct", "scq_annealed", "soft", ("quantization_error",)),
        _SCQ,
    ),
    QuantizerInfo(
        "vq",
        "vector quantization with the straight-through gradient",
        Parts("direct", "nearest", "straight_through", _HALVES),
        _VQ,
        layer="vector:VectorQuantizer",
    ),
    QuantizerInfo(
        "none",
        "no quantization: the plain autoencoder, an upper bound of the others",
        layer="identity:no_quantizer",
    ),
    QuantizerInfo(
        "vq_ema",
        "vector quantization, codewords as moving averages, dead ones revived",
        Parts("ema", "nearest", "straight_through", ("commitment",)),
        f"{_VQ}, appendix A.1",
    ),
    QuantizerInfo(
        "rotation",
        "vector quantization with the rotation trick",
        Parts("direct", "nearest", "rotation", _HALVES),
        "Fifty et al., Restructuring Vector Quantization with the Rotation Trick, arXiv 2410.06424",
    ),
    QuantizerInfo(
        "simvq",
        "SimVQ: a frozen codebook times a learned matrix",
        Parts("linear", "nearest", "straight_through", _HALVES),
        _SIMVQ,
    ),
    QuantizerInfo(
        "simvq_joint",
        "SimVQ with both factors learned",
        Parts("linear_joint", "nearest", "straight_through", _HALVES),
        _SU,
    ),
    QuantizerInfo(
        "simvq_diagonal",
        "a learned codebook times a learned diagonal matrix",
        Parts("diagonal", "nearest", "straight_through", _HALVES),
        _SU,
    ),
    QuantizerInfo(
        "fsq",
        "finite scalar quantization: each channel rounded to a few levels",
        Parts("fixed_grid", "rounding", "straight_through"),
        "Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, arXiv 2309.15505",
    ),
    QuantizerInfo(
        "gumbel",
        "Gumbel-softmax of the distances, annealed, hard at test",
        Parts("direct", "gumbel", "soft", ("quantization_error",)),
        "Jang et al., Categorical Reparameterization with Gumbel-Softmax, arXiv 1611.01144",
    ),
    QuantizerInfo(
        "smoothed_knn_l2",
        "softmax weights, vertices drawn to by squared distances of nearest neighbours",
        Parts("direct", "softmax", "soft", ("quantization_error", "knn_l2")),
        _KNN,
    ),
    QuantizerInfo(
        "smoothed_knn_ce",
        "softmax weights, vertices drawn to by cross-entropies of nearest neighbours",
        Parts("direct", "softmax", "soft", ("quantization_error", "knn_ce")),
        _KNN,
    ),
    QuantizerInfo(
        "smoothed_perplexity",
        "softmax weights with wav2vec 2.0's diversity loss",
        Parts("direct", "softmax", "soft", ("quantization_error", "mean_perplexity")),
        "Baevski et al., wav2vec 2.0, arXiv 2006.11477",
    ),
)
