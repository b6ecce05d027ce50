"""Slice banks on full, guarded and failing disks, and what killed processes leave."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp import jobs
from cmr_ssp.errors import CacheError, Problem
from cmr_ssp.events import Noticed, Outcome
from cmr_ssp.files import open_cohort
from cmr_ssp.runs import Run
from cmr_ssp.samples.bank import building as bank_building
from cmr_ssp.samples.bank import files as bank_files
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank, open_bank
from cmr_ssp.subjects import Cohort
from cohort_helpers import Listener, mim, write_beating_cohort
from files_helpers import fingerprint
from samples_helpers import write_cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return write_cohort(tmp_path / "cohort")


@pytest.fixture
def banks(tmp_path: Path) -> Path:
    return tmp_path / "banks"


def zeroed(bank: Path) -> None:
    pixels = bank / "slices.bin"
    pixels.write_bytes(bytes(pixels.stat().st_size))


def truncated(bank: Path) -> None:
    os.truncate(bank / "slices.bin", (bank / "slices.bin").stat().st_size - 100)


def empty(bank: Path) -> None:
    (bank / "slices.bin").write_bytes(b"")


def without_pixels(bank: Path) -> None:
    (bank / "slices.bin").unlink()


def torn(bank: Path) -> None:
    about = (bank / "bank.json").read_bytes()
    (bank / "bank.json").write_bytes(about[: len(about) // 2])


def without_about(bank: Path) -> None:
    (bank / "bank.json").unlink()


def other_about(bank: Path) -> None:
    about = json.loads((bank / "bank.json").read_text())
    (bank / "bank.json").write_text(json.dumps(about | {"subject_ids": about["subject_ids"][::-1]}))


def torn_index(bank: Path) -> None:
    (bank / "index.npy").write_bytes((bank / "index.npy").read_bytes()[:-1])


FAULTS = [zeroed, truncated, empty, without_pixels, torn, without_about, other_about, torn_index]


@pytest.mark.parametrize("damage", FAULTS)
def test_a_damaged_bank_is_named_and_built_again(
    cohort: Cohort, banks: Path, damage: Callable[[Path], None]
) -> None:
    folder = slice_bank(cohort.subjects, banks).folder
    before = fingerprint(folder)
    damage(folder)
    with pytest.raises(CacheError, match="damaged"):
        open_bank(folder)
    told: list[Problem] = []
    again = slice_bank(cohort.subjects, banks, on_problem=told.append)
    assert fingerprint(again.folder) == before and again.image(0).any()
    assert [problem.where for problem in told] == [str(folder)] and "damaged" in told[0].what
    assert list(banks.iterdir()) == [folder]
    slice_bank(cohort.subjects, banks, on_problem=told.append)
    assert len(told) == 1


def test_a_large_bank_is_checked_by_blocks(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_files, "_BLOCK", 64)
    monkeypatch.setattr(bank_files, "_MOST_BLOCKS", 4)
    folder = slice_bank(cohort.subjects, banks).folder
    size = (folder / "slices.bin").stat().st_size
    starts = bank_files._block_starts(size)
    assert len(starts) == 4 and starts[0] == 0 and starts[-1] == size - 64
    with (folder / "slices.bin").open("rb+") as file:
        file.seek(size - 8)
        file.write(b"\xff" * 8)
    with pytest.raises(CacheError):
        open_bank(folder)


@pytest.mark.parametrize("step", ["_append", "seal"])
@pytest.mark.parametrize(
    ("number", "what"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "cannot be written")]
)
def test_a_full_or_failing_disk_is_named_and_nothing_stays(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, what: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(bank_building, step, fail)
        with pytest.raises(CacheError, match=what) as caught:
            slice_bank(cohort.subjects, banks)
    (problem,) = caught.value.problems
    assert problem.where == str(banks) and "CMR_SSP_CACHE" in problem.remedy
    assert list(banks.iterdir()) == []
    slice_bank(cohort.subjects, banks)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_full_when_the_file_is_closed(cohort: Cohort, banks: Path) -> None:
    bank_folder = banks / "bank"
    bank_folder.mkdir(parents=True)
    (bank_folder / "slices.bin").symlink_to("/dev/full")
    with (
        pytest.raises(CacheError, match="disk is full"),
        bank_building._writable(bank_folder / "slices.bin") as file,
    ):
        file.write(b"few")


def test_a_file_where_the_folder_should_be(cohort: Cohort, banks: Path) -> None:
    banks.write_text("mine")
    for parent in (banks, banks / "below"):
        with pytest.raises(CacheError, match="a file is in the way") as caught:
            slice_bank(cohort.subjects, parent)
        assert caught.value.problems[0].where == str(parent)
    assert banks.read_text() == "mine"


def test_a_file_where_the_bank_should_be(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = slice_bank(cohort.subjects, banks)
    bank.folder.rename(banks / "elsewhere")
    bank.folder.write_text("mine")
    monkeypatch.setattr(bank_building, "_write", lambda *_: pytest.fail("worked before it looked"))
    with pytest.raises(CacheError, match="a file is in the way"):
        slice_bank(cohort.subjects, banks)
    assert bank.folder.read_text() == "mine"


def test_files_of_others_in_a_damaged_bank_stay(cohort: Cohort, banks: Path) -> None:
    folder = slice_bank(cohort.subjects, banks).folder
    (folder / "notes.txt").write_text("mine")
    torn(folder)
    with pytest.raises(CacheError, match=r"notes\.txt"):
        slice_bank(cohort.subjects, banks)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read(cohort: Cohort, banks: Path) -> None:
    slice_bank(cohort.subjects, banks)
    banks.chmod(0o500)
    try:
        assert len(slice_bank(cohort.subjects, banks)) == 20  # what is there can be used
        with pytest.raises(CacheError, match="cannot be written"):
            slice_bank(cohort.subjects[:1], banks)
    finally:
        banks.chmod(0o700)


_BUILDER = """
import sys, time
from pathlib import Path
from cmr_ssp.files import open_cohort
from cmr_ssp.samples.bank.building import slice_bank

