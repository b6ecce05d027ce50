"""`cmr-ssp export`, `export-cohort` and `volumes`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.cli import main
from cmr_ssp.files import import_labels, open_cine, write_segmentation
from cohort_helpers import COLUMNS, FRAMES, ROWS, SLICES, beating_heart, write_beating_cohort
from export_helpers import dicom_stack
from files_helpers import OBLIQUE, fingerprint, save


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A cine and its segmentation, whose LV is largest at frame 0 and smallest at frame 2."""
    pixels, labels = beating_heart(0)
    cine = save(tmp_path / "data" / "ann.nii.gz", pixels, np.diag([1.6, 1.5, 8.0, 1.0]))
    made = tmp_path / "made" / "ann_seg.nii.gz"
    write_segmentation(made, np.ascontiguousarray(labels.T), open_cine(cine))
    return cine, made


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("phases", ["ann_frame00_ED_seg.nii.gz", "ann_frame02_ES_seg.nii.gz"]),
        ("slicer", ["ann_frame00_ED.seg.nrrd", "ann_frame02_ES.seg.nrrd"]),
    ],
)
def test_formats_that_come_back(
    tmp_path: Path, files: tuple[Path, Path], to: str, expected: list[str]
) -> None:
    cine, made = files
    before, out = fingerprint(cine.parent), tmp_path / "out"
    assert call("export", made, "--source", cine, "--to", to, "-o", out) == 0
    assert sorted(path.name for path in out.iterdir()) == expected
    whole = {s.frame: s.labels for s in import_labels(made, open_cine(cine))}
    for path, frame in zip(sorted(out.iterdir()), (0, 2), strict=True):
        (found,) = import_labels(path, open_cine(cine))
        assert found.frame == frame
        assert np.array_equal(found.labels, whole[frame])
    assert fingerprint(cine.parent) == before
    first = fingerprint(out)
    again = ("export", made, "--source", cine, "--to", to, "-o", out)
    assert call(*again) == 1
    assert fingerprint(out) == first
    assert call(*again, "--replace") == 0


def test_itksnap_and_frames(
    tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    cine, made = files
    common = ("export", made, "--source", cine, "--to", "itksnap", "-o", tmp_path / "out")
    assert call(*common, "--frames", "1,2") == 0
    names = ["ann_frame01.nii.gz", "ann_frame01_seg.nii.gz", "ann_frame02_ES.nii.gz"]
    names += ["ann_frame02_ES_seg.nii.gz", "labels.txt"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for frames, message in (("9", "no frame 9"), ("x", "is not a frame"), ("", "no frame was requested")):
        assert call(*common, "--frames", frames, "--replace") == 1
        assert message in capsys.readouterr().err


def test_captures_of_all_frames(tmp_path: Path, files: tuple[Path, Path]) -> None:
    cine, made = files
    out = tmp_path / "out"
    assert call("export", made, "--source", cine, "--to", "captures", "--frames", "all", "-o", out) == 0
    assert len(list(out.glob("*.png"))) == FRAMES * SLICES


def test_a_segmentation_of_something_else(
    tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, made = files
    other = save(tmp_path / "other.nii.gz", np.ones((4, 4, 3, 4), np.int16))
    assert call("export", made, "--source", other, "--to", "phases", "-o", tmp_path / "out") == 1
    assert "shape" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_dicom_segmentations_ask_about_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    stack, _ = dicom_stack(tmp_path / "dicom", 2)
    cine = save(tmp_path / "cine.nii.gz", np.ones((*stack.grid.shape[::-1], 2), np.int16), OBLIQUE)
    labels = np.random.default_rng(0).integers(0, 4, (2, *stack.grid.shape)).astype(np.uint8)
    made = tmp_path / "cine_seg.nii.gz"
    write_segmentation(made, labels, open_cine(cine))
    out = tmp_path / "out"
    common = ("export", made, "--source", cine, "--to", "dicom-seg", "--frames", "0,1", "-o", out)
    assert call(*common, "--dicom", tmp_path / "dicom") == 1
    said = capsys.readouterr()
    assert "carry the patient's name" in said.out
    assert "--with-identity" in said.err
    assert not out.exists()
    assert call(*common) == 1
    assert "Give their folder with --dicom" in capsys.readouterr().err
    assert call(*common, "--dicom", tmp_path / "dicom", "--with-identity", "--made-by", "manual") == 0
    assert "carry the patient's name" in capsys.readouterr().out
    first = pydicom.dcmread(sorted(out.iterdir())[0])
    assert (first.Modality, str(first.PatientName)) == ("SEG", "Doe^Jane")
    assert first.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
    assert len(list(out.iterdir())) == 2


def test_a_cohort_for_nnunet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_beating_cohort(tmp_path / "data", ["ann", "bob"])
    split = tmp_path / "split.yaml"
    split.write_text("train: [ann]\ntest: [bob]\n")
    corrected = tmp_path / "corrected"
    fixed = np.zeros((COLUMNS, ROWS, SLICES), np.uint8)
    fixed[3:20, 3:20] = np.repeat([1, 2, 3], [5, 5, 7])[:, None, None]
    note = b"cmr-ssp segmentation: LV 1, MYO 2, RV 3"
    save(corrected / "ann_ES.nii.gz", fixed, np.diag([1.6, 1.5, 8.0, 1.0]), descrip=note)
    key = tmp_path / "key.csv"
    common = ("export-cohort", folder, "--to", "nnunet", "-o", tmp_path / "raw", "--split", split)
    assert call(*common, "--corrected", corrected, "--key", key) == 0
    made = tmp_path / "raw" / "Dataset001_CMR"
    assert json.loads((made / "dataset.json").read_text())["numTraining"] == 2
    assert key.read_text().splitlines()[1] == "subject001_ED,ann,ED"
    written = nib.load(made / "labelsTr" / "subject001_ES.nii.gz")
    assert np.array_equal(np.asarray(written.dataobj), fixed)
    assert len(list((made / "imagesTs").iterdir())) == 2
    assert call(*common) == 1
    assert "exists already" in capsys.readouterr().err
    assert call(*common, "--corrected", tmp_path, "--replace") == 1
    assert "no corrected label" in capsys.readouterr().err


def test_volumes(tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    _, made = files
    table = tmp_path / "volumes.csv"
    assert call("volumes", made, "--csv", table) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == ["ED", "", "ES", ""]
    voxels = np.count_nonzero(np.asarray(nib.load(made).dataobj)[..., 0] == 1)
    assert float(rows[0]["LV_ml"]) == pytest.approx(voxels * 1.6 * 1.5 * 8 / 1000, abs=0.005)
    assert rows[0]["subject"] == "ann"
    assert call("volumes", made, "--csv", table) == 0  # its own table
    plain = save(tmp_path / "plain_gt.nii.gz", np.ones((4, 4, 3), np.uint8))
    assert call("volumes", plain, "--csv", table) == 1
    assert "which structures" in capsys.readouterr().err
    assert call("volumes", plain, "--csv", table, "--labels", "acdc") == 0
    foreign = tmp_path / "notes.csv"
    foreign.write_text("mine")
    assert call("volumes", made, "--csv", foreign) == 1
    assert foreign.read_text() == "mine"
