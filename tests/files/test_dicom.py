"""Short-axis cines from synthetic DICOM: found by geometry, rejected with reasons, without names of
people."""

from __future__ import annotations

import re
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cmr_ssp.errors import ImageError, Problem, Severity
from cmr_ssp.files import open_cine, open_cohort, write_cine, write_segmentation
from cmr_ssp.files.dicom import SortOptions, list_dicom, open_dicom
from cmr_ssp.files.dicom import sources as dicom_sources
from cmr_ssp.subjects import Acquisition, CineStack, SliceOrder
from dicom_helpers import (
    ALONG_COLUMN,
    ALONG_ROW,
    BASE,
    COLUMN_MM,
    COLUMNS,
    FRAME_MS,
    FRAMES,
    ROW_MM,
    ROWS,
    SLICE_MM,
    SLICES,
    TO_APEX,
    at,
    enhanced,
    image,
    localiser,
    long_axis,
    one_series,
    save_exam,
    secrets_in,
    siemens,
    stored,
    turned,
    values,
)
from files_helpers import fingerprint
from pydicom.uid import UID


def expected_affine() -> np.ndarray:
    columns = [ALONG_ROW * COLUMN_MM, ALONG_COLUMN * ROW_MM, TO_APEX * SLICE_MM, BASE]
    affine = np.eye(4)
    affine[:3] = np.diag([-1, -1, 1]) @ np.column_stack(columns)
    return affine


