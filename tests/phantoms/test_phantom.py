"""The phantom: deterministic, beating, consistently labelled, and readable from disk."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import CohortError, OutputError
from cmr_ssp.phantoms import GROUPS, STYLES, PhantomCine, make_phantom, write_phantom_cohort
from scipy import ndimage

SEEDS = range(10)


@pytest.fixture(scope="module")
def cines() -> list[PhantomCine]:
    """Create every vendor and group at least twice, with few frames for speed."""
    vendors, groups = sorted(STYLES), list(GROUPS)
    return [make_phantom(s, vendors[s % 4], n_frames=8, group=groups[s % 5]) for s in SEEDS]


def voxels(cine: PhantomCine, structure: Structure) -> np.ndarray:
    return np.count_nonzero(cine.labels == structure, axis=(1, 2, 3))


def test_same_seed_same_cine_other_seed_other() -> None:
    first, again, other = (make_phantom(seed, n_frames=4) for seed in (3, 3, 4))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.labels, again.labels)
    assert first.pixels.shape != other.pixels.shape or not np.array_equal(first.pixels, other.pixels)


def test_arrays_are_as_documented(cines: list[PhantomCine]) -> None:
    for cine in cines:
        assert cine.pixels.dtype == np.float32
        assert cine.labels.dtype == np.uint8
        assert cine.pixels.shape == cine.labels.shape
        assert np.isfinite(cine.pixels).all()
        assert cine.pixels.min() >= 0
        assert set(np.unique(cine.labels)) == {0, 1, 2, 3}
        assert cine.pixels.shape[2:] == STYLES[cine.vendor].shape


def test_heart_beats(cines: list[PhantomCine]) -> None:
    for cine in cines:
        lv = voxels(cine, Structure.LV)
        ejection = 1 - lv[cine.end_systole] / lv[cine.end_diastole]
        assert 0.15 < ejection < 0.75, cine.group
        rv = voxels(cine, Structure.RV)
        assert rv[cine.end_systole] < rv[cine.end_diastole]
        myocardium = voxels(cine, Structure.MYO)
        assert myocardium.max() < 1.25 * myocardium.min(), "muscle is hardly compressible"


def test_groups_differ_as_their_names_say(cines: list[PhantomCine]) -> None:
    def mean(group: str, structure: Structure) -> float:
        chosen = [c for c in cines if c.group == group]
        return float(np.mean([voxels(c, structure).max() * np.prod(c.spacing_mm) for c in chosen]))

    assert mean("DCM", Structure.LV) > 1.3 * mean("NOR", Structure.LV)
    assert mean("HCM", Structure.MYO) > 1.2 * mean("NOR", Structure.MYO)
    assert mean("RV", Structure.RV) > 1.2 * mean("NOR", Structure.RV)


def test_cavities_are_in_one_piece_and_lv_lies_within_muscle(cines: list[PhantomCine]) -> None:
    for cine in cines:
        for frame in (cine.end_diastole, cine.end_systole):
            for labels in cine.labels[frame]:
                lv = labels == Structure.LV
                for region in (lv, labels == Structure.RV):
                    assert ndimage.label(region)[1] <= 1
                beside = ndimage.binary_dilation(lv) & ~lv
                assert (labels[beside] == Structure.MYO).all()


def test_end_slices_show_no_heart_in_systole_and_the_base_leaves_one_more(cines: list[PhantomCine]) -> None:
    for cine in cines:
        muscle = (cine.labels == Structure.MYO).any(axis=(2, 3))
        first = [int(np.flatnonzero(muscle[f])[0]) for f in (cine.end_diastole, cine.end_systole)]
        assert first[1] >= first[0]
        assert not cine.labels[cine.end_systole, [0, -1]].any()
    lost = [c for c in cines if c.labels[c.end_diastole, 1].any() and not c.labels[c.end_systole, 1].any()]
    assert lost


def test_image_shows_what_the_labels_say(cines: list[PhantomCine]) -> None:
    for cine in cines:
        pixels, labels = cine.pixels[cine.end_diastole], cine.labels[cine.end_diastole]
        assert np.median(pixels[labels == Structure.LV]) > 1.3 * np.median(pixels[labels == Structure.MYO])
        myocardium = np.median(pixels[labels == Structure.MYO])
        inside = pixels > 0.2 * myocardium
        alike = inside & (labels == 0) & (np.abs(pixels - myocardium) < 0.25 * myocardium)
        assert alike.sum() > (labels == Structure.MYO).sum(), "a threshold must not find the heart"


def test_vendors_differ() -> None:
    cines = {vendor: make_phantom(7, vendor, n_frames=4, group="NOR") for vendor in STYLES}
    assert len({c.spacing_mm for c in cines.values()}) == len(STYLES)
    assert len({c.pixels.shape[2:] for c in cines.values()}) == len(STYLES)
    contrast = {
        v: np.median(c.pixels[c.labels == Structure.MYO]) / np.median(c.pixels[c.labels == Structure.LV])
        for v, c in cines.items()
    }
    assert contrast["D"] > contrast["A"] + 0.08


def test_affine_agrees_with_spacing_and_runs_from_base_to_apex(cines: list[PhantomCine]) -> None:
    for cine in cines:
        assert np.allclose(np.linalg.norm(cine.affine[:3, :3], axis=0), cine.spacing_mm[::-1])
        towards_apex = cine.affine[:3, 2]
        assert towards_apex[0] < 0, "left"
        assert towards_apex[1] > 0, "anterior"
        assert towards_apex[2] < 0, "inferior"
        axes = cine.affine[:3, :3] / np.linalg.norm(cine.affine[:3, :3], axis=0)
        assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("arguments", [{"vendor": "Z"}, {"group": "nobody"}, {"n_frames": 3}])
def test_unknown_wishes_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(CohortError):
        make_phantom(0, **arguments)  # type: ignore[arg-type]


def test_cohort_on_disk(tmp_path: Path) -> None:
    folder, seen = tmp_path / "new" / "cohort", []
    write_phantom_cohort(
        folder, 3, seed=5, n_labelled=2, n_frames=5, workers=2, progress=lambda *done: seen.append(done)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    rows = list(csv.DictReader((folder / "subjects.csv").open()))
    assert [row["id"] for row in rows] == ["phantom-001", "phantom-002", "phantom-003"]
    assert len({row["vendor"] for row in rows}) == len({row["group"] for row in rows}) == 3
    assert sorted(p.name for p in folder.glob("*_gt.nii.gz")) == [
        f"phantom-00{i}_{phase}_gt.nii.gz" for i in (1, 2) for phase in ("ED", "ES")
    ]
    for row in rows:
        image = nib.load(folder / f"{row['id']}.nii.gz")
        assert image.get_data_dtype() == np.int16
        assert image.shape[3] == 5
        assert image.header.get_xyzt_units() == ("mm", "sec")
        assert np.allclose(image.header.get_zooms()[:3], np.linalg.norm(image.affine[:3, :3], axis=0))
        if row["id"] != "phantom-003":
            ed, es = (nib.load(folder / f"{row['id']}_{phase}_gt.nii.gz") for phase in ("ED", "ES"))
            assert ed.shape == es.shape == image.shape[:3]
            assert np.array_equal(ed.affine, image.affine)
            ed, es = np.asarray(ed.dataobj), np.asarray(es.dataobj)
            assert (ed == 1).sum() > (es == 1).sum() > 0
            assert int(row["ed_frame"]) != int(row["es_frame"])
            frame = np.asarray(image.dataobj)[..., int(row["ed_frame"])]
            assert np.median(frame[ed == 1]) > 1.3 * np.median(frame[ed == 2])


def test_cohort_bytes_repeat_and_threads_do_not_matter(tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 2)):
        write_phantom_cohort(tmp_path / name, 2, n_frames=4, workers=workers)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == sorted(p.name for p in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_cohort_never_overwrites_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("dear")
    with pytest.raises(OutputError):
        write_phantom_cohort(folder, 1)
    with pytest.raises(CohortError):
        write_phantom_cohort(tmp_path / "other", 2, n_labelled=3)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom_cohort(tmp_path / "other", 1, n_frames=4, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert (folder / "thesis.txt").read_text() == "dear"
