"""``--checkpoint``: segment, evaluate and labels add by the last or the best checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.cli import main
from cmr_ssp.evaluation import read_scores
from cmr_ssp.files import list_versions, open_cohort
from cmr_ssp.files.labels.marks import read_mark
from cmr_ssp.runs import Run, file_digest
from cmr_ssp.subjects import Cohort
from cohort_helpers import write_beating_cohort
from early_best import train_with_early_best

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line in this process and return its exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "400")

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(write_beating_cohort(tmp_path_factory.mktemp("cohort"), "abcd"))


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_with_early_best(tmp_path_factory.mktemp("runs") / "tuned", cohort)


def digests(run: Run) -> dict[str, str]:
    """Return the SHA-256 that results of each value of the option must have, also without it."""
    last, best = file_digest(run.last), file_digest(run.best)
    return {"": last, "last": last, "best": best}


def option(name: str) -> list[str]:
    return ["--checkpoint", name] if name else []


def test_segment_uses_the_checkpoint_and_writes_its_digest(
    call: Call, cohort: Cohort, run: Run, tmp_path: Path
) -> None:
    labels = {}
    for name, digest in digests(run).items():
        file = tmp_path / f"{name}.nii.gz"
        code, *_ = call("segment", run.folder, cohort.root / "c.nii.gz", "-o", file, *option(name))
        assert code == 0
        mark = read_mark(file)
        assert mark is not None and mark.checkpoint == digest
        labels[name] = np.asarray(nib.load(file).dataobj)
    assert (labels["last"] != labels["best"]).any()
    np.testing.assert_array_equal(labels[""], labels["last"])


def test_evaluate_uses_the_checkpoint_and_writes_its_digest(
    call: Call, cohort: Cohort, run: Run, tmp_path: Path
) -> None:
    dice = {}
    for name, digest in digests(run).items():
        csv = tmp_path / f"{name}.csv"
        code, out, _ = call("evaluate", run.folder, cohort.root, "--csv", csv, *option(name), "--json")
        result = json.loads(out)["result"]
        assert (code, result["checkpoint"]) == (0, name or "last")
        assert {score.metadata.checkpoint for score in read_scores(csv)} == {digest[:16]}
        dice[name] = result["dice"]["both"]["mean"]
    assert dice[""] == dice["last"] != dice["best"]


def test_labels_corrected_from_the_best_descend_from_it(
    call: Call, cohort: Cohort, run: Run, tmp_path: Path
) -> None:
    edited = cohort.root / "c_ED_gt.nii.gz"
    words = ["labels", "add", edited, "--cohort", cohort.root, "--subject", "c", "--phase", "ED"]
    words += ["--frame", 0, "--numbers", "mnms", "--corrected-from", run.folder]
    for name, digest in digests(run).items():
        folder = tmp_path / f"labels-{name}"
        assert call(*words, "--labels", folder, *option(name))[0] == 0
        versions, _ = list_versions(folder)
        assert {version.checkpoints for version in versions} == {(digest,)}


@pytest.mark.parametrize("command", ["segment", "evaluate"])
def test_a_missing_or_unvalidated_best_is_told(
    call: Call, cohort: Cohort, run: Run, tmp_path: Path, command: str
) -> None:
    words: dict[str, list[object]] = {
        "segment": [cohort.root / "c.nii.gz", "-o", tmp_path / "out.nii.gz"],
        "evaluate": [cohort.root, "--csv", tmp_path / "out.csv"],
    }
    copy = Path(shutil.copytree(run.folder, tmp_path / "copy"))
    Run(copy).best.unlink()
    code, _, err = call(command, copy, *words[command], "--checkpoint", "best")
    assert code == 1
    assert "copy: has no best checkpoint" in err
    assert not list(tmp_path.glob("out*"))
    unvalidated = train_with_early_best(tmp_path / "unvalidated", cohort, validated=False)
    code, out, _ = call(command, unvalidated.folder, *words[command], "--checkpoint", "best")
    assert code == 0
    assert "warning" in out and "chosen without validation" in out
    assert list(tmp_path.glob("out*"))
    code, _, err = call(command, run.folder, *words[command], "--checkpoint", "newest")
    assert code == 1
    assert "newest" in err
