"""Exports to other formats: files match the source voxel by voxel, and can be read back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import COLOURS, TITLES, Phase, Structure, rgb
from cmr_ssp.errors import LabelError, OutputError
from cmr_ssp.exports import (
    CaseNames,
    Moment,
    export_nnunet,
    write_captures,
    write_dicom_seg,
    write_frames,
    write_itksnap_labels,
    write_slicer,
)
from cmr_ssp.exports.captures import overlay
from cmr_ssp.files import (
    import_labels,
    open_cine,
    open_cohort,
    open_stack,
    read_segmentation,
    resolve_subject,
    write_segmentation,
)
from cmr_ssp.files.formats.geometry import placed_affine
from cmr_ssp.files.labels.importing import numbering_in_header, read_label_volumes
from cmr_ssp.subjects import Grid, Role, Segmentation, Split
from cohort_helpers import write_beating_cohort
from export_helpers import dicom_stack, parse_nrrd
from files_helpers import DIAGONAL, OBLIQUE, SHAPE, edit_header, fingerprint, pixels, save

AFFINES: dict[str, np.ndarray | None] = {
    "diagonal": DIAGONAL,
    "flipped": DIAGONAL @ np.diag([-1.0, 1, -1, 1]),
    "oblique": OBLIQUE,
    "apex first": OBLIQUE @ np.diag([1.0, 1, -1, 1]),
    "poor header": None,
}
MOMENTS = (Moment(0, Phase.ED), Moment(2, Phase.ES))


@pytest.fixture(params=AFFINES, ids=str)
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A cine of three frames; the last kind has its voxel size only in pixdim, like ACDC."""
    path = tmp_path / "data" / "cine.nii.gz"
    affine = AFFINES[request.param]
    save(path, pixels(*SHAPE, 3), DIAGONAL if affine is None else affine)
    if affine is None:
        unit = {"srow_x": [-1, 0, 0, 0], "srow_y": [0, -1, 0, 0], "srow_z": [0, 0, 1, 0]}
        edit_header(path, qform_code=0, sform_code=2, xyzt_units=0, **unit)
    return path


@pytest.fixture
def labels() -> np.ndarray:
    """Artificial labels with every structure in every frame; all slices and frames differ."""
    return np.random.default_rng(5).integers(0, 4, (3, *SHAPE[::-1])).astype(np.uint8)


def same(found: tuple[Segmentation, ...], labels: np.ndarray, frame: int) -> None:
    (segmentation,) = found
    assert segmentation.frame == frame
    assert segmentation.drawn == frozenset(Structure)
    assert np.array_equal(segmentation.labels, labels[frame])


# ---- round trips -----------------------------------------------------------------------------------


def test_the_whole_cine_comes_back(tmp_path: Path, source: Path, labels: np.ndarray) -> None:
    stack = open_cine(source)
    path = tmp_path / "out" / "cine_seg.nii.gz"
    write_segmentation(path, labels, stack)
    found = import_labels(path, stack)
    assert [segmentation.frame for segmentation in found] == [0, 1, 2]
    assert all(np.array_equal(s.labels, labels[s.frame]) for s in found)
    assert open_cine(path).grid.spacing_mm == stack.grid.spacing_mm


def test_phases_come_back(tmp_path: Path, source: Path, labels: np.ndarray) -> None:
    stack, before = open_cine(source), fingerprint(source.parent)
    written = write_frames(tmp_path / "out", "cine", labels, stack, MOMENTS, images=True)
    assert [path.name for path in written] == ["cine_frame00_ED_seg.nii.gz", "cine_frame02_ES_seg.nii.gz"]
    for path, moment in zip(written, MOMENTS, strict=True):
        same(import_labels(path, stack), labels, moment.frame)
        assert np.array_equal(nib.load(path).affine, nib.load(source).affine)
        assert np.array_equal(nib.load(path).header["pixdim"][:4], nib.load(source).header["pixdim"][:4])
        image = open_cine(path.with_name(path.name.replace("_seg", "")))
        assert np.array_equal(image.load()[0], stack.load()[moment.frame])
        assert image.grid.spacing_mm == stack.grid.spacing_mm
    assert fingerprint(source.parent) == before


def test_slicer_segmentations_come_back(tmp_path: Path, source: Path, labels: np.ndarray) -> None:
    stack = open_cine(source)
    written = write_slicer(tmp_path, "cine", labels, stack, MOMENTS)
    for path, moment in zip(written, MOMENTS, strict=True):
        same(import_labels(path, stack), labels, moment.frame)


