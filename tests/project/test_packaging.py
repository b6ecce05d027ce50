"""What ships, what is pinned, and that our own warnings are errors."""

from __future__ import annotations

import re
import tomllib
import warnings
import zipfile
from itertools import chain
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel; return the names of the files in it."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("dist")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return set(zipfile.ZipFile(path).namelist())


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_wheel_has_all_that_is_no_module(wheel: set[str]) -> None:
    sources = {"napari_cmr_ssp": ROOT, "cmr_ssp": ROOT / "engine"}
    for package, above in sources.items():
        files = (path for path in (above / package).rglob("*") if path.is_file())
        shipped = {str(path.relative_to(above)) for path in files if "__pycache__" not in path.parts}
        assert shipped <= wheel
    assert {"napari_cmr_ssp/napari.yaml", "cmr_ssp/py.typed", "napari_cmr_ssp/py.typed"} <= wheel
    assert any(name.startswith("cmr_ssp/recipes/presets/") for name in wheel)


def test_wheel_has_the_two_packages_alone(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cmr_ssp", "napari_cmr_ssp"}


def test_wheel_names_the_manifest(project: dict[str, Any]) -> None:
    assert project["project"]["entry-points"]["napari.manifest"] == {
        "napari-cmr-ssp": "napari_cmr_ssp:napari.yaml"
    }
    assert (ROOT / "napari.yaml").read_text() == (ROOT / "napari_cmr_ssp" / "napari.yaml").read_text()


def test_every_dependency_has_a_tested_version(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    asked = [
        *project["project"]["dependencies"],
        *extras["test"],
        *extras["docs"],
        *extras["pyqt6"],
        *extras["pyside6"],
        *extras["dicom"],
        *extras["release"],
    ]
    pins = _pins()
    assert {_name(line) for line in asked} <= set(pins)
    assert pins["torch"] == "2.13.0"


def test_release_installs_the_tested_versions() -> None:
    pins, locked = _pins(), _locked()
    stale = {name: (found, pins[name]) for name, found in locked.items() if found != pins.get(name, found)}
    assert not stale, "run make lock"


def test_release_has_every_dependency_but_torch(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    asked = {
        _name(line) for line in [*project["project"]["dependencies"], *extras["pyside6"], *extras["dicom"]]
    }
    assert asked - set(_locked()) == {"torch"}, "run make lock"


def test_release_checks_every_package_and_names_no_server() -> None:
    text = (ROOT / "requirements.lock").read_text()
    for entry in re.split(r"\n(?=[a-z])", text.partition("\n")[2]):
        assert "--hash=sha256:" in entry or entry.startswith("#"), entry
    assert not re.search(r"https?:|--index|--find-links|file:", text)


def test_no_tested_version_is_below_its_bound(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    asked = [Requirement(line) for line in chain(project["project"]["dependencies"], *extras.values())]
    pins = _pins()
    tested = [(r, pins[canonicalize_name(r.name)]) for r in asked if canonicalize_name(r.name) in pins]
    assert len(tested) > 30
    assert not [(str(r), version) for r, version in tested if version not in r.specifier]


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
