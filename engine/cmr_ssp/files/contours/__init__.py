"""Read and rasterise contours of other programs: one module per format, registered in `READERS`."""

from collections.abc import Mapping

from cmr_ssp.files.contours import cvi42, sunnybrook
from cmr_ssp.files.contours.protocol import ContourReader
from cmr_ssp.subjects import ContourFormat

READERS: Mapping[ContourFormat, ContourReader] = {
    ContourFormat.SUNNYBROOK: sunnybrook,
    ContourFormat.CVI42: cvi42,
}
"""Reader of each format."""

__all__ = ["READERS", "ContourReader"]
