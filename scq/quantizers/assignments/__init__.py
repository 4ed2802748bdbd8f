"""Ways to choose the code of a latent, one a file."""

from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.quantizers.assignments.gumbel import Gumbel
from scq.quantizers.assignments.nearest import Nearest
from scq.quantizers.assignments.rounding import Rounding
from scq.quantizers.assignments.soft_convex import SoftConvex
from scq.quantizers.assignments.softmax import Softmax

__all__ = ["Assigned", "Assignment", "Gumbel", "Nearest", "Rounding", "SoftConvex", "Softmax"]
