"""Bundles: a network that segments as one zip file with its recipe and card, and no code.

A bundle has exactly the files of `MEMBERS`, stored without compression, so that nothing can expand. The same
run gives the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cmr_ssp.atomic import replacing
from cmr_ssp.errors import CmrSspError, OutputError, Problem, RunError
from cmr_ssp.events import Outcome
from cmr_ssp.runs.card import LONGEST_CARD, Card, Training, parse_card
from cmr_ssp.runs.header import file_digest, read_checkpoint_header
from cmr_ssp.runs.parcels import BUNDLE_AGAIN, CARD, DAMAGED, IN_RUN, MEMBERS, WEIGHTS, open_parcel
from cmr_ssp.runs.run import Run
from cmr_ssp.subjects import Split
from cmr_ssp.subjects.split_file import write_split

_OTHER = ("was changed after the export: it does not match its digest in card.yaml", BUNDLE_AGAIN)
_WHEN = (1980, 1, 1, 0, 0, 0)  # so that equal content gives equal bytes
_MODE = 0o644 << 16


def write_bundle(path: Path, files: Mapping[str, Path]) -> None:
    """Write a bundle atomically; `files` has a path for each of `MEMBERS`.

    Raises
    ------
    OutputError
        If it cannot be written; an existing file is kept.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in MEMBERS:
            member = zipfile.ZipInfo(name, _WHEN)
            member.external_attr = _MODE
            with files[name].open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def require_place(path: Path) -> None:
    """Check that a bundle can be written: the name ends in .zip, and what is there is a bundle.

    Raises
    ------
    OutputError
        If that is not so.
    """
    if path.suffix.lower() != ".zip":
        raise OutputError.of(path, "does not end in .zip", "Choose a name such as model.zip.")
    if not path.exists():
        return
    try:
        read_card(path)
    except CmrSspError as error:
        what = "it exists, but is not a bundle"
        raise OutputError.of(path, what, "Choose another name, or move that file away.") from error


def read_card(path: Path) -> Card:
    """Read the card of a bundle; weights and recipe are not compared with it.

    Raises
    ------
    RunError
        If it is no bundle, or its card was changed.
    """
    with open_parcel(path) as parcel:
        if not parcel.is_bundle:
            raise RunError.of(path, "is a run, not a bundle", "Write one with `cmr-ssp model export`.")
        if parcel.problems or parcel.missing:
            raise RunError(*parcel.problems, *parcel.missing)
        try:
            with parcel.opener(CARD) as file:
                text = file.read(LONGEST_CARD)
        except (*DAMAGED, OSError) as error:
            raise RunError.of(path / CARD, f"is damaged ({error})", "Copy it again.") from error
    return parse_card(text, path / CARD)


def verified_card(path: Path) -> Card:
    """Read the card of a bundle, and compare weights and recipe with their digests in it.

    Raises
    ------
    RunError
        If it is no bundle, or anything in it was changed.
    """
    card = read_card(path)
    with open_parcel(path) as parcel:
        for name in (each for each in MEMBERS if each != CARD):
            try:
                with parcel.opener(IN_RUN.get(name, name)) as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
            except (*DAMAGED, OSError) as error:
                raise RunError.of(path / name, f"is damaged ({error})", "Copy it again.") from error
            if digest != card.files.get(name):
                raise RunError.of(path / name, *_OTHER)
    return card


def unpack_bundle(run: Run) -> tuple[Problem, ...]:
    """Complete a run folder that has the files of a bundle, and return what contradicts its card.

    The split names no subject: those that training has seen are recognised by their images.
    """
    try:
        card = parse_card(run.card.read_bytes()[: LONGEST_CARD + 1], run.card)
        paths = {WEIGHTS: run.last, "recipe.yaml": run.recipe_file}
        found = [Problem(str(at), *_OTHER) for n, at in paths.items() if file_digest(at) != card.files.get(n)]
        header = None if found else read_checkpoint_header(run.last)
        if header is not None and not card.model.agrees_with(Training.of(header)):
            what = "describes another training than the header of the weights"
            found.append(Problem(str(run.card), what, BUNDLE_AGAIN))
    except CmrSspError as error:
        return error.problems
    except (AttributeError, TypeError, ValueError) as error:  # somebody else wrote the header
        return (Problem(str(run.last), f"has no valid provenance ({str(error)[:200]})", BUNDLE_AGAIN),)
    write_split(run.folder / "split.yaml", Split({}, None))
    run.write_history([])
    run.write_state(Outcome.FINISHED)
    run.write_note(card.in_words())
    return tuple(found)
