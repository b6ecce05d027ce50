"""The small pictures that were read, no more than a few hundred."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from cmr_ssp.subjects import Subject
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap

SHOWN_PX = 40
"""Height and width of a picture in the table, in pixels of the theme."""

MAX_PICTURES = 400
"""So that ten thousand subjects need no more memory than this many: 10 MB on a display with small pixels."""


def pixmap_of(greys: NDArray[np.uint8]) -> QPixmap:
    """Return greys of shape (row, column) as a picture for the table, sharp on fine displays."""
    rows, columns = greys.shape
    image = QImage(greys.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8)
    picture = QPixmap.fromImage(image)  # a copy, since the image only borrows the bytes
    picture.setDevicePixelRatio(rows / SHOWN_PX)
    return picture


class PictureStore:
    """The pictures that were seen last."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._blank: QPixmap | None = None

    def __len__(self) -> int:
        return len(self._pictures)

    def lacks(self, subject: Subject) -> bool:
        """Return whether nothing is known of the picture of a subject that is in sight now."""
        if subject.id in self._pictures:
            self._pictures.move_to_end(subject.id)
            return False
        return True

    def get(self, subject: Subject) -> QPixmap:
        """Return the picture of a subject, or an empty one that keeps its place."""
        return self._pictures.get(subject.id) or self._empty

    def put(self, subject: Subject, picture: QPixmap | None) -> None:
        """Keep the picture of a subject, None if it has none; drop those seen longest ago."""
        self._pictures[subject.id] = picture
        while len(self._pictures) > MAX_PICTURES:
            self._pictures.popitem(last=False)

    def clear(self) -> None:
        """Drop all pictures."""
        self._pictures.clear()

    @property
    def _empty(self) -> QPixmap:
        if self._blank is None:
            self._blank = QPixmap(SHOWN_PX, SHOWN_PX)
            self._blank.fill(Qt.GlobalColor.transparent)
        return self._blank
