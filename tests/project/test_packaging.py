"""What ships, what is pinned, and that our own warnings are errors."""

from __future__ import annotations

import re
import tomllib
import warnings
import zipfile
from email import message_from_string
from email.message import Message
from itertools import chain
from typing import Any

import cmr_ssp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

PROJECTS = {"napari_cmr_ssp": ROOT, "cmr_ssp": ROOT / "engine"}
"""Where each package's pyproject.toml lies."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.Path]:
    """Build both wheels; return them by what they install."""
    from hatchling.builders.wheel import WheelBuilder

    built = {}
    for package, project in PROJECTS.items():
        folder = tmp_path_factory.mktemp("dist")
        (path,) = WheelBuilder(str(project)).build(directory=str(folder), versions=["standard"])
        built[package] = zipfile.Path(path)
    return built


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def engine() -> dict[str, Any]:
    return tomllib.loads((ROOT / "engine" / "pyproject.toml").read_text())


def names_in(wheel: zipfile.Path) -> set[str]:
    return {name for name in wheel.root.namelist() if not name.endswith("/")}


def metadata_of(wheel: zipfile.Path) -> Message:
    (about,) = (name for name in names_in(wheel) if name.endswith(".dist-info/METADATA"))
    return message_from_string(wheel.root.read(about).decode())


@pytest.mark.parametrize("package", PROJECTS)
def test_wheel_has_its_package_alone_and_all_of_it(wheels: dict[str, zipfile.Path], package: str) -> None:
    above = PROJECTS[package]
    files = (path for path in (above / package).rglob("*") if path.is_file())
    shipped = {str(path.relative_to(above)) for path in files if "__pycache__" not in path.parts}
    found = {name for name in names_in(wheels[package]) if ".dist-info/" not in name}
    assert found == shipped
    assert f"{package}/py.typed" in found


def test_wheels_have_what_is_no_module(wheels: dict[str, zipfile.Path]) -> None:
    assert "napari_cmr_ssp/napari.yaml" in names_in(wheels["napari_cmr_ssp"])
    assert any(re.search(r"/presets/.*paper\.yaml$", name) for name in names_in(wheels["cmr_ssp"]))


def test_both_wheels_have_one_version_and_the_licence(wheels: dict[str, zipfile.Path]) -> None:
    for wheel in wheels.values():
        assert metadata_of(wheel)["Version"] == cmr_ssp.__version__
        assert any(name.endswith("/licenses/LICENSE") for name in names_in(wheel))


def test_plugin_needs_the_engine_of_its_own_version(wheels: dict[str, zipfile.Path]) -> None:
    needed = metadata_of(wheels["napari_cmr_ssp"]).get_all("Requires-Dist") or []
    assert f"cmr-ssp=={cmr_ssp.__version__}" in needed


def test_engine_installs_no_window_and_brings_the_command(wheels: dict[str, zipfile.Path]) -> None:
    needed = {_name(line) for line in metadata_of(wheels["cmr_ssp"]).get_all("Requires-Dist") or []}
    assert {"torch", "monai", "nibabel"} <= needed
    assert not needed & {"napari", "qtpy", "superqt", "magicgui", "pyqtgraph", "psygnal", "pyqt6", "pyside6"}
    (scripts,) = (name for name in names_in(wheels["cmr_ssp"]) if name.endswith("/entry_points.txt"))
    assert b"cmr-ssp = cmr_ssp.cli:main" in wheels["cmr_ssp"].root.read(scripts)


def test_wheel_names_the_manifest(project: dict[str, Any]) -> None:
    assert project["project"]["entry-points"]["napari.manifest"] == {
        "napari-cmr-ssp": "napari_cmr_ssp:napari.yaml"
    }
    assert (ROOT / "napari.yaml").read_text() == (ROOT / "napari_cmr_ssp" / "napari.yaml").read_text()


def test_every_dependency_has_a_tested_version(project: dict[str, Any], engine: dict[str, Any]) -> None:
    pins = _pins()
    assert set(map(_name, _asked(project, engine))) - {"cmr-ssp"} <= set(pins)
    assert pins["torch"] == "2.13.0"


def test_release_installs_the_tested_versions() -> None:
    pins, locked = _pins(), _locked()
    stale = {name: (found, pins[name]) for name, found in locked.items() if found != pins.get(name, found)}
    assert not stale, "run make lock"


def test_release_has_every_dependency_but_torch(project: dict[str, Any], engine: dict[str, Any]) -> None:
    asked = {
        *project["project"]["dependencies"],
        *engine["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["pyside6"],
        *engine["project"]["optional-dependencies"]["dicom"],
    }
    assert set(map(_name, asked)) - set(_locked()) == {"torch", "cmr-ssp"}, "run make lock"


def test_release_checks_every_package_and_names_no_server() -> None:
    text = (ROOT / "requirements.lock").read_text()
    for entry in re.split(r"\n(?=[a-z])", text.partition("\n")[2]):
        assert "--hash=sha256:" in entry or entry.startswith("#"), entry
    assert not re.search(r"https?:|--index|--find-links|file:", text)


def test_no_tested_version_is_below_its_bound(project: dict[str, Any], engine: dict[str, Any]) -> None:
    asked = [Requirement(line) for line in _asked(project, engine)]
    pins = _pins()
    tested = [(r, pins[canonicalize_name(r.name)]) for r in asked if canonicalize_name(r.name) in pins]
    assert len(tested) > 30
    assert not [(str(r), version) for r, version in tested if version not in r.specifier]


def _asked(*projects: dict[str, Any]) -> list[str]:
    """Return every requirement of both packages, those of extras too."""
    return [
        line
        for each in (found["project"] for found in projects)
        for line in chain(each["dependencies"], *each["optional-dependencies"].values())
    ]


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _pins() -> dict[str, str]:
    """Return the versions of ``constraints.txt``."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def _locked() -> dict[str, str]:
    """Return the versions of ``requirements.lock``."""
    text = (ROOT / "requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.MULTILINE))


@pytest.mark.parametrize("module", ["cmr_ssp", "cmr_ssp.files.formats.nifti", "napari_cmr_ssp.scene.layers"])
def test_a_warning_of_our_own_is_an_error(module: str) -> None:
    with pytest.raises(DeprecationWarning, match="ours"):
        warn_from(module, "ours")


@pytest.mark.filterwarnings("default")
def test_warn_from_warns() -> None:
    with pytest.warns(DeprecationWarning, match="anyone's"):
        warn_from("cmr_ssp.files", "anyone's")


@pytest.mark.parametrize("module", ["numpy.lib", "my_cmr_ssp", "cmr_ssp_other"])
def test_warnings_of_others_are_not(module: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warn_from(module, "theirs")
    assert len(caught) == 1


def warn_from(module: str, text: str) -> None:
    """Warn as code of `module` does."""
    code = compile(f"import warnings; warnings.warn({text!r}, DeprecationWarning)", f"{module}.py", "exec")
    exec(code, {"__name__": module})
