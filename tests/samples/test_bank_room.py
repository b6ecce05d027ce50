"""The upper size of the slice cache, and `cmr-ssp cache`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cmr_ssp.cli import main
from cmr_ssp.errors import CacheError, Problem, Severity
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.room import clear_banks, stored_banks
from cmr_ssp.samples.bank.slices import SliceBank
from cmr_ssp.subjects import Cohort
from samples_helpers import write_cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return write_cohort(tmp_path / "cohort")


@pytest.fixture
def banks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "banks"


def one(cohort: Cohort, number: int) -> Path:
    """Build the bank of one subject and leave it; return its folder."""
    return slice_bank(cohort.subjects[number : number + 1]).folder


def used(bank: Path, seconds: int) -> None:
    os.utime(bank / "bank.json", (seconds, seconds))


def size(bank: Path) -> int:
    return sum(path.stat().st_size for path in bank.iterdir())


def allow(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setenv("CMR_SSP_CACHE_GIB", repr(n_bytes / 2**30))


@pytest.fixture
def held(cohort: Cohort, banks: Path) -> Iterator[Path]:
    """A bank that another process has open."""
    folder = one(cohort, 0)
    code = (
        "import sys; from pathlib import Path; from cmr_ssp.samples.bank.slices import open_bank;"
        "bank = open_bank(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        yield folder
        process.kill()


def test_the_least_recently_used_bank_makes_room(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = one(cohort, 0), one(cohort, 1)
    used(first, 1_000), used(second, 2_000)
    one(cohort, 0)  # used again, so the second is the older one
    third = one(cohort, 2)
    allow(monkeypatch, size(first) + size(third))
    (third / "bank.json").unlink()  # built again, which needs its place
    told: list[Problem] = []
    slice_bank(cohort.subjects[2:], on_problem=told.append)
    assert sorted(banks.iterdir()) == sorted([first, third])
    assert [problem.where for problem in told] == [str(third)]


def test_a_bank_that_a_process_has_open_stays(
    cohort: Cohort, held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = one(cohort, 1)
    allow(monkeypatch, 1)
    told: list[Problem] = []
    mine = slice_bank(cohort.subjects[2:], on_problem=told.append)
    assert held.exists() and mine.folder.exists() and not idle.exists()
    (problem,) = told
    assert "more than" in problem.what and "CMR_SSP_CACHE_GIB" in problem.remedy
    assert problem.severity is Severity.WARNING
    assert mine.image(0).any()


def test_nothing_goes_within_the_limit(cohort: Cohort, banks: Path) -> None:
    assert len({one(cohort, 0), one(cohort, 1), one(cohort, 2)}) == len(list(banks.iterdir())) == 3


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "inf"])
def test_an_impossible_limit_is_named(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CMR_SSP_CACHE_GIB", text)
    with pytest.raises(CacheError, match="is not a valid size"):
        one(cohort, 0)


def test_a_bank_is_free_once_nobody_has_it(cohort: Cohort, banks: Path) -> None:
    bank: SliceBank | None = slice_bank(cohort.subjects)
    assert [stored.state for stored in stored_banks(banks)] == ["open"]
    assert clear_banks(banks)[0] == () and len(list(banks.iterdir())) == 1
    del bank
    assert [stored.state for stored in stored_banks(banks)] == ["unused"]
    assert len(clear_banks(banks)[0]) == 1 and list(banks.iterdir()) == []


def result(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as end:
        main(["cache", *words, "--json"])
    assert end.value.code == 0
    whole: dict[str, object] = json.loads(capsys.readouterr().out)
    return whole


def test_cache_list_and_clear(
    cohort: Cohort, held: Path, banks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = one(cohort, 1)
    foreign = [banks / "notes.txt", banks / "bank-of-mine" / "slices.bin", banks.parent / "other"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (banks / f"bank-{24 * '0'}").symlink_to(banks / "bank-of-mine")
    half = banks / f".bank-{24 * '0'}-{8 * '0'}"
    half.mkdir()
    listed = result(capsys, "list")["result"]
    assert isinstance(listed, dict)
    states = {bank["name"]: bank["state"] for bank in listed["banks"]}
    assert states == {held.name: "open", idle.name: "unused", half.name: "incomplete"}
    assert listed["bytes"] == size(held) + size(idle) and listed["limit_bytes"] == 50 * 2**30

    cleared = result(capsys, "clear")
    assert isinstance(cleared["result"], dict) and isinstance(cleared["problems"], list)
    assert cleared["result"]["removed"] == [idle.name, half.name] and cleared["result"]["freed_bytes"] > 0
    assert [problem["where"] for problem in cleared["problems"]] == [str(held)]
    assert held.exists() and not idle.exists() and not half.exists()
    assert all(path.read_text() == "mine" for path in foreign)


def test_an_empty_cache_is_listed_and_cleared(banks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["list"], ["clear"]):
        with pytest.raises(SystemExit) as end:
            main(["cache", *words])
        assert end.value.code == 0
        assert "0 slice banks" in capsys.readouterr().out
    assert not banks.exists()
