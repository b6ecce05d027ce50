"""Label versions: never overwritten or assigned to another subject, with correct lineage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.cli import main
from cmr_ssp.errors import LabelError, OutputError
from cmr_ssp.files import (
    add_version,
    import_labels,
    list_versions,
    open_cohort,
    open_stack,
    read_segmentation,
    resolve_subject,
    with_label_versions,
    write_segmentation,
)
from cmr_ssp.files.versions import versions as label_versions
from cmr_ssp.subjects import Cohort, Origin, Segmentation
from cohort_helpers import ED, ES, FRAMES, SPACING_MM, beating_heart, write_beating_cohort
from filelock import FileLock
from files_helpers import OBLIQUE, fingerprint, heart, save

A, B = "a" * 64, "b" * 64


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path / "cohort", "abc", labelled="ab"))


def drawn(cohort: Cohort, subject: str = "a", phase: Phase = Phase.ED, shift: int = 1) -> Segmentation:
    """Return different labels of a phase."""
    own = read_segmentation(resolve_subject(cohort.subject(subject)), phase)
    return replace(own, labels=np.roll(own.labels, shift, axis=2))


def test_versions_stand_in_for_the_source_labels_and_change_no_file(cohort: Cohort, tmp_path: Path) -> None:
    folder, subject = tmp_path / "labels", cohort.subject("a")
    before = fingerprint(cohort.root)
    first, second = drawn(cohort), drawn(cohort, shift=3)
    add_version(folder, subject, Phase.ED, first, origin=Origin.IMPORTED)
    kept = fingerprint(folder)
    made = add_version(folder, subject, Phase.ED, second, origin=Origin.IMPORTED)
    assert (made.name, made.after, made.path) == ("v002", 1, folder / "a" / "ED" / "v002.nii.gz")
    assert kept.items() <= fingerprint(folder).items()
    new = segmentation = Segmentation(second.labels, 3, second.drawn)
    add_version(folder, cohort.subject("c"), Phase.ES, new, origin=Origin.MANUAL)

    found = with_label_versions(cohort, folder)
    assert not found.problems
    a = resolve_subject(found.subject("a"))
    assert np.array_equal(read_segmentation(a, Phase.ED).labels, second.labels)
    own = read_segmentation(resolve_subject(cohort.subject("a")), Phase.ES)
    assert np.array_equal(read_segmentation(a, Phase.ES).labels, own.labels)
    assert {p: found.subject("a").label(p).origin for p in Phase} == {  # type: ignore[union-attr]
        Phase.ED: Origin.IMPORTED,
        Phase.ES: Origin.DATA_SET,
    }
    assert found.subject("b") == cohort.subject("b")
    assert read_segmentation(resolve_subject(found.subject("c")), Phase.ES).frame == segmentation.frame
    assert found.subject("c").phases == (Phase.ES,)
    assert np.array_equal(nib.load(made.path).affine, nib.load(cohort.root / "a.nii.gz").affine)
    assert fingerprint(cohort.root) == before
    record = json.loads((folder / "a" / "ED" / "v002.json").read_text())
    assert set(record) == {"format", "frame", "origin", "checkpoints", "drawn", "after", "made", "states"}
    assert record["drawn"] == ["LV", "MYO", "RV"]


def test_a_correction_keeps_the_first_prediction_and_its_line(cohort: Cohort, tmp_path: Path) -> None:
    folder, subject = tmp_path / "labels", cohort.subject("a")
    edited, predicted = drawn(cohort), drawn(cohort, shift=2)
    correct = {"origin": Origin.CORRECTED, "checkpoint": A}
    with pytest.raises(LabelError, match="prediction of frame 0"):
        add_version(folder, subject, Phase.ED, edited, **correct)  # type: ignore[arg-type]
    add_version(folder, subject, Phase.ED, edited, **correct, prediction=predicted)  # type: ignore[arg-type]
    frozen = folder / "a" / "ED" / "v000.nii.gz"
    content = frozen.read_bytes()
    assert np.array_equal(np.asarray(nib.load(frozen).dataobj).T, predicted.labels)
    assert with_label_versions(cohort, folder).subject("a").label(Phase.ED).corrected_from == (A,)  # type: ignore[union-attr]

    second = add_version(
        folder, subject, Phase.ED, edited, origin=Origin.CORRECTED, checkpoint=B, prediction=edited
    )
    third = add_version(folder, subject, Phase.ED, edited, origin=Origin.IMPORTED)
    fourth = add_version(folder, subject, Phase.ED, edited, origin=Origin.MANUAL)
    fifth = add_version(folder, subject, Phase.ED, edited, origin=Origin.IMPORTED)
    assert (second.origin, second.checkpoints) == (Origin.CORRECTED, (B, A))
    assert (third.origin, third.checkpoints) == (Origin.CORRECTED, (B, A)), "editing hides no line"
    assert (fourth.origin, fourth.checkpoints) == (Origin.MANUAL, ())
    assert (fifth.origin, fifth.checkpoints) == (Origin.IMPORTED, ())
    assert frozen.read_bytes() == content
    versions, problems = list_versions(folder)
    assert [version.number for version in versions] == [0, 1, 2, 3, 4, 5]
    assert versions[1:] == (versions[1], second, third, fourth, fifth)
    assert not problems


def test_a_lone_prediction_is_no_label(cohort: Cohort, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    edited = drawn(cohort)
    made = add_version(
        folder,
        cohort.subject("c"),
        Phase.ED,
        edited,
        origin=Origin.CORRECTED,
        checkpoint=A,
        prediction=edited,
    )
    made.path.unlink()
    made.path.with_name("v001.json").unlink()
    assert with_label_versions(cohort, folder).subject("c").labels == ()


def test_leftovers_are_never_written_over_and_one_program_writes_at_a_time(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, subject, edited = tmp_path / "labels", cohort.subject("a"), drawn(cohort)
    place = folder / "a" / "ED"
    place.mkdir(parents=True)
    (place / "v004.nii.gz").write_text("half a file of a program that was killed")
    assert add_version(folder, subject, Phase.ED, edited, origin=Origin.MANUAL).name == "v005"
    assert (place / "v004.nii.gz").read_text().startswith("half")
    monkeypatch.setattr(label_versions, "_PATIENCE_S", 0.1)
    with FileLock(place / ".lock"), pytest.raises(OutputError, match="another program"):
        add_version(folder, subject, Phase.ED, edited, origin=Origin.MANUAL)
    assert not [path for path in place.iterdir() if "v006" in path.name]
    with pytest.raises(LabelError, match="no voxel"):
        empty = Segmentation(np.zeros_like(edited.labels), 0, frozenset())
        add_version(folder, subject, Phase.ES, empty, origin=Origin.MANUAL)


def test_a_program_that_was_killed_while_it_wrote_labels_stops_nobody(cohort: Cohort, tmp_path: Path) -> None:
    place = tmp_path / "labels" / "a" / "ED"
    script = (
        "import os, signal, sys; from pathlib import Path; from cmr_ssp.files.versions import versions\n"
        "with versions._claimed(Path(sys.argv[1]), None): os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", script, str(place)], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert list(place.iterdir())  # what it left
    subject = cohort.subject("a")
    made = add_version(tmp_path / "labels", subject, Phase.ED, drawn(cohort), origin=Origin.MANUAL)
    assert made.name == "v001"
    assert sorted(path.name for path in place.iterdir()) == ["v001.json", "v001.nii.gz"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"checkpoints": []}, "checkpoints"),  # a correction that hides its run
        ({"origin": "manual"}, "checkpoints"),
        ({"origin": "predicted"}, "v001 cannot be predicted"),
        ({"frame": "0"}, "not a number"),
        ({"frame": FRAMES}, "labels frame 4"),
        ({"format": "other"}, "another format"),
    ],
)
def test_a_damaged_newest_version_is_told_and_nothing_older_used(
    cohort: Cohort, tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    folder, subject, edited = tmp_path / "labels", cohort.subject("a"), drawn(cohort)
    made = add_version(
        folder, subject, Phase.ED, edited, origin=Origin.CORRECTED, checkpoint=A, prediction=edited
    )
    path = made.path.with_name("v001.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    found = with_label_versions(cohort, folder)
    assert [s.id for s in found.subjects] == ["b", "c"]
    assert [s.id for s in found.refused] == ["a"]
    (problem,) = found.problems
    assert complaint in problem.what


def test_labels_of_a_namesake_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    add_version(folder, cohort.subject("a"), Phase.ED, drawn(cohort), origin=Origin.IMPORTED)
    pixels, _ = beating_heart(9)
    moved = np.diag([*SPACING_MM, 1.0])
    moved[0, 3] = 5.0
    other = open_cohort(save(tmp_path / "other" / "a.nii.gz", pixels, moved).parent)
    found = with_label_versions(other, folder)
    assert found.subjects == ()
    assert "drawn on another cine" in found.problems[-1].what
    strange = with_label_versions(cohort.select("b"), folder)
    assert [problem.severity for problem in strange.problems] == ["warning"]
    with pytest.raises(LabelError, match="the folder does not exist"):
        with_label_versions(cohort, tmp_path / "nowhere")


def test_one_phase_of_a_4d_label_file_is_replaced(tmp_path: Path) -> None:
    """The pixels of the 4D file must not restore the replaced phase."""
    cine = heart()
    labels = np.stack([cine, np.zeros_like(cine), heart(radius=3.0)], axis=-1)
    image = np.random.default_rng(0).integers(1, 99, labels.shape).astype(np.int16)
    save(tmp_path / "data" / "a.nii.gz", image, OBLIQUE)
    save(tmp_path / "data" / "a_gt.nii.gz", labels, OBLIQUE)
    cohort = open_cohort(tmp_path / "data")
    subject = resolve_subject(cohort.subject("a"))
    assert set(subject.phases) == set(Phase)
    own = read_segmentation(resolve_subject(subject), Phase.ED)
    moved = Segmentation(np.roll(own.labels, 1, axis=1), 1, own.drawn)
    add_version(tmp_path / "labels", subject, Phase.ED, moved, origin=Origin.IMPORTED)
    found = resolve_subject(with_label_versions(cohort, tmp_path / "labels").subject("a"))
    assert {label.phase: label.listed_frame for label in found.labels} == {Phase.ED: 1, Phase.ES: 2}
    assert len(found.labels) == 2
    assert np.array_equal(read_segmentation(found, Phase.ED).labels, moved.labels)


def test_one_frame_of_an_edited_cine_can_be_read(cohort: Cohort, tmp_path: Path) -> None:
    stack = open_stack(cohort.subject("a"))
    volumes = np.zeros((FRAMES, *stack.grid.shape), np.uint8)
    volumes[1:, 0] = Structure.LV
    write_segmentation(tmp_path / "all.nii.gz", volumes, stack)
    assert [s.frame for s in import_labels(tmp_path / "all.nii.gz", stack, frame=2)] == [2]
    assert import_labels(tmp_path / "all.nii.gz", stack, frame=0) == ()
    with pytest.raises(LabelError, match="frame 9"):
        import_labels(tmp_path / "all.nii.gz", stack, frame=9)


# ---- command line -------------------------------------------------------------------------------


def call(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_add_and_list(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    folder = tmp_path / "labels"
    stack = open_stack(cohort.subject("c"))
    _, truth = beating_heart(2)
    both = np.zeros((FRAMES, *stack.grid.shape), np.uint8)
    for frame in (ED, ES):
        both[frame] = truth[..., frame].T
    write_segmentation(tmp_path / "edited.nii.gz", both, stack)
    into = ["--cohort", cohort.root, "--subject", "c", "--labels", folder]
    assert call("labels", "add", tmp_path / "edited.nii.gz", *into) == 0
    found = with_label_versions(cohort, folder).subject("c")
    assert {label.phase: label.listed_frame for label in found.labels} == {Phase.ED: ED, Phase.ES: ES}

    write_segmentation(tmp_path / "one_frame03.nii.gz", both[ED], stack)
    assert call("labels", "add", tmp_path / "one_frame03.nii.gz", *into) == 1
    assert "the phase at frame 3 is unknown" in capsys.readouterr().err
    assert call("labels", "add", tmp_path / "one_frame03.nii.gz", *into, "--phase", "ES", "--drawn-anew") == 0
    assert call("labels", "list", folder) == 0
    said = capsys.readouterr().out
    rows = [line.split("│")[1:-1] for line in said.splitlines() if "v00" in line and "│" in line]
    assert [[cell.strip() for cell in (*row[:5], row[-1])] for row in rows] == [
        ["c", "ED", "v001", "0", "imported", "in use"],
        ["c", "ES", "v001", "2", "imported", ""],
        ["c", "ES", "v002", "3", "manual", "in use"],
    ]
    inside = [*into[:-1], cohort.root / "labels"]
    assert call("labels", "add", tmp_path / "edited.nii.gz", *inside) == 1
    assert "is inside the cohort" in capsys.readouterr().err

    out = tmp_path / "raw"
    assert call("export-cohort", cohort.root, "-o", out, "--labels", folder, "--names", "ids") == 0
    written = nib.load(out / "Dataset001_CMR" / "labelsTr" / "c_ES.nii.gz")
    assert np.array_equal(np.asarray(written.dataobj).T, both[ED])


def test_versions_of_some_subjects_are_listed_alone(cohort: Cohort, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    for name in "ab":
        add_version(folder, cohort.subject(name), Phase.ED, drawn(cohort, name), origin=Origin.IMPORTED)
    (folder / "a" / "ED" / "v001.json").write_text("damaged")
    assert [each.subject for each in list_versions(folder, ["b"])[0]] == ["b"]
    assert list_versions(folder, ["b"])[1] == () and len(list_versions(folder)[1]) == 1
