"""Studies that compare: backends with each other, exact with relaxed soft convex quantization inside training,
quantizers of all kinds, and the reports of those.

Names are imported when first used: the command line is made from the configurations, which need no torch. Modules are
named differently from the functions that they hold, so that ``scq.validation.report`` is always the function.
"""

from typing import TYPE_CHECKING, Any

from scq.extras import need
from scq.solvers.lazy import offered
from scq.validation.config import CompareConfig, DemoConfig, GapConfig, StudyConfig

if TYPE_CHECKING:
    from scq.validation.comparison.comparing import Comparison, compare
    from scq.validation.comparison.rows import Row
    from scq.validation.demonstration import demo
    from scq.validation.judging import judge
    from scq.validation.page.reporting import report
    from scq.validation.paired.training import gap
    from scq.validation.priors import PriorSettings, prior
    from scq.validation.studies.running import study

_LAZY = {
    "PriorSettings": "scq.validation.priors",
    "Comparison": "scq.validation.comparison.comparing",
    "Row": "scq.validation.comparison.rows",
    "compare": "scq.validation.comparison.comparing",
    "demo": "scq.validation.demonstration",
    "gap": "scq.validation.paired.training",
    "judge": "scq.validation.judging",
    "prior": "scq.validation.priors",
    "report": "scq.validation.page.reporting",
    "study": "scq.validation.studies.running",
}

__all__ = [
    "CompareConfig",
    "Comparison",
    "DemoConfig",
    "GapConfig",
    "PriorSettings",
    "Row",
    "StudyConfig",
    "compare",
    "demo",
    "gap",
    "judge",
    "prior",
    "report",
    "study",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        need("train", "report")
    return offered("scq.validation", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
