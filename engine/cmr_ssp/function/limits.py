"""The limits of quality flags, each with its reason.

"Drawn by observers" refers to the reference labels of 30 ACDC subjects (60 volumes, 541 slices with an LV).
`benchmarks/quality_flags.py` counts how often other references and segmentations exceed the limits.
"""

LEAST_PIXELS = 10
"""A structure with fewer pixels in a slice can hardly be seen; observers draw less in 1 % of RV slices."""

MOST_OPEN_SHARE = 0.10
"""Share of the border of the cavity without myocardium. Observers close it in every slice but one (0.16)."""

MOST_RV_SHARE = 0.02
"""Share of the border of the LV cavity that touches the RV. The septum lies between; observers reach 0.01."""

MOST_ROUGH_LV = 1.15
"""Area of the ellipse with the same moments over the area. Cavities drawn by observers reach 1.11."""

MOST_ROUGH_HEART = 1.12
"""The same for the LV with its wall; drawn by observers up to 1.09."""

MOST_ROUGH_RV = 4.0
"""The same for the RV, a crescent at mid level; drawn by observers up to 3.1, in phantoms up to 3.6."""

MOST_ELONGATED = 1.6
"""Long over short axis of the LV with its wall; drawn by observers up to 1.5."""

THINNEST_WALL_MM, THICKEST_WALL_MM = 2.5, 26.0
"""Mean thickness of the wall in a slice; drawn by observers from 3.2 to 23.5 mm, hypertrophy included."""

LEAST_LV_SLICES = 6
"""Slices with an LV cavity: at 10 mm a ventricle of 60 mm; observers draw at least 6 in each volume."""

FARTHEST_SHIFT_MM = 20.0
"""Distance between the centres of the LV in neighbouring slices; 99 % of those drawn are below 16 mm."""

LARGEST_STEP = 0.15
"""Difference of the area within the epicardium from the median of a slice and its neighbours, over the
largest area of the frame. Areas change steadily along the stack; observers: at most 0.11."""

LEAST_EF, MOST_EF = 0.05, 0.90
"""Ejection fraction of the LV; in severe failure about 0.1, and 0.82 at most in what observers drew."""

MOST_SV_DIFFERENCE = 0.65
"""Difference of the stroke volumes of LV and RV over the larger one. Without leaking valves they are equal,
but the base of the RV is drawn so differently that observers reach 0.61."""

MOST_MASS_DIFFERENCE = 0.35
"""Difference of the volumes of the myocardium at ED and ES over their mean. Muscle hardly changes its volume;
at the base observers lose up to 0.31."""

LEAST_CYCLE_FRAMES = 6
"""With fewer frames, neighbours in time lie too far apart to be compared, and times are too coarse."""

LARGEST_JUMP = 0.15
"""Difference of the LV volume from the median of a frame and its neighbours in time, over the largest volume.
Volumes change fast but steadily; only around ES they turn within a frame or two (0.13 with 12 frames)."""

LARGEST_SLICE_JUMP = 0.25
"""The same for the area within the epicardium in one slice, over the largest area of this slice."""

EARLIEST_ES, LATEST_ES = 0.15, 0.65
"""Time from ED to ES as share of the cycle: about a third at rest, and a half at high heart rates."""