def wait(done, total):
    print("building", flush=True)
    time.sleep(60)

slice_bank(open_cohort(Path(sys.argv[1])).subjects, Path(sys.argv[2]), wait)
"""


def test_half_a_bank_of_a_killed_process_goes_that_of_a_living_one_stays(cohort: Cohort, banks: Path) -> None:
    command = [sys.executable, "-c", _BUILDER, str(cohort.root), str(banks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "building\n"
            half = next(path for path in banks.iterdir() if path.is_dir())
            slice_bank(cohort.subjects[:1], banks)
            assert half.exists(), "another process still builds it"
        finally:
            process.kill()
    assert half.exists()
    slice_bank(cohort.subjects[:2], banks)
    assert not half.exists()
    assert all(path.name.startswith("bank-") for path in banks.iterdir())


def test_everything_is_flushed_before_the_bank_has_its_name(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def recording(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    monkeypatch.setattr(bank_files.os, "fsync", recording)
    folder = slice_bank(cohort.subjects, banks).folder
    assert {"slices.bin", "index.npy", "bank.json"} <= set(flushed)
    if Path("/proc/self/fd").exists():
        assert flushed[-2].startswith(f".{folder.name}") and flushed[-1] == banks.name


def test_a_bank_that_is_open_survives_its_removal(cohort: Cohort, banks: Path) -> None:
    bank: SliceBank = slice_bank(cohort.subjects, banks)
    expected = np.array(bank.image(3))
    torn(bank.folder)
    slice_bank(open_cohort(cohort.root).subjects, banks)
    np.testing.assert_array_equal(bank.image(3), expected)


def test_a_training_tells_of_a_damaged_bank_and_goes_on(tmp_path: Path, banks: Path) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "beating", "abcd"))
    settings, heard = jobs.JobSettings(device="cpu", bank_folder=banks), Listener()
    jobs.pretrain(cohort, mim(), Run(tmp_path / "first"), settings=settings)
    (folder,) = banks.iterdir()
    zeroed(folder)
    jobs.pretrain(cohort, mim(), Run(tmp_path / "second"), settings=settings, on_event=heard)
    assert heard.end.outcome is Outcome.FINISHED
    assert [notice.problem.where for notice in heard.of(Noticed)].count(str(folder)) == 1
    first, second = ((tmp_path / name / "last.safetensors").read_bytes() for name in ("first", "second"))
    assert first == second


def test_a_training_without_a_place_for_its_bank_ends_in_a_named_error(tmp_path: Path, banks: Path) -> None:
    cohort = open_cohort(write_beating_cohort(tmp_path / "beating", "abcd"))
    banks.write_text("mine")
    heard = Listener()
    settings = jobs.JobSettings(device="cpu", bank_folder=banks)
    with pytest.raises(CacheError):
        jobs.pretrain(cohort, mim(), Run(tmp_path / "run"), settings=settings, on_event=heard)
    assert heard.end.outcome is Outcome.FAILED
    assert "a file is in the way" in heard.end.problems[0].what
