"""Terms of the loss, one concept a file."""

from scq.quantizers.regularizers.commitment import CodebookTerm, Commitment
from scq.quantizers.regularizers.entropy import Entropy, MeanPerplexity
from scq.quantizers.regularizers.knn import KNNCE, KNNL2
from scq.quantizers.regularizers.quantization_error import QuantizationError
from scq.quantizers.regularizers.regularizer import Quantized, Regularizer

__all__ = [
    "KNNCE",
    "KNNL2",
    "CodebookTerm",
    "Commitment",
    "Entropy",
    "MeanPerplexity",
    "QuantizationError",
    "Quantized",
    "Regularizer",
]
