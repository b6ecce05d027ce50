from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.anatomy import Phase, Structure
from cmr_ssp.errors import CohortError, LabelError, Severity
from cmr_ssp.files import open_cohort, open_stack, read_segmentation, resolve_subject
from files_helpers import heart, pixels, save

SHAPE = (12, 12, 6)
ED, ES = Phase.ED, Phase.ES
BIG, SMALL = heart(radius=4.0), heart(radius=3.0)


def acdc_subject(folder: Path, number: int, *, cine: bool = False, group: str = "DCM", es: int = 3) -> Path:
    """Write one subject of five frames, ED at 1 and ES at `es` (from 1)."""
    name = f"patient{number:03d}"
    here = folder / name
    frames = pixels(*SHAPE, 5, seed=number)
    labels = {1: heart(radius=4.0, numbering="acdc"), es: heart(radius=3.0, numbering="acdc")}
    for frame, drawn in labels.items():
        save(here / f"{name}_frame{frame:02d}.nii.gz", frames[..., frame - 1])
        save(here / f"{name}_frame{frame:02d}_gt.nii.gz", drawn)
    if cine:
        save(here / f"{name}_4d.nii.gz", frames)
    (here / "Info.cfg").write_text(
        f"ED: 1\nES: {es}\nGroup: {group}\nHeight: 170.0\nNbFrame: 5\nWeight: 70.0\n"
    )
    return here


def labels_4d(frames: dict[int, np.ndarray], n: int = 5) -> np.ndarray:
    labels = np.zeros((*SHAPE, n), np.uint8)
    for frame, drawn in frames.items():
        labels[..., frame] = drawn
    return labels


def frames_of(folder: Path) -> dict[str, dict[Phase, int]]:
    return {
        s.id: {label.phase: label.listed_frame for label in s.labels} for s in open_cohort(folder).subjects
    }


class TestACDC:
    def test_ed_and_es_alone(self, tmp_path: Path) -> None:
        acdc_subject(tmp_path, 1)
        cohort = open_cohort(tmp_path)
        (subject,) = cohort.subjects
        assert (cohort.layout, cohort.problems) == ("ACDC", ())
        assert (subject.id, subject.vendor, subject.group) == ("patient001", "Siemens", "DCM")
        assert frames_of(tmp_path) == {"patient001": {ED: 0, ES: 1}}
        assert np.array_equal(open_stack(subject).load(), pixels(*SHAPE, 5, seed=1).T[[0, 2]])
        assert np.array_equal(read_segmentation(resolve_subject(subject), ES).labels, SMALL.T)

    def test_with_the_cine(self, tmp_path: Path) -> None:
        acdc_subject(tmp_path, 1, cine=True)
        subject = open_cohort(tmp_path).subject("patient001")
        assert frames_of(tmp_path) == {"patient001": {ED: 0, ES: 2}}
        assert open_stack(subject).load().shape == (5, 6, 12, 12)
        assert [label.frame for label in resolve_subject(subject).labels] == [
            label.listed_frame for label in subject.labels
        ]
        assert resolve_subject(subject).problems == ()

    def test_ed_may_come_after_es(self, tmp_path: Path) -> None:
        info = acdc_subject(tmp_path, 1) / "Info.cfg"
        info.write_text("ED: 3\nES: 1\nGroup: NOR\n")
        assert frames_of(tmp_path) == {"patient001": {ED: 1, ES: 0}}

    def test_a_frame_number_that_is_none(self, tmp_path: Path) -> None:
        """In Python a superscript is a digit, but cannot be converted to a number."""
        info = acdc_subject(tmp_path, 1) / "Info.cfg"
        info.write_text("ED: ²\nES: 3\nGroup: NOR\n", encoding="utf-8")
        assert frames_of(tmp_path) == {"patient001": {ES: 1}}
        (problem,) = open_cohort(tmp_path).problems
        assert "which phase frame 1 is" in problem.what

    def test_a_test_set_without_labels(self, tmp_path: Path) -> None:
        for path in acdc_subject(tmp_path, 101, cine=True).glob("*_gt*"):
            path.unlink()
        cohort = open_cohort(tmp_path)
        assert cohort.subjects[0].labels == ()
        assert cohort.problems == ()

    def test_one_phase_labelled(self, tmp_path: Path) -> None:
        (acdc_subject(tmp_path, 1) / "patient001_frame03_gt.nii.gz").unlink()
        assert frames_of(tmp_path) == {"patient001": {ED: 0}}

    def test_a_label_without_image(self, tmp_path: Path) -> None:
        (acdc_subject(tmp_path, 1) / "patient001_frame03.nii.gz").unlink()
        (problem,) = open_cohort(tmp_path).problems
        assert "frame 3" in problem.what

    def test_without_info_the_phases_are_unknown(self, tmp_path: Path) -> None:
        (acdc_subject(tmp_path, 1) / "Info.cfg").unlink()
        cohort = open_cohort(tmp_path)
        assert cohort.subjects[0].labels == ()
        assert {problem.severity for problem in cohort.problems} == {Severity.WARNING}
        assert len(cohort.problems) == 3


