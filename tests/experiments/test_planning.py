"""Plans: lengths, time and sizes from headers and measured updates, without a pixel being read."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.cli import main
from cmr_ssp.experiments.cells import cells_of
from cmr_ssp.experiments.file import load_experiment
from cmr_ssp.experiments.planning import plan_experiment
from cmr_ssp.experiments.records import CellFolder
from cohort_helpers import write_beating_cohort

_FRAMES, _SLICES = 4, 3
_PER_VENDOR = {"A": 95, "B": 125, "C": 50, "D": 75}


def _write_paper_cohort(folder: Path) -> None:
    """Write 345 subjects of M&Ms and 165 of M&Ms-2 that are not in it, of a few voxels each."""
    first, second = folder / "MnMs", folder / "MnM2"
    first.mkdir(parents=True)
    second.mkdir()
    volume = np.zeros((8, 8, _SLICES, _FRAMES), np.int16)
    cine = nib.Nifti1Image(volume, np.diag([1.25, 1.25, 10, 1])).to_bytes()
    frame = nib.Nifti1Image(volume[..., 0], np.diag([1.25, 1.25, 10, 1])).to_bytes()
    rows = [
        {"External code": f"{vendor}{number:03d}X", "Vendor": vendor, "ED": 0, "ES": 2}
        for vendor, n in _PER_VENDOR.items()
        for number in range(n)
    ]
    _write_table(first / "mnms.csv", rows)
    for row in rows:
        code = str(row["External code"])
        (first / code).mkdir()
        for name in (f"{code}_sa.nii", f"{code}_sa_gt.nii"):
            (first / code / name).write_bytes(cine)
    own = [f"{number:03d}" for number in range(196, 361)]
    _write_table(
        second / "mnms2.csv", [{"SUBJECT_CODE": code, "DISEASE": "FALL", "VENDOR": "SIEMENS"} for code in own]
    )
    for code in own:
        (second / code).mkdir()
        (second / code / f"{code}_SA_CINE.nii").write_bytes(cine)
        for name in ("ED", "ED_gt", "ES", "ES_gt"):
            (second / code / f"{code}_SA_{name}.nii").write_bytes(frame)


def _write_table(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_whole_paper_is_planned_in_five_seconds(tmp_path: Path) -> None:
    _write_paper_cohort(tmp_path / "mnms")
    started = time.perf_counter()
    plan = plan_experiment(load_experiment("paper"), {"mnms": tmp_path / "mnms"}, device="cpu")
    seconds = time.perf_counter() - started
    assert seconds < 5
    assert plan.sizes is not None and plan.sizes.test == 140 and plan.sizes.pool == 296
    assert plan.sizes.slices == 296 * _FRAMES * _SLICES
    assert len(plan.cells) == 121 and plan.seconds
    whole = next(each for each in plan.cells if each.cell.kind == "finetune" and not each.cell.subjects)
    assert whole.updates == 1000 * (296 * 2 * _SLICES // 32)


def test_without_data_the_expected_sizes_are_used() -> None:
    plan = plan_experiment(load_experiment("paper"), {}, device="cpu")
    lengths = {each.cell.method: each.updates for each in plan.cells if each.cell.kind == "pretrain"}
    assert lengths["mim"] == 100 * (90618 // 128)
    (control, *_) = [each for each in plan.cells if each.cell.control == "updates"]
    before = {each.cell.id: each.updates or 0 for each in plan.cells}
    assert control.updates == sum(before[name] for name in control.cell.like[:2])


def test_done_cells_and_their_speed_enter_the_plan(tmp_path: Path) -> None:
    experiment = load_experiment("phantom")
    cell = next(each for each in cells_of(experiment) if each.method == "scratch")
    place = CellFolder(tmp_path, cell.id)
    place.write({"outcome": "finished", "seconds": 1000.0, "updates": 100})
    place.scores.write_text("")
    write_beating_cohort(tmp_path / "hearts", list("abcdefgh"))
    plan = plan_experiment(experiment, {"labelled": tmp_path / "hearts"}, tmp_path, device="cpu")
    assert len(plan.to_do) == len(plan.cells) - 1
    other = next(each for each in plan.to_do if each.cell.method == "scratch" and not each.cell.control)
    assert other.seconds is not None and other.seconds > 1000
    assert plan.disk_bytes("all") > plan.disk_bytes("last") > plan.disk_bytes("none") > 0


def test_the_command_prints_cells_time_memory_and_disk(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "plan", "phantom", "--device", "cpu", "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert len(found["cells"]) == 11 and found["seconds"] > 0
    assert found["memory_bytes"] > 0 and found["disk_bytes"] > 0


def test_the_command_names_every_fault_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("split: {test: 2}\ngrids: [{methods: [mim], preset: none, subjects: [1], colour: 1}]\n")
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "plan", str(file)])
    assert ended.value.code == 1
    assert "colour" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["hearts", "=x", "a=1"])
def test_data_is_given_as_name_and_folder(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "plan", "phantom", "--data", data, "--data", "a=1"])
    assert ended.value.code == 1
    assert "--data" in capsys.readouterr().err
