"""Which subjects the table of a cohort shows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from cmr_ssp.subjects import Role, Subject

from napari_cmr_ssp.io.own_labels import OwnByPhase
from napari_cmr_ssp.session import Session


class Showing(StrEnum):
    """Kind of subjects to show."""

    ALL = "All"
    LABELLED = "Labelled"
    NOT_LABELLED = "Not labelled"
    TEST = "Test"
    TICKED = "Ticked"


def is_shown(
    subject: Subject,
    showing: Showing,
    session: Session,
    own: Mapping[str, OwnByPhase],
    *,
    is_refused: bool,
) -> bool:
    """Return whether a subject is of a kind; a refused one is of no kind but all."""
    if showing is Showing.ALL:
        return True
    if is_refused:
        return False
    if showing is Showing.TEST:
        return session.has_roles and session.split.role(subject.id) is Role.TEST
    if showing is Showing.TICKED:
        return subject.id in session.ticks
    versions = any(each.version for each in own.get(subject.id, {}).values())
    return (bool(subject.labels) or versions) is (showing is Showing.LABELLED)
