"""The command line: output formats, help, start time, and no tracebacks on invalid input."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from cmr_ssp.cli import main
from cmr_ssp.methods.mim.objective import MimObjective
from cmr_ssp.recipes import preset_names, recipe_yaml
from cmr_ssp.runs import Run
from cmr_ssp.subjects import Role
from cmr_ssp.subjects.split_file import read_split
from cmr_ssp.weights import load_checkpoint
from cohort_helpers import COLUMNS, FRAMES, ROWS, SLICES, mim, segmentation, write_beating_cohort
from files_helpers import edit_header, fingerprint, save

COMMANDS = [
    [],
    ["cohort"],
    ["cohort", "check"],
    ["cohort", "split"],
    ["model"],
    ["model", "export"],
    ["model", "import"],
    ["model", "list"],
    ["model", "show"],
    ["recipe"],
    ["recipe", "list"],
    ["recipe", "show"],
    ["convert"],
    ["pretrain"],
    ["finetune"],
    ["segment"],
    ["evaluate"],
    ["export"],
    ["export-cohort"],
    ["volumes"],
    ["demo"],
]


@dataclass
class Said:
    """Exit code and output of a call, without line breaks."""

    code: int
    out: str
    err: str

    @property
    def everything(self) -> str:
        return self.out + self.err


Call = Callable[..., Said]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line in this process, as a wide terminal would show it."""
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code: object = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cohort of six subjects, five of them labelled, that must not change."""
    path = write_beating_cohort(tmp_path_factory.mktemp("data") / "cohort", "abcdef", labelled="abcde")
    before = fingerprint(path)
    yield path
    assert fingerprint(path) == before, "a source file changed"


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny recipes of each method as files."""
    place = tmp_path_factory.mktemp("recipes")
    made = {name: segmentation(method=name) for name in ("finetune", "scratch")} | {"mim": mim()}
    for name, recipe in made.items():
        (place / f"{name}.yaml").write_text(recipe_yaml(recipe))
    return {name: place / f"{name}.yaml" for name in made}


