"""Synthetic short-axis cines with labels: for the demo, sample data and tests.

The images are drawn, not simulated: soft shapes for the beating heart and the surrounding organs
(`ventricles`, `heart`, `thorax`), then coil sensitivity, banding artefacts, truncated k-space and noise
(`scanner`). All parameters are in `style`.
"""

from cmr_ssp.phantoms.cine import PhantomCine, make_phantom
from cmr_ssp.phantoms.cohort import is_phantom, write_phantom_cohort
from cmr_ssp.phantoms.style import GROUPS, STYLES, PhantomStyle

__all__ = [
    "GROUPS",
    "STYLES",
    "PhantomCine",
    "PhantomStyle",
    "is_phantom",
    "make_phantom",
    "write_phantom_cohort",
]
