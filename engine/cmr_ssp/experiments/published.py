"""Figures of the paper: mean 3D Dice of 140 test subjects ± sample standard deviation over three seeds."""

from __future__ import annotations

from cmr_ssp.experiments.statistics import Spread
from cmr_ssp.experiments.table_formats import Table, Value

CITATION = (
    "R. A. J. de Mooij, J. P. W. Pluim, C. M. Scannell: Self-supervised pretraining for cardiovascular "
    "magnetic resonance cine segmentation. 2024, arXiv:2409.18100."
)
_NOTE = ("M&Ms and M&Ms-2, arXiv:2409.18100.",)

_LABELS = """\
296  0.89 0.001  0.89 0.002  0.89 0.003  0.89 0.001  0.89 0.001
50   0.87 0.007  0.87 0.011  0.88 0.005  0.87 0.006  0.88 0.006
25   0.86 0.003  0.86 0.014  0.85 0.014  0.84 0.002  0.87 0.007
15   0.84 0.007  0.83 0.024  0.85 0.009  0.79 0.009  0.86 0.015
10   0.82 0.009  0.80 0.024  0.84 0.009  0.74 0.022  0.86 0.007"""
_PHASES = """\
Scratch/ED  0.88 0.001  0.90 0.002  0.86 0.002
MIM/ED      0.89 0.001  0.90 0.001  0.87 0.001
Scratch/ES  0.88 0.007  0.88 0.012  0.88 0.002
MIM/ES      0.88 0.001  0.88 0.001  0.89 0.000"""
_VENDORS = """\
Scratch/A+B  0.89 0.001  0.89 0.001  0.88 0.002
MIM/A+B      0.89 0.001  0.89 0.001  0.88 0.000
Scratch/C+D  0.88 0.002  0.87 0.001  0.89 0.004
MIM/C+D      0.88 0.001  0.88 0.002  0.89 0.002"""
_AUGMENTATION = """\
Scratch/yes  0.89 0.001  0.90 0.001  0.88 0.003  0.89 0.001  0.89 0.006
Scratch/no   0.69 0.039  0.71 0.042  0.66 0.036  0.72 0.036  0.61 0.049
MIM/no       0.78 0.040"""


def _table(number: int, columns: str, text: str) -> Table:
    """Parse a table: the names of a row, then pairs of mean and standard deviation."""
    names = tuple(columns.split(","))
    rows: list[tuple[Value, ...]] = []
    for line in text.splitlines():
        first, *numbers = line.split()
        figures = map(float, numbers)
        pairs = [Spread(mean, sd, 3, digits=2) for mean, sd in zip(figures, figures, strict=True)]
        row: list[Value] = [*first.split("/"), *pairs]
        rows.append((*row, *[None] * (len(names) - len(row))))
    return Table(f"paper-table-{number}", f"The paper's table {number}", names, tuple(rows), _NOTE)


PAPER_LABELS = _table(1, "labelled subjects,Scratch,SimCLR,PCL,DINO,MIM", _LABELS)
PAPER_PHASES = _table(2, "pretraining,trained on,both phases,ED,ES", _PHASES)
PAPER_VENDORS = _table(3, "pretraining,trained on,all vendors,A+B,C+D", _VENDORS)
PAPER_AUGMENTATION = _table(4, "pretraining,augmentation,all,ED,ES,A+B,C+D", _AUGMENTATION)