@pytest.fixture(scope="module")
def runs(folder: Path, recipes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pretraining and a fine-tuning from it, made by the command line."""
    place = tmp_path_factory.mktemp("runs")
    made = {name: place / name for name in ("mim", "finetune")}
    end = ["--recipe", str(recipes["mim"]), "--run", str(made["mim"])]
    ends = {"mim": ["pretrain", str(folder), *end]}
    end = ["--recipe", str(recipes["finetune"]), "--from", str(made["mim"]), "--run", str(made["finetune"])]
    ends["finetune"] = ["finetune", str(folder), "--subjects", "2", "--seed", "0", *end]
    for arguments in ends.values():
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code
    return made


# ---- help and start -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "cmr-ssp")
def test_help_can_be_followed(call: Call, command: list[str]) -> None:
    said = call(*command, "--help")
    assert said.code == 0
    assert " ".join(["Usage: cmr-ssp", *command]) in said.out
    assert all(option in said.out for option in ("--quiet", "--verbose", "--json"))
    described = re.findall(r"^│ \*? +(\S.*?)\s*│$|^│ (\w+) {2,}(.*?)\s*│$", said.out, re.MULTILINE)
    for parameter, name, text in described:
        assert len((parameter or name + " " + text).split()) > 3, f"{parameter or name} is not explained"


def test_the_list_of_commands_says_what_each_does(call: Call) -> None:
    for said in (call("--help"), call()):
        for word in ("Pretrain on", "Train a segmentation", "Segment every", "Score a run", "compare with"):
            assert word in said.out


def test_help_of_a_command_names_the_stable_options(call: Call) -> None:
    options = {
        "pretrain": ["--preset", "--run", "--recipe", "--set", "--split", "--resume", "--max-minutes"],
        "finetune": ["--from", "--subjects", "--seed", "--run", "--phases", "--preset", "--max-minutes"],
        "segment": ["--output", "-o", "--labels", "[choices: mnms, acdc]"],
        "evaluate": ["--csv"],
        "demo": ["--headless", "--out"],
    }
    for command, wanted in options.items():
        said = call(command, "--help")
        assert [option for option in wanted if option not in said.out] == []


def test_it_starts_fast_and_without_torch(folder: Path) -> None:
    """Run help, listings and checks in one new process; measure CPU time, since other work may be running."""
    calls = [[*command, "--help"] for command in COMMANDS]
    calls += [
        ["--version"],
        ["recipe", "list"],
        ["recipe", "show", "mim/paper"],
        ["cohort", "check", str(folder)],
    ]
    program = (
        "import contextlib, io, resource, sys\n"
        "from cmr_ssp.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    for k, arguments in enumerate(" + repr(calls) + "):\n"
        "        try: main(arguments)\n"
        "        except SystemExit as end: assert not end.code, (arguments, end.code)\n"
        "        if k == 0: first = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(first.ru_utime + first.ru_stime)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seconds, modules = done.stdout.splitlines()
    assert {"torch", "monai", "lightning_fabric", "napari", "qtpy"} & set(modules.split()) == set()
    assert float(seconds) < 1.5  # about 0.3 on an idle machine


def test_the_command_is_installed() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="cmr-ssp")
    assert entry.value == "cmr_ssp.cli:main"


def test_an_error_ends_a_real_process_with_one_and_no_traceback(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from cmr_ssp.cli import main; main()", "cohort", "check", str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error ")
    assert "is empty" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


# ---- cohort -------------------------------------------------------------------------------------


def test_check_lists_a_good_cohort(call: Call, folder: Path) -> None:
    said = call("cohort", "check", folder)
    assert said.code == 0
    assert "6 subjects, 5 of them labelled" in said.out
    assert re.search(r"│ a +│ 4 +│ ED@0 ES@2 +│ A ", said.out)
    assert re.search(r"│ f +│ 4 +│ - +│ B ", said.out)
    assert said.out.endswith("usable\n")


def faulty_cohort(path: Path) -> dict[str, str]:
    """Damage a cohort in many ways; return the expected message for each file."""
    write_beating_cohort(path, "abcdefg")
    cut = (path / "a.nii.gz").read_bytes()
    (path / "a.nii.gz").write_bytes(cut[: len(cut) // 2])
    save(path / "b_ED_gt.nii.gz", np.zeros((COLUMNS, ROWS, SLICES + 1), np.uint8))
    save(path / "c_ES_gt.nii.gz", np.full((COLUMNS, ROWS, SLICES), 7, np.uint8))
    values = np.ones((COLUMNS, ROWS, SLICES, FRAMES), np.float32)
    values[0, 0, 0, 0] = np.nan
    save(path / "d.nii.gz", values)
    edit_header(path / "e.nii.gz", dim=[4, 30000, 30000, 3000, 30, 1, 1, 1])
    (path / "f_ED_gt.nii.gz").write_text("no image at all")
    return {
        "a.nii.gz": "truncated|readable|read",
        "b_ED_gt.nii.gz": "shape",
        "c_ES_gt.nii.gz": "structure number 7 is unknown",
        "d.nii.gz": "not a number",
        "e.nii.gz": "claims",
        "f_ED_gt.nii.gz": "cannot be read",
    }


def test_check_lists_all_problems_of_a_bad_cohort(call: Call, tmp_path: Path) -> None:
    wrong = faulty_cohort(tmp_path / "bad")
    before = fingerprint(tmp_path / "bad")
    said = call("cohort", "check", tmp_path / "bad")
    assert said.code == 1
    assert "usable" not in said.out
    lines = [line for line in said.everything.splitlines() if line.startswith("error ")]
    for name, what in wrong.items():
        assert any(f"/{name}" in line and re.search(what, line) for line in lines), name
    assert fingerprint(tmp_path / "bad") == before


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_training_on_a_bad_cohort_names_every_bad_file_it_needs(
    call: Call, tmp_path: Path, recipes: dict[str, Path], command: str
) -> None:
    faulty_cohort(tmp_path / "bad")
    (tmp_path / "split.yaml").write_text("train: [a, c, d, g]\n")
    recipe = recipes["mim" if command == "pretrain" else "scratch"]
    end = ["--recipe", recipe, "--run", tmp_path / "run", "--split", tmp_path / "split.yaml"]
    said = call(command, tmp_path / "bad", *end)
    assert said.code == 1
    for name in ("a.nii.gz", "c_ES_gt.nii.gz", "d.nii.gz"):
        assert f"/{name}" in said.err
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_split_is_written_and_obeyed(
    call: Call, folder: Path, recipes: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "split.yaml"
    said = call("cohort", "split", folder, "-o", path, "--test", "0.4", "--validation", "0.2", "--seed", "3")
    assert said.code == 0
    assert "3 train, 1 validation, 2 test" in said.out
    split = read_split(path)
    assert len(split.ids(Role.TEST)) == 2
    end = ["--recipe", recipes["mim"], "--run", tmp_path / "run"]
    assert call("pretrain", folder, "--split", path, *end).code == 0
    run = Run(tmp_path / "run")
    assert run.split() == split
    assert set(load_checkpoint(run.last).provenance.pretraining) == set(split.ids(Role.TRAIN))
    assert call("cohort", "split", folder, "-o", path).code == 0  # our own file may be replaced
    assert call("cohort", "split", folder, "-o", folder / "a.nii.gz").code == 1  # any other may not


def test_the_authors_splits_go_in_and_out(call: Call, folder: Path, tmp_path: Path) -> None:
    theirs, ours, again = tmp_path / "theirs.yaml", tmp_path / "ours.yaml", tmp_path / "again.yaml"
    theirs.write_text(
        '"test":\n  "mm1": ["A1D9Z7", "a"]\n"train":\n  "mm1": ["b"]\n"valid":\n  "mm1": ["c"]\n'
    )
    said = call("cohort", "split", folder, "-o", ours, "--authors-yaml", theirs)
    assert said.code == 0
    assert "1 of these subjects are not in" in said.out
    assert read_split(ours).ids(Role.TEST) == ("A1D9Z7", "a")
    assert call("cohort", "split", folder, "-o", again, "--authors-yaml", theirs, "--for-authors").code == 0
    assert yaml.safe_load(again.read_text()) == yaml.safe_load(theirs.read_text())
    said = call("cohort", "split", folder, "-o", ours, "--published")
    assert said.code == 1
    assert "External code" in said.err


# ---- recipes ------------------------------------------------------------------------------------


def test_recipes_are_listed_and_shown_ready_to_be_changed(call: Call, tmp_path: Path) -> None:
    listed = re.findall(r"^│ (\S+/\S+) +│ (.*?) +│$", call("recipe", "list").out, re.MULTILINE)
    names = {name for name, _ in listed}
    assert {"mim/paper", "mim/cpu-small", "mim/gpu-8gb", "finetune/paper", "scratch/cpu-small"} <= names
    purposes = [purpose for _, purpose in listed]
    assert len(set(purposes)) == len(purposes) == len(preset_names())
    assert all(len(purpose.split()) > 3 for purpose in purposes)
    said = call("recipe", "show", "mim/paper", "--set", "seed=5", "--set", "crop.size_px=128")
    shown = yaml.safe_load(said.out)
    assert (shown["seed"], shown["crop"]["size_px"], shown["method"]) == (5, 128, "mim")


# ---- the stable forms ---------------------------------------------------------------------------


def test_pretrain_and_finetune_leave_runs(runs: dict[str, Path]) -> None:
    before, after = (load_checkpoint(Run(runs[name]).last) for name in ("mim", "finetune"))
    assert before.tally["update"] == after.tally["update"] == 2
    assert len(after.provenance.training) == 2
    assert after.provenance.pretraining == before.provenance.pretraining
    assert Run(runs["finetune"]).split() == Run(runs["mim"]).split()


def test_presets_and_settings_and_the_matching_preset(call: Call, folder: Path, tmp_path: Path) -> None:
    few = ["--set", "updates=1", "--set", "batch_size=1", "--set", "threads=1"]
    first, second = tmp_path / "mim", tmp_path / "finetuned"
    said = call("pretrain", folder, "--preset", "mim/cpu-small", "--run", first, "--seed", "4", *few)
    assert said.code == 0
    assert f"1 updates on {5 * FRAMES * SLICES} slices, cpu" in said.out
    recipe = load_checkpoint(Run(first).last).recipe
    assert (recipe.seed, recipe.updates, recipe.batch_size) == (4, 1, 1)
    said = call("finetune", folder, "--from", first, "--subjects", "1", "--run", second, *few)
    assert said.code == 0
    n_shared = sum(
        name.startswith(("encoder", "decoder")) for name in load_checkpoint(Run(first).last).network
    )
    assert f"pretrained weights: {n_shared} tensors loaded, " in said.out
    found = load_checkpoint(Run(second).last).recipe
    assert (found.method, found.network, found.crop) == ("finetune", recipe.network, recipe.crop)


def test_named_subjects_and_phases(
    call: Call, folder: Path, recipes: dict[str, Path], runs: dict[str, Path], tmp_path: Path
) -> None:
    split = Run(runs["mim"]).split()
    first, second = [name for name in split.ids(Role.TRAIN) if name != "f"][:2]
    end = ["--recipe", recipes["scratch"], "--split", runs["mim"] / "split.yaml", "--run", tmp_path / "run"]
    said = call("finetune", folder, "--subjects", f"{second}, {first}", "--phases", "es", *end)
    assert said.code == 0
    seen = load_checkpoint(Run(tmp_path / "run").last).provenance
    assert dict(seen.phases) == {first: ["ES"], second: ["ES"]}
    test = split.ids(Role.TEST)[0]
    said = call("finetune", folder, "--subjects", f"{test},nobody", *end[:-1], tmp_path / "other")
    assert said.code == 1
    assert "'nobody'" in said.err


def test_stopped_by_ctrl_c_and_resumed(
    call: Call, folder: Path, recipes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = MimObjective.loss

    def interrupted(self: MimObjective, *arguments: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return plain(self, *arguments)  # type: ignore[arg-type]

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(MimObjective, "loss", interrupted)
    start = ["pretrain", folder, "--run", tmp_path / "run"]
    said = call(*start, "--recipe", recipes["mim"])
    assert said.code == 130
    assert "stopping after this step" in said.out
    assert "continue with --resume" in said.out
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()
    assert load_checkpoint(Run(tmp_path / "run").last).tally["update"] == 1
    other = call(*start, "--resume", "--set", "batch_size=8")
    assert other.code == 1
    assert "batch_size 4, not 8" in other.err
    assert call(*start, "--resume").code == 0
    assert load_checkpoint(Run(tmp_path / "run").last).tally["update"] == 2
    assert call(*start, "--recipe", recipes["mim"]).code == 1  # holds a run already


def test_minutes_can_be_limited(call: Call, folder: Path, recipes: dict[str, Path], tmp_path: Path) -> None:
    end = ["--recipe", recipes["scratch"], "--run", tmp_path / "run", "--set", "updates=99999"]
    assert call("finetune", folder, "--max-minutes", "0.005", *end).code == 0
    kept = load_checkpoint(Run(tmp_path / "run").last)
    assert kept.tally["update"] == kept.recipe.updates < 99999


def test_segment_to_a_folder_and_to_a_file(
    call: Call, folder: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    cines = [folder / "a.nii.gz", folder / "b.nii.gz"]
    said = call("segment", runs["finetune"], *cines, "-o", tmp_path / "out")
    assert said.code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a_seg.nii.gz", "b_seg.nii.gz"}
    one = tmp_path / "one.nii.gz"
    assert call("segment", runs["finetune"], cines[0], "-o", one, "--labels", "acdc").code == 0
    found, source = nib.load(one), nib.load(cines[0])
    assert found.shape == source.shape
    assert np.array_equal(found.affine, source.affine)
    ours = np.asarray(nib.load(tmp_path / "out" / "a_seg.nii.gz").dataobj)
    assert np.array_equal(np.asarray(found.dataobj), np.array([0, 3, 2, 1])[ours])


def test_segmenting_loads_neither_monai_nor_lightning(
    folder: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    """They take three seconds, and only training needs them."""
    arguments = ["segment", str(runs["finetune"]), str(folder / "a.nii.gz"), "-o", str(tmp_path / "a.nii.gz")]
    code = f"import sys; from cmr_ssp.cli import main\ntry: main({arguments!r})\n"
    code += "except SystemExit as end: assert not end.code\n"
    code += "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.nii.gz").is_file()
    assert not {"monai", "lightning_fabric"} & set(done.stderr.split())


def test_evaluate_writes_the_table_and_prints_the_mean_over_test_subjects(
    call: Call, folder: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "scores.csv"
    said = call("evaluate", runs["finetune"], folder, "--csv", path)
    assert said.code == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"subject", "phase", "structure", "dice", "role"} <= set(rows[0])
    assert len(rows) == 5 * 2 * 3
    assert {row["structure"] for row in rows} == {"LV", "MYO", "RV"}
    test = {row["subject"] for row in rows if row["role"] == "test"}
    assert test == set(Run(runs["mim"]).split().ids(Role.TEST))
    assert f"{len(test)} test subjects" in said.out
    mean = np.mean([float(row["dice"]) for row in rows if row["role"] == "test"])
    (last,) = [line for line in said.out.splitlines() if line.startswith("│ both")]
    assert float(last.split("│")[-2]) == pytest.approx(mean, abs=1e-3)
    assert call("evaluate", runs["finetune"], folder, "--csv", path, "--phases", "ED").code == 0
    with path.open(newline="") as file:
        assert {row["phase"] for row in csv.DictReader(file)} == {"ED"}


def test_evaluate_on_a_foreign_cohort_reports_all_of_it(
    call: Call, runs: dict[str, Path], tmp_path: Path
) -> None:
    foreign = write_beating_cohort(tmp_path / "foreign", ["p", "q", "r"], seed=70)
    said = call("evaluate", runs["finetune"], foreign, "--csv", tmp_path / "scores.csv")
    assert said.code == 0
    assert "3 external subjects" in said.out


# ---- bad input ----------------------------------------------------------------------------------

BAD: dict[str, tuple[list[str], str]] = {
    "unknown command": (["segmnet"], "segmnet"),
    "missing option": (["pretrain", "DATA"], "--run"),
    "unknown option": (["pretrain", "DATA", "--run", "NEW", "--epoch", "3"], "epoch"),
    "device": (["pretrain", "DATA", "--run", "NEW", "--device", "tpu"], "tpu"),
    "no folder": (["cohort", "check", "NEW"], "does not exist"),
    "a file": (["cohort", "check", "DATA/a.nii.gz"], "it is a file"),
    "share": (["cohort", "split", "DATA", "-o", "NEW", "--test", "2"], "2"),
    "preset": (["pretrain", "DATA", "--run", "NEW", "--preset", "mim/papre"], "mim/papre: is not a preset"),
    "preset of another stage": (
        ["pretrain", "DATA", "--run", "NEW", "--preset", "scratch/paper"],
        "scratch",
    ),
    "both": (["pretrain", "DATA", "--run", "NEW", "--preset", "mim/demo", "--recipe", "MIM"], "--preset"),
    "no recipe": (["pretrain", "DATA", "--run", "NEW", "--recipe", "NEW"], "not valid YAML"),
    "binary recipe": (["pretrain", "DATA", "--run", "NEW", "--recipe", "DATA/a.nii.gz"], "not valid YAML"),
    "recipe key": (["pretrain", "DATA", "--run", "NEW", "--recipe", "UNKNOWN"], "'learning' is unknown"),
    "set key": (["pretrain", "DATA", "--run", "NEW", "--set", "crop.sise=3"], "'crop.sise' is unknown"),
    "set nothing": (["pretrain", "DATA", "--run", "NEW", "--set", "updates"], "key=value"),
    "set value": (["pretrain", "DATA", "--run", "NEW", "--set", "batch_size=many"], "batch_size"),
    "set clash": (["pretrain", "DATA", "--run", "NEW", "--set", "crop.size_px=97"], "is not a multiple of"),
    "minutes": (["pretrain", "DATA", "--run", "NEW", "--max-minutes", "-1"], "-1"),
    "no split": (["pretrain", "DATA", "--run", "NEW", "--recipe", "MIM", "--split", "NEW"], "split"),
    "odd split": (["pretrain", "DATA", "--run", "NEW", "--recipe", "MIM", "--split", "ODD"], "split"),
    "foreign split": (
        ["pretrain", "DATA", "--run", "NEW", "--recipe", "MIM", "--split", "FOREIGN"],
        "none of its subjects",
    ),
    "nothing to resume": (["pretrain", "DATA", "--run", "NEW", "--resume"], "no run to resume"),
    "resume with settings": (["pretrain", "DATA", "--run", "NEW", "--resume", "--set", "seed=1"], "NEW"),
    "run in a file": (["pretrain", "DATA", "--run", "MIM/run", "--recipe", "MIM"], "cannot be written"),
    "from nothing": (["finetune", "DATA", "--from", "NEW", "--run", "NEW2"], "the checkpoint does not exist"),
    "from no preset": (["finetune", "DATA", "--from", "PRETRAINED", "--run", "NEW"], "no preset has"),
    "too many": (
        ["finetune", "DATA", "--recipe", "SCRATCH", "--subjects", "60", "--run", "NEW"],
        "60 labelled subjects were requested",
    ),
    "no one": (["finetune", "DATA", "--recipe", "SCRATCH", "--subjects", ",", "--run", "NEW"], "is named"),
    "unlabelled": (
        ["finetune", "DATA", "--recipe", "SCRATCH", "--subjects", "f", "--run", "NEW"],
        "is not labelled at ED",
    ),
    "numeric id": (["finetune", "DATA", "--recipe", "SCRATCH", "--subjects", "001", "--run", "NEW"], "'001'"),
    "odd digit": (["finetune", "DATA", "--recipe", "SCRATCH", "--subjects", "²", "--run", "NEW"], "'²'"),
    "phase": (["finetune", "DATA", "--recipe", "SCRATCH", "--phases", "systole", "--run", "NEW"], "systole"),
    "segment by what": (["segment", "NEW", "DATA/a.nii.gz", "-o", "NEW2"], "the checkpoint does not exist"),
    "segment nothing": (["segment", "TRAINED", "-o", "NEW"], "Give at least one"),
    "segment text": (["segment", "TRAINED", "DATA/subjects.csv", "-o", "NEW"], "subjects.csv"),
    "segment by pretraining": (["segment", "PRETRAINED", "DATA/a.nii.gz", "-o", "NEW"], "Fine-tune it first"),
    "over its source": (["segment", "TRAINED", "DATA/a.nii.gz", "-o", "DATA/a.nii.gz"], "another name"),
    "over a label": (["segment", "TRAINED", "DATA/a.nii.gz", "-o", "DATA/a_ED_gt.nii.gz"], "another name"),
    "below a file": (["segment", "TRAINED", "DATA/a.nii.gz", "-o", "MIM/out"], "cannot be written"),
    "numbering": (["segment", "TRAINED", "DATA/a.nii.gz", "-o", "NEW", "--labels", "ukbb"], "ukbb"),
    "evaluate what": (["evaluate", "NEW", "DATA", "--csv", "NEW2"], "is not a run"),
    "table over a source": (["evaluate", "TRAINED", "DATA", "--csv", "DATA/subjects.csv"], "another name"),
    "table over an image": (["evaluate", "TRAINED", "DATA", "--csv", "DATA/a.nii.gz"], "another name"),
    "table is a folder": (["evaluate", "TRAINED", "DATA", "--csv", "DATA"], "another name"),
    "demo over work": (["demo", "--headless", "--out", "DATA"], "not hold an earlier demo"),
    "demo in a file": (["demo", "--headless", "--out", "MIM"], "not hold an earlier demo"),
}


@pytest.mark.parametrize(("arguments", "complaint"), BAD.values(), ids=BAD)
def test_bad_input_ends_with_a_message(
    call: Call,
    folder: Path,
    recipes: dict[str, Path],
    runs: dict[str, Path],
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
) -> None:
    """Any other exception would pass through `call` and fail the test."""
    places = {
        "DATA": folder,
        "NEW": tmp_path / "NEW",
        "NEW2": tmp_path / "NEW2",
        "MIM": recipes["mim"],
        "SCRATCH": recipes["scratch"],
        "PRETRAINED": runs["mim"],
        "TRAINED": runs["finetune"],
        "UNKNOWN": tmp_path / "unknown.yaml",
        "ODD": tmp_path / "odd.yaml",
        "FOREIGN": tmp_path / "foreign.yaml",
    }
    places["UNKNOWN"].write_text("method: mim\nupdates: 1\nlearning: 3\n")
    places["ODD"].write_text("train: 5\n")
    places["FOREIGN"].write_text("train: [x, y]\n")
    filled = [re.sub(r"^[A-Z]+2?(?=/|$)", lambda m: str(places.get(m[0], m[0])), word) for word in arguments]
    said = call(*filled)
    assert said.code in (1, 2)
    assert complaint in said.everything
    assert "Traceback" not in said.everything
    assert not (tmp_path / "NEW" / "last.safetensors").exists()


def test_every_unknown_setting_of_a_recipe_is_named_at_once(call: Call, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("method: mim\nupdates: 1\nepochs: 3\nsurprise: 1\ncrop: {zoom: 2, size_px: -5}\n")
    said = call("pretrain", folder, "--recipe", path, "--run", tmp_path / "run")
    assert said.code == 1
    for word in ("'surprise'", "'crop.zoom'", "crop.size_px"):
        assert word in said.err
    assert not (tmp_path / "run").exists()


def test_a_damaged_run_is_refused(call: Call, folder: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs["finetune"], copy)
    content = (copy / "last.safetensors").read_bytes()
    (copy / "last.safetensors").write_bytes(content[:-9])
    for arguments in (
        ["segment", copy, folder / "a.nii.gz", "-o", tmp_path / "out"],
        ["evaluate", copy, folder, "--csv", tmp_path / "scores.csv"],
        ["finetune", folder, "--from", copy, "--run", tmp_path / "next"],
        ["finetune", folder, "--run", copy, "--resume"],
    ):
        said = call(*arguments)
        assert said.code == 1
        assert "not a valid checkpoint" in said.err


def test_a_truncated_cine_is_refused_by_segment(
    call: Call, runs: dict[str, Path], folder: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(gzip.compress(gzip.decompress((folder / "a.nii.gz").read_bytes()))[:-300])
    said = call("segment", runs["finetune"], cut, "-o", tmp_path / "out.nii.gz")
    assert said.code == 1
    assert "cut.nii.gz" in said.err