def mnms_subject(
    folder: Path, code: str, frames: dict[int, np.ndarray] | None, *, nested: bool = True, n: int = 5
) -> None:
    here = folder / code if nested else folder
    save(here / f"{code}_sa.nii.gz", pixels(*SHAPE, n))
    if frames is not None:
        save(here / f"{code}_sa_gt.nii.gz", labels_4d(frames, n))


def mnms_table(folder: Path, *rows: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    header = ",External code,VendorName,Vendor,Centre,ED,ES,Pathology"
    lines = [header, *(f"{index},{row}" for index, row in enumerate(rows))]
    (folder / "info.csv").write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")


class TestMnMs:
    def test_cines_with_a_table(self, tmp_path: Path) -> None:
        mnms_subject(tmp_path, "A1B2C3", {0: BIG, 3: SMALL})
        mnms_subject(tmp_path, "D4E5F6", None)
        mnms_table(tmp_path, "A1B2C3,Siemens,A,1,0,3,HCM", "D4E5F6,,C,4,0,2,")
        cohort = open_cohort(tmp_path)
        assert (cohort.layout, cohort.problems) == ("M&Ms", ())
        assert frames_of(tmp_path) == {"A1B2C3": {ED: 0, ES: 3}, "D4E5F6": {}}
        assert [(s.vendor, s.group) for s in cohort.subjects] == [("Siemens", "HCM"), ("GE", None)]
        subject = cohort.subjects[0]
        assert [label.frame for label in resolve_subject(subject).labels] == [
            label.listed_frame for label in subject.labels
        ]
        assert resolve_subject(subject).problems == ()
        assert np.array_equal(read_segmentation(resolve_subject(subject), ES).labels, SMALL.T)

    @pytest.mark.parametrize("row", ["3,0", "0,2", "4,1"])
    def test_a_wrong_table_is_corrected_from_the_pixels(self, tmp_path: Path, row: str) -> None:
        mnms_subject(tmp_path, "A1B2C3", {0: BIG, 3: SMALL})
        mnms_table(tmp_path, f"A1B2C3,Siemens,A,1,{row},HCM")
        subject = resolve_subject(open_cohort(tmp_path).subjects[0])
        problems = subject.problems
        assert {label.phase: label.listed_frame for label in subject.labels} == {ED: 0, ES: 3}
        assert [label.source.index for label in subject.labels] == [0, 3]
        assert problems[0].severity is Severity.WARNING
        assert "ED at frame 0 and ES at frame 3" in problems[0].what

    @pytest.mark.parametrize("row", ["0,9", ",", "2,2"])
    def test_an_unusable_table_is_replaced_by_the_pixels(self, tmp_path: Path, row: str) -> None:
        mnms_subject(tmp_path, "A1B2C3", {4: BIG, 1: SMALL})
        mnms_table(tmp_path, f"A1B2C3,Siemens,A,1,{row},HCM")
        assert frames_of(tmp_path) == {"A1B2C3": {ED: 4, ES: 1}}

    def test_no_table(self, tmp_path: Path) -> None:
        mnms_subject(tmp_path, "A1B2C3", {4: BIG, 1: SMALL})
        assert frames_of(tmp_path) == {"A1B2C3": {ED: 4, ES: 1}}
        assert "External code" in open_cohort(tmp_path).problems[0].what

    def test_labels_that_are_all_zero_are_no_labels(self, tmp_path: Path) -> None:
        mnms_subject(tmp_path, "A1B2C3", {})
        mnms_table(tmp_path, "A1B2C3,Siemens,A,1,0,3,HCM")
        subject = resolve_subject(open_cohort(tmp_path).subjects[0])
        problems = subject.problems
        assert subject.labels == ()
        assert "none of its frames" in problems[0].what

    def test_one_labelled_frame(self, tmp_path: Path) -> None:
        mnms_subject(tmp_path, "A1B2C3", {3: SMALL})
        mnms_table(tmp_path, "A1B2C3,Siemens,A,1,0,3,HCM")
        subject = resolve_subject(open_cohort(tmp_path).subjects[0])
        problems = subject.problems
        assert subject.phases == (ES,)
        assert len(problems) == 1

    def test_every_frame_labelled(self, tmp_path: Path) -> None:
        sizes = [3.0, 4.0, 3.5, 2.5, 3.2]
        mnms_subject(tmp_path, "A1B2C3", {t: heart(radius=r) for t, r in enumerate(sizes)})
        assert frames_of(tmp_path) == {"A1B2C3": {ED: 1, ES: 3}}

    def test_labels_of_fewer_frames_are_an_error(self, tmp_path: Path) -> None:
        mnms_subject(tmp_path, "A1B2C3", {0: BIG, 3: SMALL})
        save(tmp_path / "A1B2C3" / "A1B2C3_sa_gt.nii.gz", labels_4d({0: BIG, 3: SMALL}, n=4))
        mnms_table(tmp_path, "A1B2C3,Siemens,A,1,0,3,HCM")
        cohort = open_cohort(tmp_path)
        assert cohort.subjects == ()
        assert "4 frames instead of 5" in cohort.problems[0].what

    def test_the_distributed_tree_from_any_level(self, tmp_path: Path) -> None:
        root = tmp_path / "OpenDataset"
        mnms_subject(root / "Training" / "Labeled", "A1B2C3", {0: BIG, 3: SMALL})
        mnms_subject(root / "Testing", "D4E5F6", {0: BIG, 3: SMALL})
        mnms_table(root, "A1B2C3,Siemens,A,1,0,3,HCM", "D4E5F6,Canon,D,5,0,3,NOR")
        assert [s.vendor for s in open_cohort(root).subjects] == ["Siemens", "Canon"]
        assert [s.id for s in open_cohort(root / "Training").subjects] == ["A1B2C3"]
        assert [s.vendor for s in open_cohort(root / "Testing" / "D4E5F6").subjects] == ["Canon"]

    def test_ed_and_es_as_single_files(self, tmp_path: Path) -> None:
        for phase, drawn in ((ED, BIG), (ES, SMALL)):
            save(tmp_path / f"A1B2C3_sa_{phase}.nii.gz", pixels(*SHAPE))
            save(tmp_path / f"A1B2C3_sa_{phase}_gt.nii.gz", drawn)
        cohort = open_cohort(tmp_path)
        assert (cohort.layout, cohort.problems) == ("M&Ms", ())
        assert frames_of(tmp_path) == {"A1B2C3": {ED: 0, ES: 1}}
        (tmp_path / "A1B2C3_sa_ED.nii.gz").unlink()
        cohort = open_cohort(tmp_path)
        assert frames_of(tmp_path) == {"A1B2C3": {ES: 0}}
        assert "which has no image" in cohort.problems[0].what


class TestSunnybrook:
    def write(self, folder: Path, labels: dict[int, np.ndarray]) -> None:
        save(folder / "SCD1_sax.nii.gz", pixels(*SHAPE, 5))
        for frame, drawn in labels.items():
            save(folder / f"SCD1_frame{frame:02d}_gt.nii.gz", drawn)

    def test_the_larger_ventricle_is_ed(self, tmp_path: Path) -> None:
        left = np.where(heart(radius=4.0, numbering="acdc") == 1, 0, heart(radius=4.0, numbering="acdc"))
        cavity = np.where(SMALL == 1, 3, 0).astype(np.uint8)
        self.write(tmp_path, {2: cavity, 5: left})
        cohort = open_cohort(tmp_path)
        assert (cohort.layout, cohort.problems) == ("Sunnybrook", ())
        assert frames_of(tmp_path) == {"SCD1": {ED: 4, ES: 1}}
        subject = cohort.subjects[0]
        assert read_segmentation(resolve_subject(subject), ED).drawn == {Structure.LV, Structure.MYO}
        assert read_segmentation(resolve_subject(subject), ES).drawn == {Structure.LV}

    @pytest.mark.parametrize(("number", "phase"), [(2, ED), (3, ES)])
    def test_a_single_label(self, tmp_path: Path, number: int, phase: Phase) -> None:
        self.write(tmp_path, {3: np.full(SHAPE, number, np.uint8)})
        assert frames_of(tmp_path) == {"SCD1": {phase: 2}}


class TestPlainFolder:
    def test_cines_alone(self, tmp_path: Path) -> None:
        save(tmp_path / "anna.nii.gz", pixels(*SHAPE, 5))
        save(tmp_path / "ben.nii", pixels(*SHAPE))
        cohort = open_cohort(tmp_path)
        assert (cohort.layout, cohort.problems) == ("plain folder", ())
        assert [(s.id, len(s.frames), s.labels) for s in cohort.subjects] == [("anna", 5, ()), ("ben", 1, ())]

    def labelled(self, folder: Path) -> None:
        save(folder / "anna.nii.gz", pixels(*SHAPE, 5))
        save(folder / "anna_ED_gt.nii.gz", BIG)
        save(folder / "anna_ES_gt.nii.gz", SMALL)

    @pytest.mark.parametrize("cells", ["4,1", "4.0,1.0"])
    def test_labels_placed_by_the_table(self, tmp_path: Path, cells: str) -> None:
        self.labelled(tmp_path)
        (tmp_path / "subjects.csv").write_text(
            f"id,vendor,group,ed_frame,es_frame\nanna,Philips,HCM,{cells}\n"
        )
        (subject,) = open_cohort(tmp_path).subjects
        assert frames_of(tmp_path) == {"anna": {ED: 4, ES: 1}}
        assert (subject.vendor, subject.group) == ("Philips", "HCM")
        assert np.array_equal(read_segmentation(resolve_subject(subject), ED).labels, BIG.T)

    def test_labels_that_nothing_places_are_left_out(self, tmp_path: Path) -> None:
        self.labelled(tmp_path)
        cohort = open_cohort(tmp_path)
        assert cohort.subjects[0].labels == ()
        assert [problem.severity for problem in cohort.problems] == [Severity.WARNING] * 2

    def test_pairs_of_volumes(self, tmp_path: Path) -> None:
        for phase, drawn in ((ED, BIG), (ES, SMALL)):
            save(tmp_path / f"cleo_{phase}.nii.gz", pixels(*SHAPE))
            save(tmp_path / f"cleo_{phase}_gt.nii.gz", drawn)
        assert frames_of(tmp_path) == {"cleo": {ED: 0, ES: 1}}

    def test_a_single_volume_with_its_label(self, tmp_path: Path) -> None:
        save(tmp_path / "dora.nii.gz", pixels(*SHAPE))
        save(tmp_path / "dora_ES_gt.nii.gz", SMALL)
        assert frames_of(tmp_path) == {"dora": {ES: 0}}

    @pytest.mark.parametrize("table", [None, "id\nben\n", "id,ed_frame,es_frame\nben,3,0\n"])
    def test_4d_labels(self, tmp_path: Path, table: str | None) -> None:
        save(tmp_path / "ben.nii.gz", pixels(*SHAPE, 5))
        save(tmp_path / "ben_gt.nii.gz", labels_4d({3: BIG, 0: SMALL}))
        if table:
            (tmp_path / "subjects.csv").write_text(table)
        assert frames_of(tmp_path) == {"ben": {ED: 3, ES: 0}}
        assert resolve_subject(open_cohort(tmp_path).subjects[0]).problems == ()

    def test_a_folder_for_each_subject(self, tmp_path: Path) -> None:
        self.labelled(tmp_path / "anna")
        save(tmp_path / "ben" / "ben.nii.gz", pixels(*SHAPE, 5))
        (tmp_path / "subjects.csv").write_text("id,ed_frame,es_frame\nanna,0,2\n")
        assert frames_of(tmp_path) == {"anna": {ED: 0, ES: 2}, "ben": {}}

    @pytest.mark.parametrize("stated", ["acdc", "{1: RV, 2: MYO, 3: LV}"])
    def test_a_stated_numbering(self, tmp_path: Path, stated: str) -> None:
        save(tmp_path / "cleo_ED.nii.gz", pixels(*SHAPE))
        save(tmp_path / "cleo_ED_gt.nii.gz", heart(radius=4.0, numbering="acdc"))
        (tmp_path / "cohort.yaml").write_text(f"numbering: {stated}\n")
        (subject,) = open_cohort(tmp_path).subjects
        assert np.array_equal(read_segmentation(resolve_subject(subject), ED).labels, BIG.T)

    @pytest.mark.parametrize(
        "content",
        [
            "numbering: {1: LA}",
            "numbering: mms",
            "numbers: acdc",
            "[",
            "- a",
            "numbering: {0: LV}",
            "numbering: {}",
            "structures: {LV: 1, MYO: 1}",
            "structures: {LV: one}",
            "structures: [LV]",
            "structures: {LV: 1}\nnumbering: acdc",
        ],
    )
    def test_a_numbering_that_means_nothing(self, tmp_path: Path, content: str) -> None:
        save(tmp_path / "a.nii.gz", pixels(*SHAPE))
        (tmp_path / "cohort.yaml").write_text(content)
        with pytest.raises(CohortError, match=r"cohort\.yaml"):
            open_cohort(tmp_path)

    @pytest.mark.parametrize(
        "content", ["structures: {LV: 1, LA: 4}", "numbering: {1: LV, 4: LA}", "structures: {LA: 1}"]
    )
    def test_other_structures_are_refused_plainly(self, tmp_path: Path, content: str) -> None:
        save(tmp_path / "a.nii.gz", pixels(*SHAPE))
        (tmp_path / "cohort.yaml").write_text(content)
        with pytest.raises(CohortError, match=r"cohort\.yaml: 'LA' is not one .*LV, MYO, RV.*extending\.md"):
            open_cohort(tmp_path)

    def test_other_numbers_say_that_only_three_structures_can_be_segmented(self, tmp_path: Path) -> None:
        self.labelled(tmp_path)
        labels = np.full(SHAPE, 4, np.uint8)
        save(tmp_path / "anna_ED_gt.nii.gz", labels)
        (tmp_path / "subjects.csv").write_text("id,ed_frame,es_frame\nanna,4,1\n")
        with pytest.raises(LabelError, match=r"number 4 is unknown .*Only LV, MYO, RV can be segmented"):
            read_segmentation(resolve_subject(open_cohort(tmp_path).subject("anna")), ED)

    @pytest.mark.parametrize("content", ["name,vendor\nanna,GE\n", "id\nanna\nanna\n"])
    def test_a_table_that_cannot_be_used(self, tmp_path: Path, content: str) -> None:
        self.labelled(tmp_path)
        (tmp_path / "subjects.csv").write_text(content)
        with pytest.raises(CohortError, match=r"subjects\.csv"):
            open_cohort(tmp_path)

    @pytest.mark.parametrize("cells", ["first,1", "-1,1", "0,5", "1,1"])
    def test_frame_numbers_that_cannot_be(self, tmp_path: Path, cells: str) -> None:
        self.labelled(tmp_path)
        save(tmp_path / "ben.nii.gz", pixels(*SHAPE))
        (tmp_path / "subjects.csv").write_text(f"id,ed_frame,es_frame\nanna,{cells}\n")
        cohort = open_cohort(tmp_path)
        assert [subject.id for subject in cohort.subjects] == ["ben"]
        assert cohort.problems[0].severity is Severity.ERROR

    def test_a_row_without_image(self, tmp_path: Path) -> None:
        save(tmp_path / "anna.nii.gz", pixels(*SHAPE))
        (tmp_path / "subjects.csv").write_text("id\nanna\nana\n")
        (problem,) = open_cohort(tmp_path).problems
        assert "'ana'" in problem.what


STATED = [
    "structures: {LV: 50, MYO: [100, 101], RV: 200}",
    "numbering: {50: LV, 100: MYO, 101: MYO, 200: RV}",
]


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize("layout", ["ACDC", "M&Ms", "Sunnybrook", "plain folder"])
def test_numbers_that_the_user_states_in_every_layout(tmp_path: Path, layout: str, stated: str) -> None:
    """The file may be in the opened folder, above the subjects."""
    own = np.array([0, 50, 100, 200], np.uint8)
    folder = tmp_path / "data" / "training"
    if layout == "ACDC":
        here = acdc_subject(folder, 1)
        for frame, drawn in ((1, BIG), (3, SMALL)):
            save(here / f"patient001_frame{frame:02d}_gt.nii.gz", own[drawn])
    elif layout == "M&Ms":
        mnms_subject(folder, "A1B2C3", {0: own[BIG], 3: own[SMALL]})
    elif layout == "Sunnybrook":
        save(folder / "SCD1_sax.nii.gz", pixels(*SHAPE, 5))
        save(folder / "SCD1_frame01_gt.nii.gz", own[SMALL])
        save(folder / "SCD1_frame03_gt.nii.gz", own[BIG])
    else:
        save(folder / "anna_ED.nii.gz", pixels(*SHAPE))
        save(folder / "anna_ED_gt.nii.gz", own[BIG])
    (tmp_path / "data" / "cohort.yaml").write_text(stated + "\n")
    cohort = open_cohort(tmp_path / "data")
    assert cohort.layout == layout
    assert np.array_equal(read_segmentation(resolve_subject(cohort.subjects[0]), ED).labels, BIG.T)


@pytest.mark.parametrize("named", [lambda f: f, lambda f: f.parent, lambda f: f.parent.parent])
def test_the_folder_named_or_the_ones_above(tmp_path: Path, named: Callable[[Path], Path]) -> None:
    folder = tmp_path / "data" / "training"
    acdc_subject(folder, 1)
    acdc_subject(folder, 2)
    cohort = open_cohort(named(folder))
    assert [subject.id for subject in cohort.subjects] == ["patient001", "patient002"]
    assert cohort.root == named(folder)


def test_one_subjects_folder_is_a_cohort_of_that_subject(tmp_path: Path) -> None:
    acdc_subject(tmp_path, 1)
    (acdc_subject(tmp_path, 2) / "Info.cfg").unlink()
    cohort = open_cohort(tmp_path / "patient001")
    assert (cohort.layout, [s.id for s in cohort.subjects], cohort.problems) == ("ACDC", ["patient001"], ())


def test_training_and_testing_are_one_cohort(tmp_path: Path) -> None:
    acdc_subject(tmp_path / "training", 1)
    acdc_subject(tmp_path / "testing", 101)
    assert [subject.id for subject in open_cohort(tmp_path).subjects] == ["patient001", "patient101"]