def refused(path: Path, options: SortOptions | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        open_dicom(path, options)
    return str(caught.value)


def warned(stack: CineStack) -> str:
    assert all(problem.severity is Severity.WARNING for problem in stack.problems)
    return "; ".join(problem.what for problem in stack.problems)


LAYOUTS = {
    "a series a slice": lambda: siemens(),
    "one series": lambda: one_series(Manufacturer="Philips Medical Systems"),
    "long axis and localiser beside": lambda: [*localiser(), *siemens(), *long_axis(), *long_axis(81)],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    exam = save_exam(tmp_path / "exam", LAYOUTS[layout]())
    stack = open_dicom(exam)
    assert np.array_equal(stack.load(), stored())
    assert np.allclose(stack.grid.affine, expected_affine(), atol=1e-6)
    assert stack.grid.spacing_mm == pytest.approx((SLICE_MM, ROW_MM, COLUMN_MM))
    assert (stack.grid.slice_order, stack.grid.slices_reversed) == (SliceOrder.BASE_FIRST, False)
    assert stack.frame_spacing_s == pytest.approx(FRAME_MS / 1000)
    assert stack.problems == ()


def test_enhanced_multi_frame(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", [enhanced()])
    stack = open_dicom(exam)
    assert np.array_equal(stack.load(), 2 * stored() - 5)
    assert np.allclose(stack.grid.affine, expected_affine(), atol=1e-6)
    assert stack.frame_spacing_s == pytest.approx(FRAME_MS / 1000)


def test_rescaling_and_facts(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", one_series(RescaleSlope=0.5, RescaleIntercept=3, HeartRate=61))
    stack = open_dicom(exam)
    assert np.array_equal(stack.load(), stored() * 0.5 + 3)
    assert stack.acquisition == Acquisition("Siemens", "Aera", 1.5, 61.0)


def test_whatever_is_no_short_axis_cine_is_listed_with_its_reason(tmp_path: Path) -> None:
    long_axes = [
        image(
            k,
            t,
            series=70,
            orientation=(TO_APEX, ALONG_COLUMN),
            position=BASE + ALONG_ROW * 8 * k,
            PixelSpacing=[1.0, 1.0],
        )
        for k in range(5)
        for t in range(FRAMES)
    ]
    velocity = one_series(series=50, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    perfusion = [
        image(k, t, series=40, TriggerTime=120.0, PixelSpacing=[2.0, 2.0], InstanceNumber=t)
        for k in range(3)
        for t in range(FRAMES)
    ]
    exam = save_exam(tmp_path / "exam", siemens(), long_axis(), localiser(), long_axes, velocity, perfusion)
    (exam / "notes").write_text("no image")
    found = list_dicom(exam)
    reasons = {each.description.split(",")[0]: each.reason for each in found.series}
    assert len(found.stacks) == 1
    assert reasons.pop("series 10 to 13") is None
    expected = {
        80: "fewer than 3",
        90: "single frame",
        70: "shows a long-axis view",
        50: "velocity",
        40: "perfusion",
    }
    for number, words in expected.items():
        reason = reasons.pop(f"series {number}") or ""
        assert words in reason
    assert not reasons
    (table,) = [each.slices for each in found.series if each.reason is None]
    assert [at.trigger_ms for at in table] == [tuple(FRAME_MS * t for t in range(FRAMES))] * SLICES


def test_a_stack_the_user_names_may_lie_as_it_likes(tmp_path: Path) -> None:
    exam = save_exam(
        tmp_path / "exam",
        (
            image(k, t, orientation=(TO_APEX, ALONG_COLUMN), position=BASE + ALONG_ROW * 8 * k)
            for k in range(3)
            for t in range(FRAMES)
        ),
    )
    assert "no short-axis cine" in refused(exam)
    stack = open_dicom(exam, SortOptions(series=1))
    assert stack.grid.slice_order is SliceOrder.UNKNOWN
    assert "but number 2 was requested" in refused(exam, SortOptions(series=2))


def test_unequal_frames(tmp_path: Path) -> None:
    half = (image(1, t, series=11, TriggerTime=2 * FRAME_MS * t) for t in range(FRAMES // 2))
    exam = save_exam(tmp_path / "exam", siemens([0, 2, 3]), half)
    assert "different numbers of frames: 6, but 3 at" in refused(exam)
    stack = open_dicom(exam, SortOptions(unequal_frames="resample"))
    assert "resampled in time" in warned(stack)
    assert stack.alterations == ("frames were resampled",)
    pixels, whole = stack.load(), stored()
    assert np.array_equal(pixels[:, [0, 2, 3]], whole[:, [0, 2, 3]])
    three = [values(1, t).astype(np.float32) for t in range(3)]
    assert np.array_equal(pixels[::2, 1], three)
    assert np.allclose(pixels[5, 1], (three[2] + three[0]) / 2)  # between the last one and the next beat


def test_gap(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 3, 4]))
    assert "gap: 1 slice(s) missing between" in refused(exam)
    skipped = open_dicom(exam, SortOptions(missing_slice="skip"))
    assert "left out" in warned(skipped)
    assert np.array_equal(skipped.load(), stored([0, 1, 3, 4]))
    filled = open_dicom(exam, SortOptions(missing_slice="interpolate"))
    assert "interpolated" in warned(filled)
    assert filled.alterations == ("missing slices were interpolated",)
    assert filled.grid.shape[0] == 5
    assert filled.grid.spacing_mm[0] == pytest.approx(SLICE_MM)
    assert np.allclose(filled.load()[:, 2], (stored([1]) + stored([3]))[:, 0] / 2)


def test_rotated_slice(tmp_path: Path) -> None:
    tilted = (image(2, t, series=12, orientation=turned(6.0)) for t in range(FRAMES))
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 3, 4]), tilted)
    assert "is rotated by 6 degrees" in refused(exam)
    filled = open_dicom(exam, SortOptions(missing_slice="interpolate"))
    assert filled.grid.shape[0] == 5
    assert "rotated" in warned(filled)


def test_rotated_slice_beyond_the_end_is_left_out(tmp_path: Path) -> None:
    tilted = (image(4, t, series=14, orientation=turned(6.0)) for t in range(FRAMES))
    stack = open_dicom(save_exam(tmp_path / "exam", siemens(), tilted))
    assert stack.grid.shape[0] == SLICES
    assert "is rotated by 6 degrees relative to the others and left out" in warned(stack)


def test_slice_with_another_pixel_grid(tmp_path: Path) -> None:
    wide = (image(2, t, series=12, pixels=np.ones((ROWS, 9), np.int16)) for t in range(FRAMES))
    assert "another pixel grid (6 x 9)" in refused(save_exam(tmp_path / "exam", siemens([0, 1, 3, 4]), wide))


def test_shifted_slice(tmp_path: Path) -> None:
    aside = (image(2, t, series=12, position=at(2) + ALONG_ROW * 12) for t in range(FRAMES))
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 3, 4]), aside)
    assert "shifted sideways" in refused(exam)


