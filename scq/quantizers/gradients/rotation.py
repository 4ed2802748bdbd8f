"""The rotation trick."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from scq.quantizers.assignments.assignment import Assigned
from scq.quantizers.gradients.gradient import Gradient

_LEAST_NORM = 1e-6


class Rotation(Gradient):
    r"""z_q = sg(|c| / |z| R) z, with R the rotation that takes z/|z| to c/|c|.

        R = I - 2 r r^T + 2 c^ z^^T,   r = (z^ + c^) / |z^ + c^|,   z^ = z/|z|,   c^ = c/|c|

    so that the angle between the gradient and the codeword is that between the gradient at z and z. Forward it is the
    codeword, exactly. It is unreliable where |z| or |c| is near 0, whose norms are taken as at least 1e-6, and
    undefined where z and c point in opposite directions.

    Source: arXiv 2410.06424, section 4.2.
    """

    name: ClassVar[str] = "rotation"

    def __call__(self, assigned: Assigned) -> Float[Tensor, "N D"]:
        z, c = assigned.source, assigned.codeword.detach()
        lengths = z.detach().norm(dim=1, keepdim=True).clamp_min(_LEAST_NORM)
        from_, to = z.detach() / lengths, c / c.norm(dim=1, keepdim=True).clamp_min(_LEAST_NORM)
        r = normalize(from_ + to, eps=_LEAST_NORM)
        rotated = z - 2 * (z * r).sum(1, keepdim=True) * r + 2 * (z * from_).sum(1, keepdim=True) * to
        rotated = rotated * (c.norm(dim=1, keepdim=True) / lengths)
        return c + (rotated - rotated.detach())
