"""What an import pulls in, looked at in fresh processes."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import napari_cmr_ssp
import napari_cmr_ssp.panels

HEAVY = {"torch", "monai", "lightning_fabric"}
WINDOW = {"qtpy", "napari", "superqt", "magicgui", "PyQt6", "PySide6", "vispy"}


def loaded_by(*modules: str) -> set[str]:
    """Import modules in a fresh process; return the top-level packages that are loaded afterwards."""
    code = "; ".join(
        [
            "import importlib, sys",
            f"[importlib.import_module(name) for name in {modules!r}]",
            "print(*{name.partition('.')[0] for name in sys.modules})",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_of(package: str, path: list[str]) -> list[str]:
    return [package, *(m.name for m in pkgutil.walk_packages(path, package + "."))]


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"cmr_ssp", "json"} <= loaded_by("cmr_ssp", "json")


@pytest.mark.parametrize(
    "package",
    [
        "cmr_ssp.files",
        "cmr_ssp.subjects",
        "cmr_ssp.recipes",
        "cmr_ssp.evaluation",
        "cmr_ssp.exports",
        "cmr_ssp.runs",
        "cmr_ssp.cli",
    ],
)
def test_light_parts_load_neither_torch_nor_monai(package: str) -> None:
    assert not loaded_by(package) & HEAVY


def test_pydicom_is_not_needed_until_there_is_dicom() -> None:
    # nibabel imports it where it is installed, so what is loaded tells nothing
    code = "import sys; sys.modules['pydicom'] = None; import cmr_ssp.files.dicom, cmr_ssp.cli.convert"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_describes_itself_without_torch() -> None:
    # cyclopts imports the module of each command to describe it
    code = "import sys; from cmr_ssp.cli.app import app; app(['--help'], result_action='return_value'); "
    code += "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pretrain" in done.stdout
    assert not set(done.stderr.split()) & (HEAVY | WINDOW)


def test_options_and_help_load_what_parses_them_alone() -> None:
    code = "import sys; from cmr_ssp.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pretrain" in done.stdout
    read_files = {"numpy", "nibabel", "pydicom", "scipy", "pydantic", "yaml"}
    assert not set(done.stderr.split()) & (HEAVY | WINDOW | read_files)


def test_jobs_load_torch_but_not_what_training_alone_needs() -> None:
    found = loaded_by("cmr_ssp.jobs")
    assert "torch" in found
    assert not found & {"monai", "lightning_fabric"}


def test_plugin_loads_neither_torch_nor_monai() -> None:
    modules = modules_of("napari_cmr_ssp", list(napari_cmr_ssp.__path__))
    assert "napari_cmr_ssp.io.reader" in modules
    assert not loaded_by(*modules) & HEAVY


def test_controllers_of_panels_load_no_qt() -> None:
    names = modules_of("napari_cmr_ssp.panels", list(napari_cmr_ssp.panels.__path__))
    controllers = [name for name in names if name.endswith(".controller")]
    assert len(controllers) > 4
    assert not loaded_by(*controllers) & {"qtpy", "PyQt6", "PySide6", "superqt", "vispy"}


def test_engine_loads_no_window() -> None:
    import cmr_ssp

    assert not loaded_by(*modules_of("cmr_ssp", list(cmr_ssp.__path__))) & WINDOW
