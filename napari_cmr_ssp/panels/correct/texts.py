"""Texts and tool tips of the controls of the panel."""

from __future__ import annotations

from collections.abc import Mapping

from cmr_ssp.anatomy import Structure
from cmr_ssp.editing.outlines import Outline

from napari_cmr_ssp.scene.contour_tools import Tool

TOOLS: Mapping[str, tuple[str, str]] = {
    Tool.LOOK: ("Look", "Move and zoom the image"),
    Tool.PUSH: (
        "Push",
        "Bulge a contour from inside or dent it from outside; Alt+wheel: radius",
    ),
    Tool.DRAW: ("Draw", "Draw a closed contour afresh: hold the left button and go round"),
    Tool.BRUSH: ("Brush", "Paint pixels of the structure"),
    Tool.ERASE: ("Eraser", "Erase pixels"),
}
OUTLINES: Mapping[str, tuple[str, str]] = {
    Outline.ENDO: ("LV endo", "The endocardium: the border of the LV cavity"),
    Outline.EPI: ("LV epi", "The epicardium; the myocardium lies between it and the endocardium"),
    Outline.RV: ("RV", "The border of the RV cavity"),
}
KEY_OF_OUTLINE: Mapping[str, str] = {
    Outline.ENDO: "switch endo and epi",
    Outline.EPI: "switch endo and epi",
    Outline.RV: "structure RV",
}
"""Names of the keys that choose an outline."""
ACTIONS: Mapping[str, tuple[str, str]] = {
    "smooth": ("Smooth", "Smooth the chosen contour of this slice; its area stays"),
    "grow": ("Grow", "Move the chosen contour of this slice outwards by 1 mm"),
    "shrink": ("Shrink", "Move the chosen contour of this slice inwards by 1 mm"),
    "clear": ("Clear", "Remove the chosen contour of this slice"),
    "copy to base": ("Copy to base", "Copy this slice to the next one towards the base, and go there"),
    "copy to apex": ("Copy to apex", "Copy this slice to the next one towards the apex, and go there"),
    "copy to next frame": ("Copy to next", "Copy this slice to the next frame, and go there"),
    "interpolate": ("Interpolate", "Propose the contours between drawn slices of this frame"),
    "propagate slice": ("Propagate slice", "Propose this slice at all other frames, by registration"),
    "propagate frame": ("Propagate frame", "Propose all slices of this frame at all others, by registration"),
    "accept slice": ("Accept slice", "You stand behind this slice: what is not drawn in it is absent"),
    "accept frame": ("Accept frame", "You stand behind all slices of this frame"),
    "undo": ("Undo", "Undo the last change, wherever it was"),
    "redo": ("Redo", "Do the undone change again"),
    "go to ED": ("ED", "Go to end diastole"),
    "go to ES": ("ES", "Go to end systole"),
}
ACTION_ROWS = (
    ("smooth", "grow", "shrink", "clear"),
    ("copy to base", "copy to apex", "copy to next frame"),
    ("interpolate", "propagate slice", "propagate frame"),
    ("accept slice", "accept frame"),
    ("undo", "redo", "go to ED", "go to ES"),
)


def dice_text(title: str, found: Mapping[Structure, float]) -> str:
    """Return the Dice of each structure as rich text, with what it was computed of."""
    values = ", ".join(f"{structure.name} {value:.3f}" for structure, value in found.items())
    return f"<b>{title}</b> {values}"


def role_text(role: str) -> str:
    """Return what a subject is used for, in brackets; nothing if it has no role."""
    return f" ({role} subject)" if role else ""
