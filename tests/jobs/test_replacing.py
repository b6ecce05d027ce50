"""Segmentations of other exams and edited or drawn ones are only replaced on request."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp import jobs
from cmr_ssp.errors import OutputError
from cmr_ssp.events import Noticed
from cmr_ssp.files import exam_id, open_cine, open_cohort, write_segmentation
from cmr_ssp.files.labels.marks import LabelMark, cine_digest, read_mark
from cmr_ssp.runs import Run, file_digest
from cmr_ssp.subjects import Cohort, Role, Split, Subject, VolumeSource
from cohort_helpers import Listener, segmentation, write_beating_cohort
from dicom_helpers import image, save_exam
from files_helpers import fingerprint, save
from pydicom.uid import generate_uid


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abc", labelled="a"))


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("runs") / "scratch")
    split = Split({"a": Role.TRAIN, "b": Role.TEST, "c": Role.TEST})
    recipe, budget = segmentation(method="scratch"), jobs.LabelBudget(["a"])
    jobs.finetune(cohort, recipe, made, budget=budget, split=split, settings=jobs.JobSettings("cpu"))
    return made


def exam(folder: Path, seed: int, *, one_id: bool) -> Path:
    """Write a DICOM exam with its own pixels, and the geometry and optionally the id of the others."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 900, (4, 6, 20, 20))
    return save_exam(
        folder,
        (
            image(
                k,
                t,
                pixels=pixels[k, t],
                study_seed="same" if one_id else str(seed),
                SOPInstanceUID=f"1.2.3.{k}.{t}" if one_id else generate_uid(),
            )
            for k, t in np.ndindex(4, 6)
        ),
    )


def edit_elsewhere(path: Path) -> np.ndarray:
    """Change a voxel like a program that keeps the header with signature and extensions."""
    found = nib.load(path)
    numbers = np.array(found.dataobj)
    numbers[2, 3] = 3 - numbers[2, 3]
    nib.save(nib.Nifti1Image(numbers, found.affine, found.header), path)
    return numbers


def strip(path: Path) -> None:
    """Save a file again like ITK: with the same labels and description, without extensions."""
    found = nib.load(path)
    found.header.extensions.clear()
    nib.save(nib.Nifti1Image(np.array(found.dataobj), found.affine, found.header), path)


def draw(path: Path, cine: Path) -> None:
    """Save manual labels."""
    stack = open_cine(cine)
    write_segmentation(path, np.ones((stack.n_frames, *stack.grid.shape), np.uint8), stack, replace=True)


