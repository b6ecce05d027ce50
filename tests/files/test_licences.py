"""Licences of public data sets: stated as far as known, never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cmr_ssp.files.layouts.licences import UNKNOWN, licence_of


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ("ACDC", "CC BY-NC-SA 4.0"),
        ("M&Ms and M&Ms-2", "research use, under the terms that were accepted for the download"),
        ("Sunnybrook", "CC0 1.0"),
        ("plain folder", UNKNOWN),
        ("M&Ms and something", UNKNOWN),
    ],
)
def test_known_layouts_have_a_licence(tmp_path: Path, layout: str, says: str) -> None:
    assert says in licence_of(layout, tmp_path)


@pytest.mark.parametrize(
    ("content", "licence"),
    [
        ('{"licence": "CC BY\\n 4.0"}', "CC BY 4.0"),
        ('{"license": "CC0"}', "CC0"),
        ('{"licence": ""}', UNKNOWN),
        ("[]", UNKNOWN),
        ("[1]", UNKNOWN),
        ("{", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_nnunet_may_state_one(tmp_path: Path, content: str | None, licence: str) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    assert licence_of("nnU-Net raw", tmp_path) == licence
