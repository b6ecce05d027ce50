"""Synthetic short-axis cines with labels: for the demo, sample data and tests.

They are painted, not simulated: soft shapes for the beating heart and the organs round it
(`ventricles`, `heart`, `thorax`), then coil shading, dark bands, a cut k-space and noise (`scanner`). Every
knob is in `style`.
"""

from cmr_ssp.phantoms.cine import PhantomCine, make_phantom
from cmr_ssp.phantoms.cohort import write_phantom_cohort
from cmr_ssp.phantoms.style import GROUPS, STYLES, PhantomStyle

__all__ = ["GROUPS", "STYLES", "PhantomCine", "PhantomStyle", "make_phantom", "write_phantom_cohort"]