def numbers_in(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def segment(run: Run, cine: Path, output: Path, **more: bool) -> tuple[list[Path], Listener]:
    heard = Listener()
    done = jobs.segment(run, [cine], output, device="cpu", on_event=heard, **more)
    return [file for _, file in done.files], heard


def test_the_file_carries_digests_of_labels_cine_and_checkpoint(
    run: Run, cohort: Cohort, tmp_path: Path
) -> None:
    source = cohort.root / "b.nii.gz"
    (path,), _ = segment(run, source, tmp_path)
    mark = read_mark(path)
    assert mark is not None
    assert mark.cine == cine_digest(open_cine(source).load())
    assert mark.checkpoint == file_digest(run.last)
    assert len(mark.labels) == 64
    assert np.array_equal(open_cine(path).load(), numbers_in(path).T)


def test_an_unedited_result_is_overwritten_without_replace(run: Run, cohort: Cohort, tmp_path: Path) -> None:
    source = cohort.root / "b.nii.gz"
    (path,), _ = segment(run, source, tmp_path)
    before = path.read_bytes()
    assert segment(run, source, tmp_path)[0] == [path]
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["b_seg.nii.gz"]


Change = Callable[[Path, Path], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "edited": (lambda path, cine: edit_elsewhere(path), "edited after this program wrote it"),
    "stripped": (lambda path, cine: strip(path), "edited in another program"),
    "drawn": (draw, "a person drew or corrected it"),
    "damaged": (lambda path, cine: path.write_bytes(path.read_bytes()[:-9]), "edited after"),
}


@pytest.mark.parametrize(("change", "why"), CHANGES.values(), ids=CHANGES)
def test_edited_results_are_kept_without_replace(
    run: Run, cohort: Cohort, tmp_path: Path, change: Change, why: str
) -> None:
    source = cohort.root / "b.nii.gz"
    (path,), _ = segment(run, source, tmp_path)
    made = numbers_in(path)
    change(path, source)
    theirs = path.read_bytes()
    with pytest.raises(OutputError, match=why) as caught:
        segment(run, source, tmp_path)
    assert [problem.where for problem in caught.value.problems] == [str(path)]
    assert "--replace" in caught.value.problems[0].remedy
    assert path.read_bytes() == theirs
    for copies in (["b_seg.nii.gz.bak"], ["b_seg.nii.gz.bak", "b_seg.nii.gz.bak2"]):
        _, heard = segment(run, source, tmp_path, replace=True)
        assert np.array_equal(numbers_in(path), made)
        assert [each.read_bytes() for each in tmp_path.glob("*.bak*")] == [theirs] * len(copies)
        assert any(copies[-1] in notice.problem.remedy for notice in heard.of(Noticed))
        change(path, source)
        theirs = path.read_bytes()


def test_results_of_another_exam_with_the_same_name_and_grid_are_kept(
    run: Run, cohort: Cohort, tmp_path: Path
) -> None:
    one, two = tmp_path / "one" / "cine.nii.gz", tmp_path / "two" / "cine.nii.gz"
    for path, name in ((one, "b"), (two, "c")):
        path.parent.mkdir()
        shutil.copy(cohort.root / f"{name}.nii.gz", path)
    (written,), _ = segment(run, one, tmp_path / "out")
    before = written.read_bytes()
    with pytest.raises(OutputError, match="of another exam"):
        segment(run, two, tmp_path / "out")
    assert written.read_bytes() == before


def test_files_of_other_programs_are_never_replaced(run: Run, cohort: Cohort, tmp_path: Path) -> None:
    theirs = save(tmp_path / "b_seg.nii.gz", np.zeros((4, 4, 4), np.uint8))
    before = fingerprint(tmp_path)
    for asked in (False, True):
        with pytest.raises(OutputError, match="not a segmentation of this program"):
            segment(run, cohort.root / "b.nii.gz", tmp_path, replace=asked)
    assert theirs.exists()
    assert fingerprint(tmp_path) == before


def test_all_files_in_the_way_are_named_before_segmenting(run: Run, cohort: Cohort, tmp_path: Path) -> None:
    for name in "bc":
        edit_elsewhere(segment(run, cohort.root / f"{name}.nii.gz", tmp_path)[0][0])
    before = fingerprint(tmp_path)
    with pytest.raises(OutputError) as caught:
        jobs.segment(run, [cohort.root / f"{name}.nii.gz" for name in "abc"], tmp_path, device="cpu")
    assert {Path(problem.where).name for problem in caught.value.problems} == {
        "b_seg.nii.gz",
        "c_seg.nii.gz",
    }
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("one_id", [False, True])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_two_dicom_exams_in_sequence_give_two_results(
    run: Run, tmp_path: Path, order: tuple[int, int], one_id: bool
) -> None:
    exams = {seed: exam(tmp_path / f"exam{seed}", seed, one_id=one_id) for seed in order}
    assert (exam_id(exams[1]) == exam_id(exams[2])) is one_id
    out = tmp_path / "out"
    files = {seed: segment(run, exams[seed], out)[0] for seed in order}
    assert len(list(out.iterdir())) == 2
    contents = {path.name: path.read_bytes() for path in out.iterdir()}
    for seed in (*order, *order):  # each finds its own file again
        assert segment(run, exams[seed], out)[0] == files[seed]
        mark = read_mark(files[seed][0])
        assert mark is not None
        assert mark.cine == cine_digest(open_cine(exams[seed]).load())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == contents
    both = jobs.segment(run, [exams[seed] for seed in order], out, device="cpu").files
    assert [file for _, file in both] == [files[seed][0] for seed in order]


def subject(cohort: Cohort, name: str, called: str) -> Subject:
    return replace(cohort.subject(name), id=called, labels=())


def segment_subject(run: Run, one: Subject, output: Path) -> tuple[Path, Listener]:
    found: list[jobs.SegmentedSubject] = []
    heard = Listener()
    jobs.segment_subjects(run, [one], device="cpu", output=output, on_found=found.append, on_event=heard)
    (file,) = [each.file for each in found]
    assert file is not None
    return file, heard


@pytest.mark.parametrize("order", ["bc", "cb"])
def test_two_subjects_of_one_id_get_two_files(run: Run, cohort: Cohort, tmp_path: Path, order: str) -> None:
    files = {name: segment_subject(run, subject(cohort, name, "x"), tmp_path)[0] for name in order}
    assert [files[name].name for name in order] == ["x_seg.nii.gz", "x-2_seg.nii.gz"]
    for name in (*order, *order):
        file, heard = segment_subject(run, subject(cohort, name, "x"), tmp_path)
        assert file == files[name]
        mark = read_mark(file)
        assert mark is not None
        assert mark.cine == cine_digest(open_cine(cohort.root / f"{name}.nii.gz").load())
        told = [notice.problem for notice in heard.of(Noticed) if "another exam" in notice.problem.what]
        assert [(Path(each.where), file.name in each.remedy) for each in told] == (
            [] if name == order[0] else [(tmp_path / "x_seg.nii.gz", True)]
        )
    assert len(list(tmp_path.iterdir())) == 2


def test_an_edited_file_of_a_subject_is_kept_beside_the_new_one(
    run: Run, cohort: Cohort, tmp_path: Path
) -> None:
    first, _ = segment_subject(run, subject(cohort, "b", "x"), tmp_path)
    made, edited = numbers_in(first), edit_elsewhere(first)
    second, _ = segment_subject(run, subject(cohort, "b", "x"), tmp_path)
    assert second.name == "x-2_seg.nii.gz"
    assert np.array_equal(numbers_in(first), edited)
    assert np.array_equal(numbers_in(second), made)
    assert segment_subject(run, subject(cohort, "b", "x"), tmp_path)[0] == second


def test_manual_labels_can_be_saved_again(tmp_path: Path) -> None:
    cine = save(tmp_path / "in.nii.gz", np.zeros((5, 6, 4, 3), np.int16))
    stack, out = open_cine(cine), tmp_path / "out.nii.gz"
    for value in (1, 2):
        write_segmentation(out, np.full((3, 4, 6, 5), value, np.uint8), stack)
    assert (numbers_in(out) == 2).all()


def broken(path: Path, content: bytes) -> None:
    found = nib.load(path)
    found.header.extensions.clear()
    found.header.extensions.append(nib.nifti1.Nifti1Extension(6, content))
    nib.save(nib.Nifti1Image(np.array(found.dataobj), found.affine, found.header), path)


@pytest.mark.parametrize(
    "content",
    [b"", b"cmr-ssp segmentation", b'{"cmr-ssp segmentation": 3}', b'{"cmr-ssp segmentation": {"x": 1}}'],
)
def test_a_damaged_mark_counts_as_no_mark(run: Run, cohort: Cohort, tmp_path: Path, content: bytes) -> None:
    (path,), _ = segment(run, cohort.root / "b.nii.gz", tmp_path)
    broken(path, content)
    assert read_mark(path) is None
    with pytest.raises(OutputError, match="edited in another program"):
        segment(run, cohort.root / "b.nii.gz", tmp_path)


def test_a_mark_with_wrong_types_matches_nothing(run: Run, cohort: Cohort, tmp_path: Path) -> None:
    (path,), _ = segment(run, cohort.root / "b.nii.gz", tmp_path)
    broken(path, json.dumps({"cmr-ssp segmentation": {"labels": 3, "cine": [], "checkpoint": None}}).encode())
    assert read_mark(path) in (None, LabelMark(3, [], None))  # type: ignore[arg-type]
    with pytest.raises(OutputError):
        segment(run, cohort.root / "b.nii.gz", tmp_path)


def test_frames_of_a_subject_in_several_files_make_one_digest(tmp_path: Path) -> None:
    volumes = np.random.default_rng(0).integers(0, 99, (2, 4, 5, 6)).astype(np.int16)
    paths = [save(tmp_path / f"{t}.nii.gz", volumes[t]) for t in range(2)]
    whole = save(tmp_path / "whole.nii.gz", np.moveaxis(volumes, 0, -1))
    from cmr_ssp.files import open_stack

    apart = open_stack(Subject("x", tuple(VolumeSource(path) for path in paths)))
    assert cine_digest(apart.load()) == cine_digest(open_cine(whole).load())
    assert cine_digest(apart.load()[:1]) != cine_digest(apart.load())
