"""The command line ends with a message, not a traceback, in any environment and for any input."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest
from cmr_ssp.errors import CohortError, RecipeError
from cmr_ssp.files import open_cohort, open_stack
from cmr_ssp.jobs import JobSettings
from cmr_ssp.plain_yaml import load_yaml
from cmr_ssp.recipes import recipe_yaml
from cmr_ssp.subjects.split import draw_split, draw_subjects
from cohort_helpers import mim, segmentation, write_beating_cohort
from dicom_helpers import save_exam, siemens, stored

COMMAND = f"{sys.executable} -m cmr_ssp.cli"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a shell and signals of POSIX")


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell; ``CLI`` in it stands for the command line."""
    text = line.replace("CLI", COMMAND)
    return subprocess.run(
        ["bash", "-c", text],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abcd")


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    (place / "recipe.yaml").write_text(recipe_yaml(segmentation(method="scratch")))
    done = shell(f"CLI finetune {folder} --recipe {place}/recipe.yaml --run {place}/run --subjects 2")
    assert done.returncode == 0, done.stderr
    return place / "run"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "mim.yaml"
    path.write_text(recipe_yaml(mim()))
    return path


# ---- Ctrl-C -------------------------------------------------------------------------------------


def interrupted(words: list[object], waits_for: str) -> tuple[int, str, str]:
    """Send a SIGINT when the command prints something, or after half a second."""
    command = [sys.executable, "-m", "cmr_ssp.cli", *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        seen = ""
        if waits_for:
            for line in process.stdout:
                seen += line
                if waits_for in line:
                    break
        else:
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    return process.returncode, seen + out, err


@POSIX
@pytest.mark.parametrize(
    ("words", "waits_for"),
    [
        (["pretrain", "DATA", "--recipe", "MIM", "--run", "NEW/a", "--set", "updates=100000"], "training 0/"),
        (["evaluate", "RUN", "MANY", "--csv", "NEW/scores.csv"], "subjects scored"),
        (["evaluate", "RUN", "MANY", "--csv", "NEW/scores.csv"], ""),
        (["segment", "RUN", "CINES", "-o", "NEW/out"], "frames segmented"),
        (["cohort", "check", "MANY"], "of them labelled"),
        (["demo", "--headless", "--out", "NEW/demo"], ""),
    ],
    ids=["training", "evaluation", "early", "segmentation", "check", "demo"],
)
def test_ctrl_c_ends_any_command_with_a_message(
    folder: Path, trained: Path, recipe: Path, tmp_path: Path, words: list[str], waits_for: str
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for k in range(40):
        for name in ("a.nii.gz", "a_ED_gt.nii.gz", "a_ES_gt.nii.gz"):
            (many / name.replace("a", f"s{k:02d}", 1)).symlink_to(folder / name)
    rows = "".join(f"s{k:02d},0,2\n" for k in range(40))
    (many / "subjects.csv").write_text("id,ed_frame,es_frame\n" + rows)
    places: dict[str, list[object]] = {"DATA": [folder], "RUN": [trained], "MIM": [recipe], "MANY": [many]}
    places["CINES"] = [*sorted(many.glob("s??.nii.gz"))]
    filled = [each for word in words for each in places.get(word, [word.replace("NEW", str(tmp_path))])]
    code, out, err = interrupted(filled, waits_for)
    assert code in (130, -signal.SIGINT), out + err  # Python may end by the signal itself: a shell says 130
    assert "Traceback" not in out + err
    assert "stop" in out or "interrupted" in out + err


@POSIX
def test_an_interruption_that_a_library_makes_another_error_of_is_still_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cmr_ssp.cli import app, main

    def importing(arguments: list[str]) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("cannot load module more than once per process") from None

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(app, "run", importing)
    with pytest.raises(SystemExit) as ended:
        main(["recipe", "list"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGINT) is before


# ---- streams ------------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize(
    "closed",
    [*(pytest.param(each, marks=pytest.mark.proof) for each in ("<&-", ">&-", "2>&-")), "<&- >&- 2>&-"],
)
def test_closed_streams_end_nothing(folder: Path, recipe: Path, tmp_path: Path, closed: str) -> None:
    done = shell(f"CLI pretrain {folder} --recipe {recipe} --run {tmp_path}/run {closed}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "last.safetensors").is_file()
    tuned = segmentation(method="scratch")
    (tmp_path / "scratch.yaml").write_text(recipe_yaml(tuned))
    line = (
        f"CLI finetune {folder} --recipe {tmp_path}/scratch.yaml --subjects 2 --run {tmp_path}/tuned {closed}"
    )
    assert shell(line).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_named(folder: Path) -> None:
    for line in (
        "CLI --help > /dev/full",
        "CLI recipe list --json > /dev/full",
        f"CLI cohort check {folder} >/dev/full",
    ):
        done = shell(line)
        assert done.returncode == 1
        assert done.stderr.strip() == "error standard output: No space left on device"


@POSIX
def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    done = shell("for i in 1 2 3; do CLI recipe list; done | true; echo ${PIPESTATUS[0]}")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    done = shell("CLI recipe show mim/paper | head -1")
    assert (done.returncode, done.stderr) == (0, "")


def test_names_are_printed_in_any_encoding(tmp_path: Path, folder: Path) -> None:
    odd = tmp_path / "Zoë"
    odd.mkdir()
    for name in ("a.nii.gz", "a_ED_gt.nii.gz"):
        shutil.copy(folder / name, odd / name.replace("a", "zoë", 1))
    done = shell(f"CLI cohort check '{odd}'", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "zo\\xeb" in done.stdout


@POSIX
def test_a_deleted_working_directory_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = shell(f"cd {gone}; rmdir {gone}; CLI cohort check x")
    assert done.returncode == 1
    assert done.stderr.startswith("error the working directory")
    assert "Traceback" not in done.stderr
    assert shell(f"mkdir {gone}; cd {gone}; rmdir {gone}; CLI --help").returncode == 0


# ---- names --------------------------------------------------------------------------------------


@POSIX
def test_markup_and_control_characters_in_names_are_shown_as_they_are(tmp_path: Path, folder: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for name in ("[red]x", "a\x1b[31mb\x07"):
        shutil.copy(folder / "a.nii.gz", odd / f"{name}.nii.gz")
    (odd / "subjects.csv").write_text("id,vendor\n[red]x,[/]\n")
    command = [sys.executable, "-m", "cmr_ssp.cli", "cohort"]
    for words in (
        ["check", str(odd)],
        ["check", str(odd / "[/nothing]\x1b[2J")],
        ["[/]"],
        ["check", "--[/]"],
    ):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr
        assert "[" in done.stdout + done.stderr
    listed = subprocess.run([*command, "check", str(odd)], capture_output=True, text=True, check=False).stdout
    assert "[/]" in listed and "[red]x" in listed and "\\x1b[31m" in listed


@pytest.mark.parametrize("name", ["=1+1", "+1", "@sum", "-1"])
def test_a_name_that_is_a_formula_enters_no_table(tmp_path: Path, folder: Path, name: str) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for file in ("a.nii.gz", "a_ED_gt.nii.gz"):
        shutil.copy(folder / file, odd / file.replace("a", name, 1))
    shutil.copy(folder / "b.nii.gz", odd / "b.nii.gz")
    cohort = open_cohort(odd)
    assert [subject.id for subject in cohort] == ["b"]
    assert any(f"'{name}' cannot be" in problem.what for problem in cohort.problems)
    done = shell(f"CLI volumes --csv {tmp_path}/v.csv -- '{odd}/{name}_ED_gt.nii.gz'")
    assert done.returncode == 1
    assert "formula" in done.stderr
    assert not (tmp_path / "v.csv").exists()


def test_the_key_of_an_export_is_a_table_whatever_the_ids(tmp_path: Path, folder: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for file in folder.glob("*.nii.gz"):
        shutil.copy(file, odd / file.name.replace("a", "x, y", 1))
    (odd / "subjects.csv").write_text('id,ed_frame,es_frame\n"x, y",0,2\nb,0,2\nc,0,2\nd,0,2\n')
    done = shell(f"CLI export-cohort '{odd}' -o {tmp_path}/out --key {tmp_path}/key.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "key.csv").open(newline="") as file:
        assert {row["subject"] for row in csv.DictReader(file)} >= {"x, y"}


# ---- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [str(2**64), "-1"])
def test_a_seed_that_nothing_can_be_drawn_with_is_refused(
    folder: Path, tmp_path: Path, recipe: Path, seed: str
) -> None:
    for line in (
        f"CLI pretrain {folder} --recipe {recipe} --run {tmp_path}/run --seed={seed}",
        f"CLI finetune {folder} --preset scratch/demo --run {tmp_path}/run --subjects 1 --seed={seed}",
        f"CLI cohort split {folder} -o {tmp_path}/split.yaml --seed=-1",
    ):
        done = shell(line)
        assert done.returncode == 1
        assert "seed" in done.stderr
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_seeds_and_shares_are_checked_where_subjects_are_drawn() -> None:
    with pytest.raises(CohortError, match="seed -1"):
        draw_split([], test=0.5, seed=-1)
    assert len(draw_subjects("abc", 2, 2**64)) == 2
    for share in (float("nan"), -0.1, 1.1):
        with pytest.raises(CohortError, match="not fractions"):
            draw_split([], test=share)


@pytest.mark.parametrize("minutes", ["inf", "nan", "-1"])
def test_a_time_limit_that_never_comes_is_refused(
    folder: Path, tmp_path: Path, recipe: Path, minutes: str
) -> None:
    done = shell(f"CLI pretrain {folder} --recipe {recipe} --run {tmp_path}/run --max-minutes={minutes}")
    assert done.returncode == 1
    assert minutes in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(RecipeError, match="not a valid time limit"):
        JobSettings(max_minutes=float(minutes))


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1e400"])
def test_structures_of_no_number_are_refused(tmp_path: Path, folder: Path, number: str) -> None:
    odd = shutil.copytree(folder, tmp_path / "odd")
    (odd / "cohort.yaml").write_text(f"structures: {{LV: {number}, MYO: 2, RV: 1}}\n")
    with pytest.raises(CohortError, match="numbering is invalid"):
        open_cohort(odd)


# ---- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "x: {b: 1, b: 1}\n", "{1: a, 1: b}"])
def test_keys_that_are_there_twice_are_refused(text: str) -> None:
    import yaml

    with pytest.raises(yaml.YAMLError, match="is duplicated"):
        load_yaml(text)
    assert load_yaml("a: {b: 1}\nb: {b: 1}\n") == {"a": {"b": 1}, "b": {"b": 1}}


def test_a_recipe_with_a_key_twice_says_which(folder: Path, tmp_path: Path, recipe: Path) -> None:
    (tmp_path / "twice.yaml").write_text(recipe.read_text() + "seed: 1\n")
    done = shell(f"CLI pretrain {folder} --recipe {tmp_path}/twice.yaml --run {tmp_path}/run")
    assert done.returncode == 1
    assert "the key 'seed' is duplicated" in done.stderr


def test_dicom_without_preamble_is_read(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens())
    for k, path in enumerate(sorted(exam.rglob("*"))):
        if path.is_file():
            path.rename(path.with_name(f"{k:04d}.dcm"))
    whole = open_cohort(exam)
    before = open_stack(whole.subjects[0]).load()
    assert before.shape == stored().shape
    for path in exam.rglob("*.dcm"):
        _remove_preamble(path)
    bare = open_cohort(exam)
    assert np.array_equal(open_stack(bare.subjects[0]).load(), before)


def _remove_preamble(path: Path) -> None:
    """Write the data set without preamble, like old programs."""
    from pydicom import Dataset, dcmread

    data = Dataset(dcmread(path))
    data.save_as(path, enforce_file_format=False, implicit_vr=True, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"


def test_an_affine_that_is_no_number_is_no_difference(tmp_path: Path, folder: Path) -> None:
    odd = shutil.copytree(folder, tmp_path / "odd")
    for path in odd.glob("a*.nii.gz"):
        image = nib.load(path)
        header = image.header.copy()
        header.set_qform(None, code=0)
        header["sform_code"] = 1
        for row in ("srow_x", "srow_y", "srow_z"):
            header[row] = np.nan
        made = nib.Nifti1Image(np.asarray(image.dataobj), None, header)
        for row in ("srow_x", "srow_y", "srow_z"):
            made.header[row] = np.nan
        made.header["sform_code"] = 1
        nib.save(made, path)
    cohort = open_cohort(odd)
    assert not [problem for problem in cohort.problems if "differs" in problem.what]
    (told,) = [problem for problem in cohort.problems if "not finite" in problem.what]
    assert "pixdim is used" in told.what
    assert (
        open_stack(cohort.subject("a")).spacing_mm == open_stack(open_cohort(folder).subject("a")).spacing_mm
    )


# ---- several processes --------------------------------------------------------------------------


@POSIX
@pytest.mark.proof
def test_a_stopped_partner_is_waited_for_only_so_long(folder: Path, recipe: Path, tmp_path: Path) -> None:
    words = ["pretrain", folder, "--recipe", recipe, "--run", tmp_path / "run", "--set", "updates=1000000"]
    command = [sys.executable, "-m", "cmr_ssp.cli", *map(str, words), "--devices", "2", "--device", "cpu"]
    pipe, patience = subprocess.PIPE, os.environ | {"CMR_SSP_PATIENCE": "12"}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=patience) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("training ") and not line.startswith("training 0/"):
                    break  # both are past the forming of their group, which waits by other rules
            (partner,) = psutil.Process(process.pid).children()
            partner.suspend()
            began = time.monotonic()
            _, err = process.communicate(timeout=120)
            assert time.monotonic() - began < 60
        finally:  # else a failure would wait for ever
            process.kill()
    assert process.returncode == 1, err
    assert "lost the connection to another process" in err
    assert "Traceback" not in err
    psutil.wait_procs([partner], timeout=10)
    assert not partner.is_running()