def test_slicer_files_by_an_independent_reading(tmp_path: Path, source: Path, labels: np.ndarray) -> None:
    stack = open_cine(source)
    (path,) = write_slicer(tmp_path, "cine", labels, stack, [Moment(1)])
    fields, voxels = parse_nrrd(path)
    write_segmentation(tmp_path / "seg.nii.gz", labels[1], stack)
    assert np.array_equal(voxels, np.asarray(nib.load(tmp_path / "seg.nii.gz").dataobj))
    columns = [
        [float(v) for v in c.split(",")] for c in re.findall(r"\(([^)]*)\)", fields["space directions"])
    ]
    origin = [float(v) for v in fields["space origin"].strip("()").split(",")]
    lps = np.column_stack([*columns, origin])
    assert fields["space"] == "left-posterior-superior"
    assert np.allclose(lps * [[-1], [-1], [1]], placed_affine(stack.grid)[:3])
    assert np.allclose(np.linalg.norm(columns, axis=1), stack.grid.spacing_mm[::-1], rtol=1e-5)
    for n, structure in enumerate(Structure):
        assert fields[f"Segment{n}_Name"] == TITLES[structure]
        assert fields[f"Segment{n}_LabelValue"] == str(int(structure))
        assert fields[f"Segment{n}_Layer"] == "0"
        assert fields[f"Segment{n}_Extent"] == "0 5 0 4 0 3"
        colour = np.array([float(v) for v in fields[f"Segment{n}_Color"].split()]) * 255
        assert np.rint(colour).tolist() == list(rgb(structure))


def test_what_slicer_cropped_and_layered_comes_back(tmp_path: Path) -> None:
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE), OBLIQUE))
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 2:4, 1:5] = Structure.MYO
    labels[2, 3, 2:4] = Structure.LV
    crop = labels[1:4, 2:5, 1:5]
    layers = np.stack([crop == Structure.MYO, (crop == Structure.LV) * 7], axis=-1).astype(np.uint8)
    affine = np.diag([-1.0, -1, 1, 1]) @ OBLIQUE
    origin = affine @ [1, 2, 1, 1]
    vectors = " ".join(f"({x},{y},{z})" for x, y, z in affine[:3, :3].T)
    head = [
        "NRRD0005",
        "type: uint8",
        "dimension: 4",
        "space: left-posterior-superior",
        "sizes: 2 4 3 3",
        f"space directions: none {vectors}",
        "kinds: list domain domain domain",
        "encoding: raw",
        f"space origin: ({origin[0]},{origin[1]},{origin[2]})",
        f"Segment0_ID:=Segment_1\nSegment0_Name:={TITLES[Structure.MYO]}",
        "Segment0_LabelValue:=1\nSegment0_Layer:=0",
        "Segment1_ID:=LV\nSegment1_Name:=renamed\nSegment1_LabelValue:=7\nSegment1_Layer:=1",
    ]
    path = tmp_path / "edited.seg.nrrd"
    path.write_bytes("\n".join(head).encode() + b"\n\n" + layers.tobytes())
    (found,) = import_labels(path, stack)
    assert np.array_equal(found.labels, labels)
    path.write_bytes(path.read_bytes().replace(b"Segment1_ID:=LV\n", b"Segment1_ID:=X\n"))
    with pytest.raises(LabelError, match="another segment"):
        import_labels(path, stack)


def test_itksnap_description(tmp_path: Path) -> None:
    write_itksnap_labels(tmp_path / "labels.txt")
    lines = (tmp_path / "labels.txt").read_text().splitlines()
    rows = [re.fullmatch(r"\s*(\d+)((?:\s+[\d.]+){6})\s+\"(.*)\"", line) for line in lines if line[0] != "#"]
    assert all(rows)
    assert [int(row[1]) for row in rows if row] == [0, 1, 2, 3]
    for structure, row in zip(Structure, rows[1:], strict=True):
        assert row is not None
        assert row[3] == TITLES[structure]
        colour = [int(v) for v in row[2].split()[:3]]
        assert f"#{bytes(colour).hex().upper()}" == COLOURS[structure]
        assert row[2].split()[4:] == ["1", "1"]


# ---- labels that come back ---------------------------------------------------------------------------