def test_uneven_slices(tmp_path: Path) -> None:
    late = (image(3, t, series=13, position=at(3.4)) for t in range(FRAMES))
    assert "not equally spaced" in refused(save_exam(tmp_path / "exam", siemens([0, 1, 2]), late))


def test_duplicates(tmp_path: Path) -> None:
    twice = [image(1, 2, series=11, InstanceNumber=40)]
    exam = save_exam(tmp_path / "exam", siemens(), twice)
    assert "more than one image at the same position and time" in refused(exam)


def test_copies_of_a_file_count_once(tmp_path: Path) -> None:
    images = list(siemens())
    stack = open_dicom(save_exam(tmp_path / "exam", images, images))
    assert np.array_equal(stack.load(), stored())


@pytest.mark.parametrize("choice", ["last", "first"])
def test_repeated_slice(tmp_path: Path, choice: str) -> None:
    again = (image(1, t, series=30, pixels=values(99, t)) for t in range(FRAMES))
    exam = save_exam(tmp_path / "exam", again, siemens())
    stack = open_dicom(exam, SortOptions(repeated=choice))  # type: ignore[arg-type]
    assert f"acquired more than once; the {choice} one is used" in warned(stack)
    pixels = stack.load()
    assert np.array_equal(pixels[:, [0, 2, 3]], stored([0, 2, 3]))
    assert np.array_equal(pixels[:, 1:2], stored([99 if choice == "last" else 1]))


def test_repeats_within_a_series_are_told_by_their_acquisition(tmp_path: Path) -> None:
    again = (image(1, t, series=11, AcquisitionNumber=2, pixels=values(99, t)) for t in range(FRAMES))
    stack = open_dicom(save_exam(tmp_path / "exam", siemens(), again))
    assert np.array_equal(stack.load(), stored([0, 99, 2, 3]))


@pytest.mark.parametrize("by_slice", [True, False])
def test_two_stacks_that_qualify(tmp_path: Path, by_slice: bool) -> None:
    if by_slice:
        second = [
            image(k, t, series=30 + k, pixels=values(50 + k, t)) for k in range(4) for t in range(FRAMES)
        ]
        exam = save_exam(tmp_path / "exam", siemens(), second)
    else:
        second = [image(k, t, series=30, pixels=values(50 + k, t)) for k in range(4) for t in range(FRAMES)]
        exam = save_exam(tmp_path / "exam", one_series(), second)
    message = refused(exam)
    assert "2 stacks may be its short-axis cine (1: 4 slices x 6 frames, series" in message
    assert "--series 1" in message
    assert len(list_dicom(exam).stacks) == 2
    assert np.array_equal(open_dicom(exam, SortOptions(series=1)).load(), stored())
    assert np.array_equal(open_dicom(exam, SortOptions(series=2)).load(), stored([50, 51, 52, 53]))


