"""`cmr_ssp.segment` takes an array or a stack and returns labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cmr_ssp
import numpy as np
import pytest
from cmr_ssp.errors import ImageError, OutputError
from cmr_ssp.events import Cancel, Cancelled, JobEnded, Outcome
from cmr_ssp.runs import Run
from cohort_helpers import Listener

SPACING = (8.0, 1.5, 1.6)


def test_arrays_stacks_and_files_get_the_same_labels(tuned: Run, folder: Path, tmp_path: Path) -> None:
    stack = cmr_ssp.open_cine(folder / "a.nii.gz")
    labels = cmr_ssp.segment(tuned, stack, device="cpu")
    assert labels.shape == stack.shape and labels.dtype == np.uint8
    pixels = stack.pixels
    from_array = cmr_ssp.segment(tuned, pixels, spacing_mm=stack.spacing_mm, device="cpu")
    np.testing.assert_array_equal(from_array, labels)
    (file,) = cmr_ssp.segment(tuned, folder / "a.nii.gz", tmp_path, device="cpu")
    np.testing.assert_array_equal(cmr_ssp.open_cine(file).pixels, labels)


def test_spacing_counts_and_pixels_of_any_type_stay_as_they_are(tuned: Run) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 2, 30, 34), np.uint8)
    before = pixels.copy()
    labels = cmr_ssp.segment(tuned, pixels, spacing_mm=SPACING)
    np.testing.assert_array_equal(
        cmr_ssp.segment(tuned, pixels.astype(np.float64), spacing_mm=SPACING), labels
    )
    np.testing.assert_array_equal(pixels, before)
    assert not np.array_equal(cmr_ssp.segment(tuned, pixels, spacing_mm=(8.0, 0.4, 0.4)), labels)


def test_an_array_of_three_axes_is_one_frame(tuned: Run) -> None:
    pixels = np.random.default_rng(0).random((2, 30, 34))
    events = Listener()
    labels = cmr_ssp.segment(tuned, pixels, spacing_mm=SPACING, on_event=events)
    assert labels.shape == pixels.shape
    np.testing.assert_array_equal(labels, cmr_ssp.segment(tuned, pixels[None], spacing_mm=SPACING)[0])
    assert events.end.outcome is Outcome.FINISHED
    assert any("motion" in str(event) for event in events), "one frame has no motion, which is said"


@pytest.mark.parametrize(
    ("pixels", "spacing", "said"),
    [
        (np.zeros((3, 4)), SPACING, r"shape is \(3, 4\)"),
        (np.zeros((0, 2, 8, 8)), SPACING, "shape is"),
        (np.zeros((2, 8, 8)), None, "three distances"),
        (np.zeros((2, 8, 8)), (1.5, 1.5), "three distances"),
        (np.zeros((2, 8, 8)), (8.0, 1500.0, 1500.0), "Give millimetres"),
        (np.zeros((2, 8, 8), complex), SPACING, "real numbers"),
        (np.full((2, 8, 8), np.nan), SPACING, "not finite"),
    ],
)
def test_what_is_no_cine_is_refused(tuned: Run, pixels: Any, spacing: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        cmr_ssp.segment(tuned, pixels, spacing_mm=spacing)


def test_files_need_a_place_and_arrays_have_none(tuned: Run, folder: Path, tmp_path: Path) -> None:
    run: Any = tuned
    with pytest.raises(OutputError, match="Give a folder"):
        cmr_ssp.segment(run, folder / "a.nii.gz")  # type: ignore[call-overload]
    with pytest.raises(OutputError, match="no file is written"):
        cmr_ssp.segment(run, np.zeros((2, 8, 8)), tmp_path, spacing_mm=SPACING)  # type: ignore[call-overload]


def test_a_request_to_stop_leads_out(tuned: Run) -> None:
    cancel, events = Cancel(), Listener()
    cancel.request()
    with pytest.raises(Cancelled):
        cmr_ssp.segment(tuned, np.zeros((4, 2, 30, 34)), spacing_mm=SPACING, cancel=cancel, on_event=events)
    assert events[-1] == JobEnded(Outcome.STOPPED)