def resave(path: Path, **header: object) -> None:
    """Save like a program that keeps pixels and affine but writes a new header."""
    image = nib.load(path)
    fresh = nib.Nifti1Image(np.asarray(image.dataobj).astype(np.float32), image.affine)
    nib.save(fresh, path)
    edit_header(path, **header)


def test_labels_without_our_note_are_told_by_the_description_beside_them(
    tmp_path: Path, labels: np.ndarray
) -> None:
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    (path,) = write_frames(tmp_path / "out", "cine", labels, stack, [Moment(2, Phase.ES)])
    resave(path)
    assert numbering_in_header(path) is None
    with pytest.raises(LabelError, match="which structures"):
        import_labels(path, stack)
    write_itksnap_labels(path.parent / "labels.txt")
    same(import_labels(path, stack), labels, 2)


def test_the_header_says_what_numbers_mean(tmp_path: Path, labels: np.ndarray) -> None:
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE), OBLIQUE))
    write_segmentation(tmp_path / "seg.nii.gz", labels[0], stack, "acdc")
    same(import_labels(tmp_path / "seg.nii.gz", stack), labels, 0)
    only_myo = np.where(labels[0] == 2, 2, 0).astype(np.uint8)
    write_segmentation(tmp_path / "myo.nii.gz", only_myo, stack, {1: Structure.MYO})
    assert numbering_in_header(tmp_path / "myo.nii.gz") == {1: Structure.MYO}
    (found,) = import_labels(tmp_path / "myo.nii.gz", stack)
    assert found.drawn == {Structure.MYO}
    assert np.array_equal(found.labels, only_myo)


@pytest.mark.parametrize(
    ("change", "message"),
    [("shape", "shape"), ("affine", "affine differs"), ("frames", "2 frames"), ("name", "which of the 3")],
)
def test_labels_of_another_grid_are_refused(
    tmp_path: Path, labels: np.ndarray, change: str, message: str
) -> None:
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    moved = OBLIQUE.copy()
    moved[2, 3] += 5 * (change == "affine")
    volume = labels[0].T[:-1] if change == "shape" else labels[0].T
    volume = np.stack([volume, volume], axis=-1) if change == "frames" else volume
    name = "x_seg.nii.gz" if change == "name" else "x_frame01_seg.nii.gz"
    path = save(tmp_path / name, volume, moved, descrip=b"cmr-ssp segmentation: LV 1, MYO 2, RV 3")
    with pytest.raises(LabelError, match=message):
        import_labels(path, stack)


def test_a_frame_beyond_the_cine_is_refused(tmp_path: Path, labels: np.ndarray) -> None:
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    path = tmp_path / "x_frame07_seg.nii.gz"
    write_segmentation(path, labels[0], stack)
    with pytest.raises(LabelError, match="frame 7"):
        import_labels(path, stack)
    same(import_labels(path, stack, frame=0), labels, 0)


# ---- what is in the way ------------------------------------------------------------------------------


def test_nothing_is_replaced_unasked_and_no_source_ever(tmp_path: Path, labels: np.ndarray) -> None:
    source = save(tmp_path / "cine_frame01_seg.nii.gz", pixels(*SHAPE, 3), OBLIQUE)
    stack = open_cine(source)
    before = fingerprint(tmp_path)
    for replace in (False, True):
        with pytest.raises(OutputError, match="source file"):
            write_frames(tmp_path, "cine", labels, stack, [Moment(0), Moment(1)], replace=replace)
    assert fingerprint(tmp_path) == before, "the first file was written before the second was refused"
    for write in (write_frames, write_slicer, write_captures):
        out = tmp_path / write.__name__
        write(out, "cine", labels, stack, [Moment(0)])
        made = fingerprint(out)
        with pytest.raises(OutputError, match="exists already"):
            write(out, "cine", labels[::-1], stack, [Moment(0)])
        assert fingerprint(out) == made
        write(out, "cine", labels[::-1], stack, [Moment(0)], replace=True)
        assert fingerprint(out) != made


def test_a_frame_that_the_cine_lacks(tmp_path: Path, labels: np.ndarray) -> None:
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE, 3)))
    for write in (write_frames, write_slicer, write_captures):
        with pytest.raises(OutputError, match="no frame 3"):
            write(tmp_path / "out", "cine", labels, stack, [Moment(0), Moment(3)])
    assert not (tmp_path / "out").exists()


# ---- nnU-Net -----------------------------------------------------------------------------------------