def test_no_trigger_times(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", one_series(TriggerTime=None, NominalInterval=None))
    stack = open_dicom(exam)
    assert np.array_equal(stack.load(), stored())
    assert stack.frame_spacing_s is None
    assert "no trigger times" in warned(stack)


def test_temporal_positions_stand_for_trigger_times(tmp_path: Path) -> None:
    images = [
        image(k, t, TriggerTime=None, TemporalPositionIdentifier=t + 1, NumberOfTemporalPositions=FRAMES,
              InstanceNumber=100 - t)
        for k in range(SLICES)
        for t in range(FRAMES)
    ]  # fmt: skip
    stack = open_dicom(save_exam(tmp_path / "exam", images))
    assert np.array_equal(stack.load(), stored())
    assert stack.frame_spacing_s == pytest.approx(FRAME_MS / 1000)


OTHER = {"study_seed": "other", "PatientID": "MRN4712", "PatientName": "Roe^Richard"}


@pytest.mark.parametrize(
    "mixed",
    ["slices", "frames", "frames of one series", "repeated slice", "one frame"],
)
def test_people_are_never_stacked_into_one_heart(tmp_path: Path, mixed: str) -> None:
    series = {"SeriesInstanceUID": "1.2.3.4"} if mixed == "frames of one series" else {}
    theirs = {
        "slices": lambda k, t: k >= 2,
        "frames": lambda k, t: t >= 3 and k < 2,
        "frames of one series": lambda k, t: t % 2 == 1,
        "repeated slice": lambda k, t: False,
        "one frame": lambda k, t: k == 3 and t == 5,
    }[mixed]
    images = [
        image(k, t, series=10 + k, **series, **(OTHER if theirs(k, t) else {}))
        for k in range(SLICES)
        for t in range(FRAMES)
    ]
    if mixed == "repeated slice":
        images += [image(1, t, series=30, **OTHER) for t in range(FRAMES)]
    exam = save_exam(tmp_path / "exam", images)
    with pytest.raises(ImageError, match="slices come from 2 people") as caught:
        open_dicom(exam)
    found = str(caught.value)
    assert len(set(re.findall(r"exam-\d{8}", found))) == 2
    assert not secrets_in(found)
    assert "Roe" not in found


def test_studies_of_one_person_are_no_stack_either(tmp_path: Path) -> None:
    later = siemens([2, 3], study_seed="later")
    with pytest.raises(ImageError, match=r"come from 2 studies \(12 images of exam-\d+, 12 images of exam-"):
        open_dicom(save_exam(tmp_path / "exam", siemens([0, 1]), later))


def test_what_a_header_does_not_say_contradicts_nothing(tmp_path: Path) -> None:
    silent = siemens([2, 3], PatientID=None, PatientName=None, StudyInstanceUID=None)
    stack = open_dicom(save_exam(tmp_path / "exam", siemens([0, 1]), silent))
    assert np.array_equal(stack.load(), stored())
    assert stack.problems == ()


def test_another_person_s_images_beside_the_cine_are_pointed_out(tmp_path: Path) -> None:
    theirs = (image(0, t, orientation=(TO_APEX, ALONG_COLUMN), series=80, **OTHER) for t in range(FRAMES))
    stack = open_dicom(save_exam(tmp_path / "exam", siemens(), theirs))
    (problem,) = stack.problems
    assert problem.severity is Severity.WARNING
    assert "it contains images of 2 people (24 images of exam-" in problem.what


def test_zip(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens())
    path = zipped(exam, tmp_path / "exam.zip")
    assert np.array_equal(open_cine(path).load(), stored())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["exam", "exam.zip"]


def zipped(exam: Path, path: Path, *evil: str) -> Path:
    files = sorted(exam.iterdir())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"exam/{file.name}")
        for name in evil:
            archive.writestr(name, files[0].read_bytes())
    return path


def test_zip_members_that_lead_out_of_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    exam = save_exam(inner / "exam", siemens())
    path = zipped(exam, inner / "exam.zip", "../out", "/tmp/cmr-ssp-out", "..\\out", "C:/out")
    before = fingerprint(tmp_path)
    stack = open_dicom(path)
    assert np.array_equal(stack.load(), stored())
    assert "4 of its files were left out because they have paths outside of the archive" in warned(stack)
    assert fingerprint(tmp_path) == before
    assert not Path("/tmp/cmr-ssp-out").exists()


def test_zip_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(save_exam(tmp_path / "exam", siemens()), tmp_path / "exam.zip")
    monkeypatch.setattr(dicom_sources, "MAX_ARCHIVE_BYTES", 1000)
    assert "unpacks to more than" in refused(path)
    monkeypatch.setattr(dicom_sources, "MAX_FILES", 10)
    assert "more than 10 files" in refused(path)


def test_no_zip_at_all(tmp_path: Path) -> None:
    (tmp_path / "exam.zip").write_bytes(b"PK but not really")
    assert "cannot be read as a zip archive" in refused(tmp_path / "exam.zip")
    assert "does not exist" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"])
