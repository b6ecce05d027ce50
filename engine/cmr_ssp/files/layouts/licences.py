"""Licences of the public data sets, by layout, as far as they are known.

A layout does not prove where data comes from: these texts are shown to the user, who knows.
"""

from __future__ import annotations

import json
from pathlib import Path

from cmr_ssp.errors import CmrSspError
from cmr_ssp.files.formats.folders import read_text
from cmr_ssp.files.layouts import acdc, mnms, mnms2, nnunet, sunnybrook, sunnybrook_exams

UNKNOWN = "licence unknown: ask whom you have the data from"
"""Text for data of other layouts."""

_CHALLENGE = "research use, under the terms that were accepted for the download"
_LICENCES = {
    acdc.NAME: "CC BY-NC-SA 4.0: no commercial use",
    mnms.NAME: _CHALLENGE,
    mnms2.NAME: _CHALLENGE,
    sunnybrook.NAME: "CC0 1.0",
    sunnybrook_exams.NAME: "CC0 1.0",
}
_LONGEST = 200


def licence_of(layout: str, folder: Path) -> str:
    """Return the licence of a data set as text, or `UNKNOWN`.

    Parameters
    ----------
    layout : str
        Layout of a cohort; several are joined by `` and ``.
    folder : Path
        Folder of the cohort; nnU-Net's ``dataset.json`` may state a licence.
    """
    if layout == nnunet.NAME:
        return _stated(folder / "dataset.json") or UNKNOWN
    known = [_LICENCES.get(name, UNKNOWN) for name in layout.split(" and ")]
    return "; ".join(dict.fromkeys(known))


def _stated(path: Path) -> str:
    try:
        about = json.loads(read_text(path))
    except (CmrSspError, OSError, ValueError, RecursionError):
        return ""
    if not isinstance(about, dict):
        return ""
    stated = about.get("licence") or about.get("license") or ""
    return " ".join(str(stated).split())[:_LONGEST]