def test_nnunet(tmp_path: Path) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "data", ["ann", "bob", "cy"]))
    before = fingerprint(tmp_path / "data")
    split = Split({"ann": Role.TRAIN, "bob": Role.TEST, "cy": Role.TRAIN})
    own = read_segmentation(resolve_subject(cohort.subject("cy")), Phase.ES)
    fixed = np.roll(own.labels, 1, axis=2)
    corrected = tmp_path / "corrected"
    write_segmentation(corrected / "cy_ES.nii.gz", fixed, open_stack(cohort.subject("cy")))
    made = export_nnunet(cohort, tmp_path / "raw", number=7, split=split, corrected=corrected)
    folder = tmp_path / "raw" / "Dataset007_CMR"
    assert made.folder == folder
    assert not made.problems
    about = json.loads((folder / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "LV": 1, "MYO": 2, "RV": 3}
    assert (about["numTraining"], about["file_ending"]) == (4, ".nii.gz")
    assert list(about["channel_names"]) == ["0"]
    names = {p.parent.name + "/" + p.name for p in folder.rglob("*.nii.gz")}
    train = [f"subject{n}_{phase}" for n in ("001", "003") for phase in ("ED", "ES")]
    test = ["subject002_ED", "subject002_ES"]
    expected = {f"imagesTr/{c}_0000.nii.gz" for c in train} | {f"labelsTr/{c}.nii.gz" for c in train}
    expected |= {f"imagesTs/{c}_0000.nii.gz" for c in test} | {f"labelsTs/{c}.nii.gz" for c in test}
    assert names == expected
    written = np.asarray(nib.load(folder / "labelsTr" / "subject003_ES.nii.gz").dataobj)
    assert np.array_equal(written, fixed.T)
    image = nib.load(folder / "imagesTr" / "subject003_ES_0000.nii.gz")
    cine = nib.load(tmp_path / "data" / "cy.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj), np.asarray(cine.dataobj)[..., own.frame])
    assert np.array_equal(image.affine, cine.affine)
    for fold in json.loads((folder / "splits_final.json").read_text()):
        assert not {c[:10] for c in fold["train"]} & {c[:10] for c in fold["val"]}
        assert sorted(fold["train"] + fold["val"]) == sorted(train)
    texts = "".join(p.read_text() for p in folder.glob("*.json"))
    assert not any(name in texts for name in ("bob", 'ann"', "ann_"))
    assert fingerprint(tmp_path / "data") == before
    with pytest.raises(OutputError, match="exists already"):
        export_nnunet(cohort, tmp_path / "raw", number=7)
    export_nnunet(cohort, tmp_path / "raw", number=7, split=split, replace=True)
    named = export_nnunet(cohort, tmp_path / "raw", number=8, name="Ids", case_names=CaseNames.IDS)
    assert [case.name for case in named.cases[:2]] == ["ann_ED", "ann_ES"]


def test_nnunet_replaces_the_whole_of_an_earlier_export(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    made = export_nnunet(open_cohort(write_beating_cohort(tmp_path / "a", ["ann", "bob"])), raw)
    smaller = open_cohort(write_beating_cohort(tmp_path / "b", ["cy"]))
    again = export_nnunet(smaller, raw, replace=True)
    assert {p.name for p in (again.folder / "labelsTr").iterdir()} == {
        f"{c.name}.nii.gz" for c in again.cases
    }
    assert json.loads((again.folder / "dataset.json").read_text())["numTraining"] == len(again.cases) == 2
    assert again.folder == made.folder
    assert [p.name for p in raw.iterdir()] == [made.folder.name]


def foreign_set(folder: Path) -> None:
    """Create a foreign nnU-Net data set with the file names of an export."""
    for part in ("imagesTr/subject001_ED_0000.nii.gz", "labelsTr/subject001_ED.nii.gz", "dataset.json"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).write_bytes(b"somebody's")


def foreign_set_with_a_list(folder: Path) -> None:
    foreign_set(folder)
    (folder / "export.txt").write_text("mine\n")


def edited_export(folder: Path) -> None:
    path = folder / "labelsTr" / "subject001_ED.nii.gz"
    save(path, np.asarray(nib.load(path).dataobj) * 0, nib.load(path).affine)


def added_to_export(folder: Path) -> None:
    (folder / "imagesTr" / "mine.nii.gz").write_bytes(b"mine")


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (foreign_set, "Dataset001_CMR"),
        (foreign_set_with_a_list, "Dataset001_CMR"),
        (edited_export, "subject001_ED.nii.gz"),
        (added_to_export, "mine.nii.gz"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_nnunet_replaces_nothing_that_no_export_made(
    tmp_path: Path, alter: Callable[[Path], None], named: str
) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "data", ["ann"]))
    folder = tmp_path / "raw" / "Dataset001_CMR"
    if "export" in alter.__name__:
        export_nnunet(cohort, tmp_path / "raw")
    alter(folder)
    before = fingerprint(tmp_path)
    with pytest.raises(OutputError) as caught:
        export_nnunet(cohort, tmp_path / "raw", replace=True)
    assert [Path(problem.where).name for problem in caught.value.problems] == [named]
    assert fingerprint(tmp_path) == before


def test_nnunet_never_replaces_the_cohort_that_it_exports(tmp_path: Path) -> None:
    made = export_nnunet(open_cohort(write_beating_cohort(tmp_path / "data", ["ann"])), tmp_path / "raw")
    before = fingerprint(tmp_path)
    with pytest.raises(OutputError, match="contains files of the cohort"):
        export_nnunet(open_cohort(made.folder), tmp_path / "raw", replace=True)
    assert fingerprint(tmp_path) == before


def test_a_stopped_export_leaves_the_earlier_one(tmp_path: Path) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "data", ["ann", "bob"]))
    export_nnunet(cohort, tmp_path / "raw")
    before = fingerprint(tmp_path)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_nnunet(cohort, tmp_path / "raw", replace=True, on_progress=stop)
    assert fingerprint(tmp_path) == before