def test_compressed_pixels(tmp_path: Path, syntax: str) -> None:
    from pydicom.pixels.encoders.base import get_encoder

    if not get_encoder(UID(syntax)).is_available:
        pytest.skip(f"needs an encoder of {UID(syntax).name}")
    images = list(siemens())
    for data in images:
        data.compress(UID(syntax))
    exam = save_exam(tmp_path / "exam", images)
    assert np.array_equal(open_dicom(exam).load(), stored())


def test_compression_that_nothing_undoes(tmp_path: Path) -> None:
    images = list(siemens())
    for data in images:
        data.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")  # MPEG2: no image decoder has it
        data.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00abcd"
        data["PixelData"].is_undefined_length = True
    message = refused(save_exam(tmp_path / "exam", images))
    assert "its pixels are compressed with MPEG2" in message
    assert "Export" in message


def test_missing_decoder_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import Decoder

    images = list(siemens())
    for data in images:
        data.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.70")
        data.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00abcd"
        data["PixelData"].is_undefined_length = True
    monkeypatch.setattr(Decoder, "is_available", property(lambda self: False))
    assert 'pip install "napari-cmr-ssp[dicom]"' in refused(save_exam(tmp_path / "exam", images))


def test_damaged_files(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    exam = save_exam(tmp_path / "exam", siemens())
    file = sorted(exam.iterdir())[0]
    content = file.read_bytes()
    stack = open_dicom(exam)
    file.write_bytes(content[:-20])
    with pytest.raises(ImageError, match="one of its files changed after it was listed"):
        stack.load()
    assert str(tmp_path) not in " ".join(str(each.message) for each in recwarn)
    file.write_bytes(content[:132] + b"\xff" * 400)
    assert "different numbers of frames" in refused(exam)
    broken = save_exam(tmp_path / "b", siemens(PixelSpacing=[0.0, 0.0]))
    assert "24 of its files were left out because they are damaged or truncated" in refused(broken)
    files = [f"file {number} of 24 (IM{number - 1:04d})" for number in range(1, 6)]
    assert f"{', '.join(files)} and 19 more" in refused(broken)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("zipped_up", [False, True])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, share: float, zipped_up: bool) -> None:
    """Otherwise its slice lacks a frame, and the suggested resampling would interpolate it."""
    exam = save_exam(tmp_path / "exam", siemens())
    file = sorted(exam.iterdir())[13]
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    found = refused(zipped(exam, tmp_path / "exam.zip") if zipped_up else exam)
    assert (
        "1 of its files were left out because they are damaged or truncated: file 14 of 24 (IM0013)" in found
    )
    assert "Copy its damaged files again. If that is impossible: Resample" in found


def test_a_damaged_file_is_not_named_after_a_person(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens())
    (exam / "IM0003").write_bytes(b"")
    (exam / "IM0003").rename(exam / "Doe_Jane_19610203.dcm")
    found = refused(exam)
    assert "damaged or truncated: file 1 of 24. " in found
    assert "Doe" not in found


