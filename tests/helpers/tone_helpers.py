"""Contrast of colours to the background."""

from __future__ import annotations

GROUNDS = [("#262930", "#f0f1f2"), ("#2e333e", "#f0f1f2"), ("#ebe7e6", "#1e1e21"), ("#dddad8", "#1e1e21")]
"""Background and text colours of the two themes of napari."""


def components(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the contrast ratio of WCAG 2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: tuple[float, ...]) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