def test_nnunet_takes_no_structure_for_background_that_nobody_drew(tmp_path: Path) -> None:
    folder = write_beating_cohort(tmp_path / "data", ["ann", "bob"])
    for path in folder.glob("*_gt.nii.gz"):
        volume = np.asarray(nib.load(path).dataobj)
        gone = [2, 3] if path.name == "bob_ES_gt.nii.gz" else [2]
        save(path, np.where(np.isin(volume, gone), 0, volume).astype(np.uint8), nib.load(path).affine)
    made = export_nnunet(open_cohort(folder), tmp_path / "raw")
    assert [case.name for case in made.cases] == ["subject001_ED", "subject001_ES", "subject002_ED"]
    (problem,) = made.problems
    assert "RV is not labelled at ES" in problem.what
    about = json.loads((made.folder / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "LV": 1, "RV": 2}
    numbers = np.asarray(nib.load(made.folder / "labelsTr" / "subject001_ED.nii.gz").dataobj)
    source = np.asarray(nib.load(folder / "ann_ED_gt.nii.gz").dataobj)
    assert np.array_equal(numbers == 2, source == 3)


def test_nnunet_keeps_the_geometry(tmp_path: Path, source: Path) -> None:
    drawn = np.random.default_rng(1).integers(0, 4, (4, 5, 6)).astype(np.uint8)
    folder = source.parent
    (folder / "subjects.csv").write_text("id,ed_frame\ncine,1\n")
    write_segmentation(folder / "cine_ED_gt.nii.gz", drawn, open_cine(source))
    made = export_nnunet(open_cohort(folder), tmp_path / "raw")
    for path in (made.folder / "labelsTr").iterdir():
        (found,) = import_labels(path, open_cine(source), frame=1)
        assert np.array_equal(found.labels, drawn)
    for path in made.folder.rglob("*.nii.gz"):
        assert np.array_equal(nib.load(path).affine, nib.load(source).affine)
        assert open_cine(path).grid.spacing_mm == open_cine(source).grid.spacing_mm


@pytest.mark.parametrize(("number", "name"), [(0, "CMR"), (1000, "CMR"), (1, "../x"), (1, "a b"), (1, "")])
def test_nnunet_names(tmp_path: Path, number: int, name: str) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "data", ["ann"]))
    with pytest.raises(OutputError, match="not a valid data set name of nnU-Net"):
        export_nnunet(cohort, tmp_path / "raw", number=number, name=name)


# ---- pictures and DICOM ------------------------------------------------------------------------------


