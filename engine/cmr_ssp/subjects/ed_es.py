"""Find ED and ES by the size of the LV."""

from __future__ import annotations

from collections.abc import Mapping

from cmr_ssp.anatomy import Phase


def ed_and_es(sizes: Mapping[int, float]) -> dict[Phase, int]:
    """Return the frames of ED, the largest, and ES, the smallest; nothing for fewer than two frames.

    Of equally large frames, the first is ED and the last is ES, so that they are never the same frame.

    Parameters
    ----------
    sizes : Mapping of int to float
        Size by frame, usually of the LV cavity in voxels or ml.
    """
    order = sorted(sizes, key=lambda frame: (-sizes[frame], frame))
    return {Phase.ED: order[0], Phase.ES: order[-1]} if len(order) > 1 else {}
