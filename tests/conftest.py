from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from places import ROOT

SLOW = ROOT / "tests" / "slow"

# Tensors are tiny here: threads would only wait for one another. Set before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where both bindings are installed, pytest-qt, qtpy and vispy would not choose the same one by themselves.
BINDING = os.environ.setdefault("QT_API", "pyqt6" if find_spec("PyQt6") else "pyside6")
os.environ["PYTEST_QT_API"] = BINDING


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Qt, so that it can be run with another binding, and what can be left out."""
    for item in items:
        fixtures = item.fixturenames if isinstance(item, pytest.Function) else ()
        if "qapp" in fixtures:
            item.add_marker("window")
        if "real_data" in fixtures:
            item.add_marker("real_data")
        if SLOW in item.path.parents:
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep slice banks out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("CMR_SSP_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of public patients' data, or skip where this machine has none."""
    folder = Path(os.environ.get("CMR_SSP_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "acdc").is_dir():
        pytest.skip("needs the public cine data (set CMR_SSP_DATA to its folder)")
    return folder