def test_captures_show_each_structure_in_its_colour(tmp_path: Path, labels: np.ndarray) -> None:
    from PIL import Image

    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    written = write_captures(tmp_path / "out", "cine", labels, stack, [Moment(1)])
    assert [path.name for path in written] == [f"cine_frame01_slice0{k}.png" for k in range(4)]
    picture = np.asarray(Image.open(written[2]))
    assert picture.shape == (5, 6, 3)
    plain = overlay(stack.load()[1], None)[2].astype(float)
    for structure in Structure:
        here = labels[1, 2] == structure
        expected = 0.6 * plain[here] + 0.4 * np.array(rgb(structure))
        assert np.abs(picture[here] - expected).max() < 2
    assert np.abs(picture[labels[1, 2] == 0] - plain[labels[1, 2] == 0]).max() < 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_dicom_segmentation(tmp_path: Path, labels: np.ndarray, mirrored: bool) -> None:
    highdicom = pytest.importorskip("highdicom")
    from cmr_ssp.exports import frame_instances

    stack, made = dicom_stack(tmp_path / "dicom", 3, mirrored=mirrored)
    before = fingerprint(tmp_path / "dicom")
    instances = frame_instances(tmp_path / "dicom", stack.grid, 2)
    path = tmp_path / "seg.dcm"
    write_dicom_seg(path, labels[2], stack.grid, instances[::-1], with_identity=True)
    found = highdicom.seg.segread(path)
    pydicom = pytest.importorskip("pydicom")
    uids = [str(pydicom.dcmread(p).SOPInstanceUID) for p in made[2]]
    assert str(found.PatientName) == "Doe^Jane"
    assert [s.SegmentLabel for s in found.SegmentSequence] == [TITLES[s] for s in Structure]
    codes = [s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in found.SegmentSequence]
    assert codes == ["87878005", "49848007", "53085002"]
    planes = found.get_pixels_by_source_instance(uids, combine_segments=True)
    expected = labels[2][:, :, ::-1] if mirrored else labels[2]
    assert np.array_equal(planes, expected)
    shared = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(v) for v in shared.PixelSpacing] == pytest.approx(stack.grid.spacing_mm[1:], rel=1e-6)
    for frame in found.PerFrameFunctionalGroupsSequence:
        image = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        assert position == pydicom.dcmread(made[2][uids.index(image)]).ImagePositionPatient
    assert fingerprint(tmp_path / "dicom") == before
    with pytest.raises(OutputError, match="exists already"):
        write_dicom_seg(path, labels[2], stack.grid, instances, with_identity=True)


def test_dicom_segmentation_of_an_apex_first_grid(tmp_path: Path, labels: np.ndarray) -> None:
    highdicom = pytest.importorskip("highdicom")
    stack, made = dicom_stack(tmp_path / "dicom", 1)
    turned = OBLIQUE @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 3], [0, 0, 0, 1.0]])
    grid = Grid(stack.grid.shape, stack.grid.spacing_mm, turned, slices_reversed=True)
    write_dicom_seg(tmp_path / "seg.dcm", labels[0], grid, made[0], with_identity=True)
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    pydicom = pytest.importorskip("pydicom")
    uids = [str(pydicom.dcmread(p).SOPInstanceUID) for p in made[0]]
    assert np.array_equal(found.get_pixels_by_source_instance(uids, combine_segments=True), labels[0])


