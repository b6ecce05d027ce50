"""Quality flags in the order in which a reader should see them, as text."""

from __future__ import annotations

from collections.abc import Mapping

from cmr_ssp.anatomy import Phase
from cmr_ssp.function.flags import Flag, Gravity
from cmr_ssp.function.quality import QualityFlags


def in_order(found: QualityFlags, phases: Mapping[Phase, int]) -> tuple[Flag, ...]:
    """Return flags of the whole cine first, then those of ED and ES, then others; the impossible first."""
    frames = set(phases.values())

    def place(flag: Flag) -> tuple[bool, bool, bool, int, int]:
        is_elsewhere = flag.frame is not None and flag.frame not in frames
        at = (flag.frame if flag.frame is not None else -1, flag.slice_index or 0)
        return (is_elsewhere, flag.frame is not None, flag.gravity is not Gravity.WRONG, *at)

    return tuple(sorted((*found.cine, *found.frames), key=place))


def place_text(flag: Flag, phases: Mapping[Phase, int]) -> str:
    """Return where a flag points, such as ``ED, slice 3``."""
    if flag.frame is None:
        return "cine"
    named = [str(phase) for phase, frame in phases.items() if frame == flag.frame]
    frame = named[0] if named else f"frame {flag.frame}"
    return frame if flag.slice_index is None else f"{frame}, slice {flag.slice_index}"


def flag_lines(found: QualityFlags, phases: Mapping[Phase, int]) -> tuple[str, ...]:
    """Return a line for each flag of the cine, of ED and of ES."""
    frames = {None, *phases.values()}
    chosen = [flag for flag in in_order(found, phases) if flag.frame in frames]
    return tuple(f"{place_text(flag, phases)}: {flag.sentence}" for flag in chosen)
