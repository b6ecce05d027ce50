"""The job bar while a job is running."""

from __future__ import annotations

import pytest
from cmr_ssp.errors import Problem, Severity
from cmr_ssp.events import Noticed
from qtpy.QtWidgets import QApplication

from napari_cmr_ssp.jobs.bar import JobBar
from napari_cmr_ssp.jobs.job import Job


def notice(what: str) -> Noticed:
    return Noticed(Problem("cpu", what, "Wait.", Severity.WARNING))


def test_notices_are_shown_while_the_job_runs(qapp: QApplication) -> None:
    bar = JobBar()
    bar.start(Job("Train", lambda *_: None))
    assert bar.problems.isHidden()
    bar.show_event(notice("slow arithmetic"))
    bar.show_event(notice("unsure heart"))
    assert not bar.problems.isHidden()
    assert "slow arithmetic" in bar.problems.text() and "unsure heart" in bar.problems.text()


@pytest.mark.parametrize("n_notices", [1, 2])
def test_the_problems_of_an_earlier_job_stay(qapp: QApplication, n_notices: int) -> None:
    bar = JobBar()
    bar.show_problems([Problem("b.nii.gz", "is damaged", "Copy it again.")])
    bar.start(Job("Train", lambda *_: None))
    for _ in range(n_notices):
        bar.show_event(notice("slow arithmetic"))
    assert "is damaged" in bar.problems.text()
