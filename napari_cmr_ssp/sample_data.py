"""A synthetic cine with its labels, to try things out on."""

from __future__ import annotations

from cmr_ssp.anatomy import Phase
from cmr_ssp.files.phantom import make_phantom
from cmr_ssp.subjects import Grid, SliceOrder

from napari_cmr_ssp.layers import LayerData, image_layer, segmentation_layer, source_metadata

_SEED = 0
_FRAMES = 12
_VENDOR, _GROUP = "A", "NOR"


def phantom() -> list[LayerData]:
    """Make a phantom cine and the labels of all its frames."""
    cine = make_phantom(_SEED, _VENDOR, _FRAMES, _GROUP)
    grid = Grid(
        shape=cine.labels.shape[1:],
        spacing_mm=cine.spacing_mm,
        affine=cine.affine,
        slice_order=SliceOrder.BASE_FIRST,
    )
    frames = {str(Phase.ED): cine.end_diastole, str(Phase.ES): cine.end_systole}
    about = source_metadata(grid, []) | {"phases": frames, "vendor": cine.vendor, "group": cine.group}
    return [
        image_layer(cine.pixels, grid, "phantom cine", **about),
        segmentation_layer(cine.labels, grid, "phantom labels", **about),
    ]
