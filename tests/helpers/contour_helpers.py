"""Contours as cvi42 writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CENTRE = (24.0, 19.0)


def circle(radius: float, centre: tuple[float, float] = CENTRE, points: int = 80) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def contour(name: str, polygon: np.ndarray, scale: int = 4) -> str:
    rows = "".join(
        f'<List:item><Point:x Type:type="d">{x * scale:.0f}</Point:x>'
        f"<Point:y>{y * scale:.0f}</Point:y></List:item>"
        for x, y in polygon
    )
    return (
        f'<Hash:item Hash:key="{name}" Type:type="Contour">'
        f'<Hash:item Hash:key="Points" List:count="{len(polygon)}">{rows}</Hash:item>'
        f'<Hash:item Hash:key="SubpixelResolution" Type:type="i">{scale}</Hash:item></Hash:item>'
    )


def workspace(
    path: Path, images: dict[str, str], head: str = '<?xml version="1.0" encoding="UTF-8"?>'
) -> Path:
    states = "".join(
        f'<Hash:item Hash:key="{uid}"><Hash:item Hash:key="Contours">{inner}</Hash:item></Hash:item>'
        for uid, inner in images.items()
    )
    path.write_text(
        f"{head}<Workspace><Hash:item Hash:key='StudyMapStates'><List:item>"
        f"<Hash:item Hash:key='ImageStates'>{states}</Hash:item></List:item></Hash:item></Workspace>"
    )
    return path
