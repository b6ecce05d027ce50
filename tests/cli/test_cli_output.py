"""Output of commands in terminals, log files and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cmr_ssp.cli.progress import Lines, ProgressReport
from cmr_ssp.cli.terminal import Terminal
from cmr_ssp.events import RunStarted, UpdateFinished
from cmr_ssp.recipes import recipe_yaml
from cohort_helpers import mim, segmentation, write_beating_cohort


def start(*words: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a process with piped output."""
    command = [sys.executable, "-m", "cmr_ssp.cli", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment)


def run(*words: object, **environment: str) -> tuple[int, str, str]:
    """Run the command line; return its exit code, output and errors."""
    process = start(*words, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abcd")


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a segmentation network."""
    place = tmp_path_factory.mktemp("runs")
    (place / "recipe.yaml").write_text(recipe_yaml(segmentation(method="scratch")))
    words = ["finetune", folder, "--recipe", place / "recipe.yaml", "--run", place / "run", "--subjects", 2]
    code, out, err = run(*words)
    assert code == 0, out + err
    return place / "run"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mim.yaml"
    path.write_text(recipe_yaml(mim()))
    return path


def test_a_training_prints_plain_lines_of_ours_alone(folder: Path, recipe: Path, tmp_path: Path) -> None:
    code, out, err = run("pretrain", folder, "--recipe", recipe, "--run", tmp_path / "run")
    assert code == 0
    assert err == "", "a library's notice stands between our lines"
    lines = out.splitlines()
    assert [line for line in lines if "━" in line or "\x1b" in line] == []
    assert "training 0/2" in lines
    assert any(line.startswith("training 2/2, loss ") for line in lines)


def test_verbose_prints_what_libraries_say_and_where_an_error_arose(
    folder: Path, recipe: Path, tmp_path: Path
) -> None:
    words = ["pretrain", folder, "--recipe", recipe, "--verbose", "--set", "precision=bf16-mixed"]
    code, out, err = run(*words, "--run", tmp_path / "run")
    assert code == 0
    assert "Automatic Mixed Precision" in err
    assert "last.safetensors" in out
    code, _, err = run("cohort", "check", tmp_path / "nothing", "-v")
    assert code == 1
    assert "Traceback" in err


def test_quiet_prints_results_and_problems_only(folder: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "seg"
    code, said, err = run("segment", trained, folder / "a.nii.gz", "-o", out, "--quiet")
    assert (code, said) == (0, "")
    assert all(line.startswith("warning ") for line in err.splitlines())
    code, said, _ = run("-q", "evaluate", trained, folder, "--csv", tmp_path / "scores.csv")
    assert code == 0
    assert "3D Dice" in said
    assert "scored" not in said
    code, said, err = run("cohort", "check", tmp_path / "nothing", "-q")
    assert (code, said) == (1, "")
    assert err.startswith("error ")


def test_json_is_one_object_on_standard_output(folder: Path, trained: Path, tmp_path: Path) -> None:
    code, out, err = run("evaluate", trained, folder, "--csv", tmp_path / "scores.csv", "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (0, True)
    assert found["result"]["written"] == str(tmp_path / "scores.csv")
    assert set(found["result"]["dice"]["both"]) == {"LV", "MYO", "RV", "mean"}
    assert "subjects scored 4/4" in err
    code, out, _ = run("cohort", "check", folder, "--json")
    assert [subject["id"] for subject in json.loads(out)["result"]["subjects"]] == list("abcd")
    assert len(json.loads(run("recipe", "list", "--json")[1])["result"]["presets"]) > 10


@pytest.mark.parametrize("words", [["segmnt"], ["cohort", "check", "/nothing/there"], ["segment", "-o", "x"]])
def test_json_tells_errors_too(words: list[str]) -> None:
    code, out, err = run(*words, "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (1, False)
    (problem,) = found["problems"]
    assert problem["severity"] == "error"
    assert set(problem) == {"severity", "where", "what", "remedy"}
    assert err.startswith("error ")


def test_a_line_of_progress_reaches_a_pipe_at_once(folder: Path, recipe: Path, tmp_path: Path) -> None:
    """A log file must show the progress during training."""
    words = ["pretrain", folder, "--recipe", recipe, "--run", tmp_path / "run", "--set", "updates=100000"]
    with start(*words) as process:
        assert process.stdout is not None
        seen = ""
        try:
            for line in process.stdout:
                seen += line
                if line.startswith("training 0/100000"):
                    break
            assert process.poll() is None, seen
        finally:
            process.kill()


def test_lines_of_progress_come_at_first_at_last_and_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lines = Lines(Terminal(), every_s=10)
    for second in range(25):
        now = 100.0 + second
        lines.advance("slices", second + 1, 26, "")
    lines.advance("slices", 26, 26, "note")
    assert capsys.readouterr().out.splitlines() == [
        "slices 1/26",
        "slices 11/26",
        "slices 21/26",
        "slices 26/26, note",
    ]


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    report = ProgressReport(Terminal())
    with report.meter.shown():
        report(RunStarted(Path("run"), "cpu", "32-true", 9, 4, 2**30, 60.0))
        report(UpdateFinished(4, 4, 0.5, None))
    assert "━" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(tmp_path: Path, shell: str) -> None:
    home = {"HOME": str(tmp_path), "ZSH_CUSTOM": "", "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""}
    code, out, err = run("--install-completion", "--shell", shell, **home)
    assert code == 0, out + err
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "cmr-ssp" in path.name]
    assert len(written) == 1
    text = written[0].read_text()
    for word in ("finetune", "--max-minutes", "--quiet", "cohort"):
        assert word.removeprefix("--") in text
    if shell == "bash":
        script = (
            f"source {written[0]}; COMP_WORDS=(cmr-ssp fin); COMP_CWORD=1; _cmr_ssp; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "finetune"
