from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import CmrSspError
from cmr_ssp.events import Cancel, Cancelled
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from cmr_ssp.samples.bank import building as bank_building
from cmr_ssp.samples.bank.building import slice_bank
from cmr_ssp.samples.bank.slices import SliceBank, open_bank
from cmr_ssp.samples.standardise import standardise
from cmr_ssp.subjects import Cohort, Subject
from files_helpers import OBLIQUE, fingerprint, heart, pixels, save
from samples_helpers import BORDER, write_cohort
from torch.utils.data import DataLoader, Dataset, Subset


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return write_cohort(tmp_path / "cohort")


@pytest.fixture
def banks(tmp_path: Path) -> Path:
    return tmp_path / "banks"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the subjects that are prepared from now on."""
    seen: list[str] = []
    prepare = bank_building._prepare

    def recording(subject: Subject, cancel: Cancel) -> object:
        seen.append(subject.id)
        return prepare(subject, cancel)

    monkeypatch.setattr(bank_building, "_prepare", recording)
    return seen


def sides(bank: SliceBank) -> list[tuple[int, int]]:
    return [(int(r["rows"]), int(r["columns"])) for r in bank.index]


def test_slices_are_ordered_by_subject_frame_and_slice(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    assert bank.subject_ids == ("cine", "pair", "unlabelled")
    assert len(bank) == 4 * 3 + 2 * 2 + 2 * 2
    expected = [
        (number, frame, slice_)
        for number, (frames, slices) in enumerate([(4, 3), (2, 2), (2, 2)])
        for frame in range(frames)
        for slice_ in range(slices)
    ]
    assert [tuple(map(int, (r["subject"], r["frame"], r["slice"]))) for r in bank.index] == expected
    np.testing.assert_allclose(bank.relative_position[:6], [0, 1 / 3, 2 / 3] * 2)
    assert sides(bank)[:12] == [(14 - 2 * BORDER, 12 - 2 * BORDER)] * 12
    assert sides(bank)[12:] == [(11, 17)] * 4 + [(20, 9)] * 4


def test_images_are_the_standardised_slices(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    for number, subject in enumerate(cohort.subjects):
        expected = standardise(open_stack(subject).load())
        rows = np.flatnonzero(bank.index["subject"] == number)
        found = np.stack([bank.image(sample) for sample in rows]).reshape(expected.levels.shape)
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, expected.levels, atol=3e-3)
        np.testing.assert_allclose(bank.index["mean"][rows], expected.mean, rtol=1e-6)
        grid = open_stack(subject).grid
        np.testing.assert_allclose(bank.index["spacing_mm"][rows], [grid.spacing_mm[1:]] * len(rows))
    assert bank.index["spacing_mm"][0].tolist() == pytest.approx([1.25, 1.5])  # row, column


def test_labels_and_drawn_flags_lie_with_their_slices(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    inner = slice(BORDER, -BORDER)
    for phase, frame in ((Phase.ED, 0), (Phase.ES, 2)):
        drawing = read_segmentation(resolve_subject(cohort.subject("cine")), phase).labels[:, inner, inner]
        samples = bank.samples(["cine"], [phase])
        assert samples.tolist() == [frame * 3, frame * 3 + 1, frame * 3 + 2]
        for sample, expected in zip(samples, drawing, strict=True):
            found = bank.labels(sample)
            assert found is not None
            np.testing.assert_array_equal(found, expected)
    assert bank.labels(3) is None and bank.labels(19) is None
    assert bank.drawn(np.array([0, 3, 6, 12, 19])).tolist() == [
        [True, True, True],
        [False, False, False],
        [False, True, True],  # the ES of `cine` has no LV: nobody drew it
        [True, True, False],
        [False, False, False],
    ]


def test_samples_are_chosen_by_subject_and_phase(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    assert bank.samples().tolist() == list(range(20))
    assert bank.samples(["unlabelled", "pair"]).tolist() == list(range(12, 20))
    assert bank.samples(phases=[Phase.ES]).tolist() == [6, 7, 8, 14, 15]
    assert bank.samples(["unlabelled"], [Phase.ED, Phase.ES]).tolist() == []
    assert bank.samples([]).tolist() == []


def test_a_cine_comes_back_whole(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    cine = bank.cine("cine")
    assert cine.levels.shape == (4, 3, 10, 8)
    np.testing.assert_array_equal(cine.levels[2, 1], bank.image(7))
    assert sorted(cine.labels) == [0, 2]
    np.testing.assert_array_equal(cine.labels[2][1], bank.labels(7))
    everything = frozenset(Structure)
    assert cine.drawn == (everything, frozenset(), everything - {Structure.LV}, frozenset())
    assert bank.cine("unlabelled").labels == {}


def test_labels_follow_where_the_slice_order_is_turned_round(tmp_path: Path, banks: Path) -> None:
    turned = OBLIQUE.copy()
    turned[:3, 2] *= -1  # the file starts at the apex
    image, drawing = pixels(12, 12, 4), heart(12, 12, 4)[..., ::-1]
    save(tmp_path / "in" / "a_ED.nii.gz", image, turned)
    save(tmp_path / "in" / "a_ED_gt.nii.gz", drawing, turned)
    bank = slice_bank(open_cohort(tmp_path / "in").subjects, banks)
    np.testing.assert_array_equal(bank.labels(0), drawing[..., -1].T)
    expected = image[..., -1].T - image.min()
    np.testing.assert_allclose(bank.image(0), expected / image.std(ddof=1), atol=3e-3)


def test_a_bank_is_reused_while_nothing_changed(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    first = slice_bank(cohort.subjects, banks)
    second = slice_bank(open_cohort(cohort.root).subjects, banks)
    assert first.folder == second.folder and len(seen) == 3
    np.testing.assert_array_equal(first.index, second.index)


@pytest.mark.parametrize("name", ["cine.nii.gz", "pair_ES_gt.nii.gz"])
def test_a_bank_is_rebuilt_when_a_file_changes(
    cohort: Cohort, banks: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = slice_bank(cohort.subjects, banks)
    seen = counted(monkeypatch)
    path = cohort.root / name
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))
    second = slice_bank(open_cohort(cohort.root).subjects, banks)
    assert second.folder != first.folder and sorted(seen) == ["cine", "pair", "unlabelled"]


def test_other_subjects_and_other_phases_make_another_bank(cohort: Cohort, banks: Path) -> None:
    def folder(subjects: Sequence[Subject]) -> Path:
        return slice_bank(subjects, banks).folder

    every = folder(cohort.subjects)
    assert folder(cohort.subjects[:2]) != every
    assert folder(cohort.subjects[::-1]) != every
    (cohort.root / "subjects.csv").write_text("id,ed_frame,es_frame\ncine,0,3\n")
    assert folder(open_cohort(cohort.root).subjects) != every


def test_every_problem_is_named_and_no_half_bank_stays(cohort: Cohort, banks: Path) -> None:
    truncated = cohort.root / "pair_ES.nii.gz"
    truncated.write_bytes(truncated.read_bytes()[:-40])
    bad = heart(12, 14, 3)
    bad[5, 5, 1] = 9
    save(cohort.root / "cine_ES_gt.nii.gz", bad)
    save(cohort.root / "pair_ED_gt.nii.gz", np.full((17, 11, 2), 7, np.uint8))
    cohort = open_cohort(cohort.root)
    before = fingerprint(cohort.root)
    with pytest.raises(CmrSspError) as caught:
        slice_bank(cohort.subjects, banks)
    assert [Path(problem.where).name for problem in caught.value.problems] == [
        "cine_ES_gt.nii.gz",
        "pair_ES.nii.gz",
        "pair_ED_gt.nii.gz",
    ]
    assert list(banks.iterdir()) == []
    assert fingerprint(cohort.root) == before
    assert len(slice_bank(cohort.select(["unlabelled"]).subjects, banks)) == 4


def test_an_interrupted_build_leaves_nothing(cohort: Cohort, banks: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slice_bank(cohort.subjects, banks, stop)
    assert list(banks.iterdir()) == []


@pytest.mark.parametrize("step", ["_read", "standardise", "_index"])
def test_a_cancelled_build_stops_between_steps_and_leaves_nothing(
    cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    order = ["_read", "standardise", "_index"]
    steps = {name: getattr(bank_building, name) for name in order}
    cancel, done = Cancel(), list[str]()

    def counted(name: str) -> Any:
        def work(*arguments: object) -> object:
            done.append(name)
            if name == step:
                cancel.request()
            return steps[name](*arguments)

        return work

    for name in steps:
        monkeypatch.setattr(bank_building, name, counted(name))
    monkeypatch.setattr(bank_building.os, "cpu_count", lambda: 1)
    with pytest.raises(Cancelled):
        slice_bank(cohort.subjects, banks, cancel=cancel)
    assert done == order[: order.index(step) + 1]  # of the first of three subjects
    assert list(banks.iterdir()) == []


def test_a_file_that_vanished_is_named(cohort: Cohort, banks: Path) -> None:
    (cohort.root / "cine.nii.gz").unlink()
    (cohort.root / "pair_ED_gt.nii.gz").unlink()
    with pytest.raises(CmrSspError) as caught:
        slice_bank(cohort.subjects, banks)
    assert [Path(problem.where).name for problem in caught.value.problems] == [
        "cine.nii.gz",
        "pair_ED_gt.nii.gz",
    ]


def test_whoever_is_first_wins(cohort: Cohort, banks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process finishes the same bank while this one is at work."""
    write = bank_building._write
    others: list[SliceBank] = []

    def overtaken(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(bank_building, "_write", write)
        others.append(slice_bank(cohort.subjects, banks))

    monkeypatch.setattr(bank_building, "_write", overtaken)
    mine = slice_bank(cohort.subjects, banks)
    assert [mine.folder] == [others[0].folder] == list(banks.iterdir())


def test_progress_counts_subjects(cohort: Cohort, banks: Path) -> None:
    calls: list[tuple[int, int]] = []
    slice_bank(cohort.subjects, banks, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_pixels_are_mapped_and_training_cannot_change_the_file(cohort: Cohort, banks: Path) -> None:
    folder = slice_bank(cohort.subjects, banks).folder
    before = fingerprint(folder)
    bank = open_bank(folder)
    assert isinstance(bank._bytes.base, np.memmap)
    image = bank.image(0)
    assert np.shares_memory(image, bank._bytes)
    image[:] = 1
    assert fingerprint(folder) == before


def test_a_cine_keeps_its_fingerprint_under_another_name(cohort: Cohort, banks: Path) -> None:
    first = slice_bank(cohort.subjects, banks)
    assert len(set(first.fingerprints)) == 3
    (cohort.root / "unlabelled.nii.gz").rename(cohort.root / "other.nii.gz")
    renamed = slice_bank(open_cohort(cohort.root).subjects, banks)
    assert renamed.subject_ids == ("cine", "other", "pair")
    assert renamed.fingerprints[1] == first.fingerprints[2]


def test_sources_are_never_changed(cohort: Cohort, banks: Path) -> None:
    before = fingerprint(cohort.root)
    slice_bank(cohort.subjects, banks)
    assert fingerprint(cohort.root) == before


def test_a_sample_is_a_dictionary_of_tensors(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    assert isinstance(bank, Dataset)
    drawn_on, blank = bank[7], bank[3]
    assert (drawn_on["subject"], drawn_on["frame"], drawn_on["slice"]) == ("cine", 2, 1)
    expected = bank.image(7).astype(np.float32) - bank.index["mean"][7]
    np.testing.assert_allclose(drawn_on["image"].numpy(), expected[None], atol=1e-6)
    assert drawn_on["image"].dtype == torch.float32
    np.testing.assert_array_equal(drawn_on["labels"][0], bank.labels(7))
    assert drawn_on["drawn"].tolist() == [False, True, True]
    assert drawn_on["spacing_mm"].tolist() == pytest.approx([1.25, 1.5])
    np.testing.assert_allclose(drawn_on["heart_px"], bank.index["heart_px"][7], rtol=1e-6)
    assert blank["labels"].shape == blank["image"].shape and not blank["labels"].any()
    assert len(list(bank)) == len(bank)  # past the last sample is an IndexError
    drawn_on["image"].zero_(), drawn_on["labels"].zero_()
    assert bank[7]["image"].any() and bank[7]["labels"].any()


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "spawn")])
def test_a_plain_loader_takes_slices_of_any_size(
    cohort: Cohort, banks: Path, workers: int, start: str | None
) -> None:
    bank = slice_bank(cohort.subjects, banks)
    loader = DataLoader(bank, batch_size=10, num_workers=workers, multiprocessing_context=start)
    first, second = loader  # the second batch holds slices of three sizes
    assert first["subject"] == ["cine"] * 10 and second["subject"][2:6] == ["pair"] * 4
    assert second["image"].shape == second["labels"].shape == (10, 1, 20, 17)
    np.testing.assert_array_equal(second["image"][3, :, :11], bank[13]["image"])
    assert (second["image"][3, :, 11:] == bank[13]["image"].min()).all()
    np.testing.assert_array_equal(second["labels"][2, 0, :11], bank.labels(12))
    labelled = Subset(bank, bank.samples(phases=[Phase.ED]).tolist())
    (batch,) = DataLoader(labelled, batch_size=10)
    assert batch["drawn"].tolist() == [[True, True, True]] * 3 + [[True, True, False]] * 2


def test_a_pickled_bank_is_its_folder(cohort: Cohort, banks: Path) -> None:
    bank = slice_bank(cohort.subjects, banks)
    pickled = pickle.dumps(bank)
    assert len(pickled) < 500
    again = pickle.loads(pickled)  # noqa: S301 - our own
    assert len(again) == len(bank)
    np.testing.assert_array_equal(again.image(13), bank.image(13))
