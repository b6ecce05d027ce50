"""Folders of this repository that tests need to know, wherever the test itself lies."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELPERS = Path(__file__).resolve().parent
DATA = ROOT / "tests" / "data"
