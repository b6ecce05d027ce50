"""The phantom cohort of the sample data: created once, complete, and shown in the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cmr_ssp.errors import OutputError
from cmr_ssp.files import open_cohort
from files_helpers import fingerprint

from napari_cmr_ssp.io import sample_data

NAME = "napari-cmr-ssp"
SUBJECTS = 2


@pytest.fixture(autouse=True)
def small_cohort(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sample_data, "_SUBJECTS", SUBJECTS)
    return tmp_path / "cache"


def test_cohort_is_made_once_and_again_where_files_are_missing(small_cohort: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = sample_data.phantom_cohort_folder(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert list(small_cohort.iterdir()) == [folder]
    before = fingerprint(folder)
    cohort = open_cohort(folder)
    assert cohort.problems == () and [len(subject.labels) for subject in cohort.subjects] == [2, 2]
    assert sample_data.phantom_cohort_folder(lambda *_: pytest.fail("made twice")) == folder
    (folder / "phantom-001.nii.gz").unlink()
    assert fingerprint(sample_data.phantom_cohort_folder()) == before


def test_another_window_may_be_faster(small_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = sample_data.write_phantom_cohort

    def beaten(folder: Path, *arguments: Any, **options: Any) -> None:
        write(folder, *arguments, **options)
        write(folder, *arguments, **options)

    monkeypatch.setattr(sample_data, "write_phantom_cohort", beaten)
    assert len(open_cohort(sample_data.phantom_cohort_folder()).subjects) == SUBJECTS


def test_a_cache_that_cannot_be_written_is_named(small_cohort: Path) -> None:
    small_cohort.write_text("no folder")
    with pytest.raises(OutputError, match="phantom-cohort"):
        sample_data.phantom_cohort_folder()


def test_sample_shows_the_first_subject_with_labels_at_both_phases(viewer: Any) -> None:
    viewer.open_sample(NAME, "phantom_cohort")
    cine, labels = viewer.layers
    subject = open_cohort(sample_data.phantom_cohort_folder()).subjects[0]
    assert (cine.name, labels.name) == (subject.id, f"{subject.id} labels")
    assert labels.data.shape == cine.data.shape
    np.testing.assert_array_equal(labels.scale, cine.scale)
    frames = sorted(label.listed_frame for label in subject.labels)
    assert np.flatnonzero(labels.data.any(axis=(1, 2, 3))).tolist() == frames
    assert list(labels.features["structure"]) == ["LV cavity", "LV myocardium", "RV cavity"]