def encrypted(path: Path, *names: str) -> Path:
    """Mark members of an archive as encrypted."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offsets = {info.filename: info.header_offset for info in archive.infolist()}
    for name in names:
        content[offsets[name] + 6] |= 1
        central = content.index(b"PK\1\2")
        while content[central + 46 : central + 46 + len(name)] != name.encode():
            central = content.index(b"PK\1\2", central + 4)
        content[central + 8] |= 1
    path.write_bytes(content)
    return path


def test_encrypted_members_are_named(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 2]), long_axis())
    path = encrypted(zipped(exam, tmp_path / "exam.zip"), "exam/IM0020", "exam/IM0021")
    stack = open_dicom(path)
    assert np.array_equal(stack.load(), stored([0, 1, 2]))
    assert "2 of its files were left out because they are encrypted: file 21 of 24 (IM0020), file" in warned(
        stack
    )


def test_an_encrypted_archive_is_refused_and_listed(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "one", siemens())
    path = zipped(exam, tmp_path / "two.zip")
    encrypted(path, *(f"exam/{file.name}" for file in exam.iterdir()))
    assert "24 of its files were left out because they are encrypted" in refused(path)
    cohort = open_cohort(tmp_path)
    assert (len(cohort.subjects), len(cohort.refused)) == (1, 1)
    assert "Unpack the archive with its password" in str(cohort.problems)
    assert [subject.place for subject in open_cohort(path).refused] == [path]


def test_an_exam_that_changes_is_read_again(tmp_path: Path) -> None:
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 2]))
    assert open_dicom(exam).grid.shape[0] == 3
    save_exam(exam, siemens([3]))
    assert open_dicom(exam).grid.shape[0] == 4


def test_no_network_and_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    exam = save_exam(tmp_path / "exam", siemens(), long_axis())
    found = list_dicom(exam)
    stack = open_dicom(exam)
    stack.load()
    out = tmp_path / "cine.nii"
    write_cine(out, stack)
    errors = refused(save_exam(tmp_path / "gap", siemens([0, 2, 3])))
    assert secrets_in("jane doe")  # the probe sees
    assert not secrets_in(repr(found) + repr(stack) + errors)
    assert not secrets_in(out.read_bytes().decode("latin-1"))


def test_odd_values_are_not_quoted(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    images = list(siemens())
    for data in images:
        data["InstanceNumber"]._value = "Doe^Jane"
        data["PatientID"]._value = "MRN4711" * 20
    from pydicom import config

    with config.disable_value_validation():
        exam = save_exam(tmp_path / "exam", images)
    recwarn.clear()
    list_dicom(exam)
    assert not secrets_in(" ".join(str(each.message) for each in recwarn))


@pytest.mark.parametrize("scale", [None, 0.25])
def test_written_cines_come_back(tmp_path: Path, scale: float | None) -> None:
    stack = open_dicom(save_exam(tmp_path / "exam", siemens([0, 1, 3, 4], RescaleSlope=scale)),
                       SortOptions(missing_slice="skip"))  # fmt: skip
    out = tmp_path / "cine.nii.gz"
    write_cine(out, stack)
    back = open_cine(out)
    assert np.array_equal(back.load(), stack.load())
    assert np.allclose(back.grid.affine, stack.grid.affine, atol=1e-4)
    assert back.frame_spacing_s == pytest.approx(FRAME_MS / 1000)
    assert back.grid.slice_order is SliceOrder.BASE_FIRST
    assert back.alterations == ("missing slices were left out",)
    assert [type(problem) for problem in back.problems] == [Problem]
    assert "missing slices were left out when it was made from DICOM" in warned(back)
    import nibabel as nib

    assert nib.load(out).header.get_data_dtype() == (np.int16 if scale is None else np.float32)
    write_cine(out, stack)  # ours may be replaced


def test_segmentations_of_dicom_get_its_geometry(tmp_path: Path) -> None:
    stack = open_dicom(save_exam(tmp_path / "exam", siemens()))
    labels = np.ones((stack.n_frames, *stack.grid.shape), np.uint8)
    out = tmp_path / "seg.nii.gz"
    write_segmentation(out, labels, stack)
    assert np.allclose(open_cine(out).grid.affine, stack.grid.affine, atol=1e-4)


def test_mutated_files_end_in_a_named_error_or_a_cine(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    exam = save_exam(tmp_path / "exam", siemens([0, 1, 2]))
    multi = save_exam(tmp_path / "multi", [enhanced()])
    archive = zipped(exam, tmp_path / "exam.zip")
    options = SortOptions(unequal_frames="resample", missing_slice="interpolate")
    files = [(path, file) for path in (exam, multi) for file in sorted(path.iterdir())] + [(archive, archive)]
    outcomes = set()
    for case in range(120):
        path, file = files[(-1, -2, case % len(files))[case % 3]]
        whole = file.read_bytes()
        content = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(0, min(len(content), 3000), int(random.choice([1, 4, 30])))
        content[places] = random.integers(0, 256, len(places))
        file.write_bytes(content[: len(content) if case % 5 else random.integers(len(content))].tobytes())
        try:
            pixels = open_dicom(path, options).load()
            assert pixels.shape[2:] == (ROWS, COLUMNS)
            outcomes.add("cine")
        except ImageError:
            outcomes.add("error")
        file.write_bytes(whole)
    assert outcomes == {"cine", "error"}