def test_dicom_segmentation_of_a_stack_with_a_series_for_each_slice(
    tmp_path: Path, labels: np.ndarray
) -> None:
    highdicom = pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    stack, made = dicom_stack(tmp_path / "dicom", 1, one_series=False)
    write_dicom_seg(tmp_path / "seg.dcm", labels[0], stack.grid, made[0], with_identity=True)
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    lost = labels[0].copy()
    numbers = dict(enumerate(Structure, start=1))
    places = [list(pydicom.dcmread(path).ImagePositionPatient) for path in made[0]]
    for frame, mask in zip(found.PerFrameFunctionalGroupsSequence, found.pixel_array, strict=True):
        k = places.index(list(frame.PlanePositionSequence[0].ImagePositionPatient))
        structure = numbers[int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        assert np.array_equal(mask.astype(bool), labels[0][k] == structure)
        lost[k][mask.astype(bool)] = 0
    assert not lost.any()
    referred = {str(item.SeriesInstanceUID) for item in found.ReferencedSeriesSequence}
    assert referred == {str(pydicom.dcmread(path).SeriesInstanceUID) for path in made[0]}


def test_a_date_that_is_none_is_left_out(tmp_path: Path, labels: np.ndarray) -> None:
    pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    stack, made = dicom_stack(tmp_path / "dicom", 1, birth="00000000")
    given = [pydicom.dcmread(path) for path in made[0]]
    write_dicom_seg(tmp_path / "seg.dcm", labels[0], stack.grid, given, with_identity=True)
    assert not pydicom.dcmread(tmp_path / "seg.dcm").PatientBirthDate
    assert given[0].PatientBirthDate == "00000000"


def test_dicom_segmentation_refusals(tmp_path: Path, labels: np.ndarray) -> None:
    pytest.importorskip("highdicom")
    from cmr_ssp.exports import frame_instances

    stack, made = dicom_stack(tmp_path / "dicom", 2)
    path = tmp_path / "seg.dcm"
    with pytest.raises(OutputError, match="contains the patient's name"):
        write_dicom_seg(path, labels[0], stack.grid, made[0], with_identity=False)
    with pytest.raises(OutputError, match=r"of 3 source images"):
        write_dicom_seg(path, labels[0], stack.grid, made[0][:3], with_identity=True)
    with pytest.raises(OutputError, match="nothing is labelled"):
        write_dicom_seg(path, np.zeros_like(labels[0]), stack.grid, made[0], with_identity=True)
    moved = OBLIQUE.copy()
    moved[:3, 3] += 0.7
    grid = Grid(stack.grid.shape, stack.grid.spacing_mm, moved)
    with pytest.raises(OutputError, match=r"0 of \d+ source images match the grid"):
        write_dicom_seg(path, labels[0], grid, made[0], with_identity=True)
    with pytest.raises(OutputError, match="frame 2 of every slice"):
        frame_instances(tmp_path / "dicom", stack.grid, 2)
    pydicom = pytest.importorskip("pydicom")
    images = [pydicom.dcmread(source) for source in made[0]]
    images[1].FrameOfReferenceUID = "1.2.3"
    with pytest.raises(OutputError, match="2 different frames of reference"):
        write_dicom_seg(path, labels[0], stack.grid, images, with_identity=True)
    assert not path.exists()


def test_without_highdicom(tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    stack = open_cine(save(tmp_path / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    with pytest.raises(OutputError, match=re.escape('pip install "napari-cmr-ssp[dicom-seg]"')):
        write_dicom_seg(tmp_path / "a.dcm", labels[0], stack.grid, [], with_identity=True)
    with pytest.raises(OutputError, match="pip install"):
        write_captures(tmp_path / "out", "cine", labels, stack, [Moment(0)], dicom=True)
    assert not (tmp_path / "out").exists()


def test_dicom_captures_name_nobody(tmp_path: Path, labels: np.ndarray) -> None:
    pytest.importorskip("highdicom")
    pydicom = pytest.importorskip("pydicom")
    stack = open_cine(save(tmp_path / "Doe_Jane.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    written = write_captures(tmp_path / "out", "Doe_Jane", labels, stack, [Moment(1)], dicom=True)
    files = [path for path in written if path.suffix == ".dcm"]
    images = [pydicom.dcmread(path) for path in files]
    assert len(images) == 4
    assert len({image.SOPInstanceUID for image in images}) == 4
    assert len({image.StudyInstanceUID for image in images}) == 1
    assert images[0].PatientIdentityRemoved == "YES"
    assert images[0].BodyPartExamined == "HEART"
    assert not images[0].get("PatientName")
    assert not images[0].get("PatientID")
    assert b"Jane" not in b"".join(path.read_bytes() for path in files)
    from PIL import Image

    for path, image in zip(files, images, strict=True):
        assert np.array_equal(image.pixel_array, np.asarray(Image.open(path.with_suffix(".png"))))
    assert [float(v) for v in images[0].PixelSpacing] == pytest.approx(stack.grid.spacing_mm[1:], rel=1e-5)


def test_highdicom_is_loaded_by_nothing_but_what_needs_it() -> None:
    code = "import sys, cmr_ssp.cli.exports; print('highdicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- label volumes by themselves ---------------------------------------------------------------------


def test_a_label_file_by_itself(tmp_path: Path, source: Path, labels: np.ndarray) -> None:
    write_segmentation(tmp_path / "seg.nii.gz", labels, open_cine(source))
    found = read_label_volumes(tmp_path / "seg.nii.gz")
    assert np.array_equal(found.labels, labels)
    assert found.grid.spacing_mm == open_cine(source).grid.spacing_mm
