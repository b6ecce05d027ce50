"""``cmr-ssp function`` on files: table, report, intervals of a scored run, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase
from cmr_ssp.cli import main
from cmr_ssp.evaluation import SubjectRole
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject, write_segmentation
from cmr_ssp.files.labels.marks import cine_digest
from cmr_ssp.function.comparing import Comparison, Quantity
from cmr_ssp.phantoms import write_phantom_cohort
from cmr_ssp.runs import Run, file_digest, store_function


def call(*words: object) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([str(word) for word in words])


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit, match=r"^1$"):
        main([str(word) for word in words])
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "cohort"
    write_phantom_cohort(folder, 2, seed=4)
    return folder


def test_table_and_report_of_labels_and_their_image(phantoms: Path, tmp_path: Path) -> None:
    name = sorted(phantoms.glob("*_ED_gt.nii.gz"))[0].name.removesuffix("_ED_gt.nii.gz")
    pair = [phantoms / f"{name}_{phase}_gt.nii.gz" for phase in Phase]
    out = ("--csv", tmp_path / "f.csv", "--report", tmp_path / "f.pdf")
    command = ("function", *pair, "--labels", "mnms", *out)
    call(*command)
    rows = {(row[0], row[1]): row for row in csv.reader((tmp_path / "f.csv").open())}
    edv, esv, ef = (float(rows["LV", each][3]) for each in ("EDV", "ESV", "EF"))
    assert rows["LV", "EDV"][2] == "mL" and edv > esv > 0
    assert ef == pytest.approx(100 * (edv - esv) / edv, abs=0.1)
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    before = (tmp_path / "f.csv").read_bytes(), (tmp_path / "f.pdf").read_bytes()
    call(*command)  # over its own
    assert ((tmp_path / "f.csv").read_bytes(), (tmp_path / "f.pdf").read_bytes()) == before


def test_what_is_wrong_is_said_before_anything_is_written(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = sorted(phantoms.glob("*_ED_gt.nii.gz"))[0]
    out = tmp_path / "f.csv"
    assert "no label file" in refused(capsys, "function", "--csv", out)
    assert "implausible" in refused(
        capsys, "function", labels, "--labels", "mnms", "--csv", out, "--height-cm", "1.8"
    )
    assert "it has 1" in refused(capsys, "function", labels, "--labels", "mnms", "--csv", out, "--es", "7")
    out.write_text("mine")
    assert "not written by this command" in refused(
        capsys, "function", labels, "--labels", "mnms", "--csv", out
    )
    assert out.read_text() == "mine"


def test_intervals_are_those_of_the_run_that_made_the_contours(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = resolve_subject(open_cohort(phantoms).subjects[0])
    stack, labels, run = open_stack(subject), tmp_path / "seg.nii.gz", Run(tmp_path / "run")
    run.folder.mkdir()
    run.last.write_bytes(b"weights")
    found = np.zeros(stack.shape, np.uint8)
    for phase in Phase:
        reference = read_segmentation(subject, phase)
        found[reference.frame] = reference.labels
    cine = stack.sources[0]
    write_segmentation(labels, found, stack, cine=cine_digest(stack.pixels), checkpoint=file_digest(run.last))
    command = ["function", labels, "--image", cine, "--run", run.folder]
    assert "was not scored" in refused(capsys, *command)
    known = [(Quantity.LV_EDV, 100.0, 90.0), (Quantity.LV_EF, 60.0, 55.0)]
    store_function(
        run,
        [
            Comparison(f"s{n}", quantity, found, reference, SubjectRole.TEST)
            for quantity, found, reference in known
            for n in range(25)
        ],
    )
    capsys.readouterr()
    call("--json", *command)
    said = json.loads(capsys.readouterr().out)
    assert any("90% interval" in line for line in said["result"]["intervals"])
    other = Run(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "last.safetensors").write_bytes(np.zeros(8).tobytes())
    assert "were not made by other" in refused(capsys, *command[:-1], other.folder)
