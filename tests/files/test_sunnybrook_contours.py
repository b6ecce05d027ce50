from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cmr_ssp.anatomy import Structure
from cmr_ssp.errors import LabelError
from cmr_ssp.files.contours.polygons import fill
from cmr_ssp.files.contours.sunnybrook import find_contours, labels_from_contours, read_contour

LV, MYO = Structure.LV, Structure.MYO


def write(folder: Path, image: int, kind: str, points: list[tuple[float, float]] | str) -> Path:
    path = folder / "IRCCI-expert" / f"IM-0001-{image:04d}-{kind}contour-manual.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = points if isinstance(points, str) else "".join(f"{x:.2f} {y:.2f}\r\n" for x, y in points)
    path.write_text(text)
    return path


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_rings_on_their_slice_and_frame(tmp_path: Path) -> None:
    write(tmp_path, 9, "i", box(3.5, 2.5, 5.5, 6.5))  # of 4 frames: slice 2, frame 0
    write(tmp_path, 9, "o", box(1.5, 1.5, 7.5, 8.5))
    write(tmp_path, 3, "i", box(0.5, 0.5, 1.5, 1.5))  # slice 0, frame 2
    write(tmp_path, 7, "o", box(0.5, 0.5, 4.5, 4.5))  # slice 1, frame 2: what it encloses is unknown
    volumes = labels_from_contours(find_contours(tmp_path), 4, (3, 10, 12))
    assert sorted(volumes) == [0, 2]
    expected = np.zeros((3, 10, 12), np.uint8)
    expected[2, 2:9, 2:8] = MYO
    expected[2, 3:7, 4:6] = LV
    assert np.array_equal(volumes[0], expected)
    assert np.argwhere(volumes[2]).tolist() == [[0, 1, 1]]
    assert volumes[2][0, 1, 1] == LV


def test_fill_against_a_slow_rule() -> None:
    angle = np.linspace(0, 2 * np.pi, 23, endpoint=False)
    radius = 6 + 2.3 * np.cos(3 * angle)
    polygon = np.column_stack([10.3 + radius * np.cos(angle), 9.1 + radius * np.sin(angle)])

    def winds(row: int, column: int) -> bool:
        turns = np.arctan2(polygon[:, 1] - row, polygon[:, 0] - column)
        steps = np.diff(turns, append=turns[0])
        return abs(((steps + np.pi) % (2 * np.pi) - np.pi).sum()) > 1

    slow = np.array([[winds(row, column) for column in range(22)] for row in range(20)])
    assert np.array_equal(fill(polygon, (20, 22)), slow)


@pytest.mark.parametrize(
    "text", ["", "1 2\n", "a b\nc d\ne f\n", "1 2 3\n4 5 6\n7 8 9\n", "1 2\nnan 3\n4 5\n", "0 0\n0 9\n40 9\n"]
)
def test_files_that_are_no_contour(tmp_path: Path, text: str) -> None:
    with pytest.raises(LabelError):
        read_contour(write(tmp_path, 1, "i", text), (10, 12))


def test_an_image_that_the_cine_does_not_have(tmp_path: Path) -> None:
    write(tmp_path, 13, "i", box(1, 1, 3, 3))
    with pytest.raises(LabelError, match="image 13 is not among the 3 x 4"):
        labels_from_contours(find_contours(tmp_path), 4, (3, 10, 12))


def test_the_public_contours_equal_their_nifti_twin(real_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_data / "sunnybrook" / "SCD0000301_dicom.zip") as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if name.startswith("contours/")])
    contours = find_contours(tmp_path)
    assert len(contours) == 20
    volumes = labels_from_contours(contours, 20, (10, 256, 256))
    assert sorted(volumes) == [6, 19]
    for frame, volume in volumes.items():
        twin = nib.load(real_data / "sunnybrook" / f"SCD0000301_frame{frame + 1:02d}_gt.nii.gz")
        theirs = np.asarray(twin.dataobj).T[::-1]  # the file starts at the apex
        assert np.array_equal(volume == LV, theirs == 3)
        assert np.array_equal(volume == MYO, theirs == 2)
