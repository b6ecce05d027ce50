"""Reads damaged and malicious files of one kind in a process of its own, and prints what came of each.

Usage: hostile_worker.py KIND CASES FOLDER. The process has little memory to spare, and hooks of the
interpreter note whatever is written outside FOLDER or run. A new kind of file (DICOM, say) is a new `Kind` in
`KINDS`: how a valid one is made, how it is read, and what is done to it beside the usual damage.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import random
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from files_helpers import OBLIQUE, SHAPE, edit_header, fingerprint, heart, pixels, save

SECONDS = 5
UNTOUCHED = "untouched"
SPARE_BYTES = 600 << 20
"""What a reader may take beyond what the interpreter has; the files themselves have some kilobytes."""

Mutation = tuple[str, bytes, bool]
"""Name, content, and whether only an error or the very result of the valid file will do.

Where a file has no checksum, a flipped bit can make another valid file: then the result has to be well
formed, which `read` sees to.
"""


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], str]
    special: Callable[[bytes, Path], Iterator[Mutation]]
    checked: bool = False
    """Whether the file has a checksum over all that is read."""


def damage(content: bytes, rng: random.Random, checked: bool) -> Mutation:
    """Damage a file as disks, networks and careless programs do."""
    body = bytearray(content)
    at = rng.randrange(len(body))
    kind = rng.choice(("flip", "flip", "flips", "cut", "remove", "zero", "insert", "repeat"))
    end = min(len(body), at + rng.randrange(1, 64))
    if kind in ("flip", "flips"):
        for _ in range(1 if kind == "flip" else rng.randrange(2, 12)):
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del body[at:]
    elif kind == "remove":
        del body[at:end]
    elif kind == "zero":
        body[at:end] = bytes(end - at)
    elif kind == "insert":
        body[at:at] = rng.randbytes(end - at)
    else:
        body[at:at] = body[at:end]
    return f"{kind} at {at}", bytes(body), checked


# ---- NIfTI -------------------------------------------------------------------------------------------


def read_image(path: Path) -> str:
    from cmr_ssp.files import open_cine

    stack = open_cine(path)
    voxels = stack.load()
    assert voxels.dtype == np.float32
    assert voxels.shape == (stack.n_frames, *stack.grid.shape)
    assert np.isfinite(voxels).all()
    assert min(stack.grid.spacing_mm) > 0
    assert np.isfinite(stack.grid.spacing_mm).all()
    return digest(voxels, stack.grid.affine, stack.grid.spacing_mm)


def digest(*parts: Any) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


HEADERS: dict[str, list[Any]] = {
    "dim": [
        [4, 32767, 32767, 32767, 32767, 1, 1, 1],
        [4, 32767, 32767, 1, 1, 1, 1, 1],
        [4, -6, 5, 4, 3, 1, 1, 1],
        [4, 6, 5, 0, 3, 1, 1, 1],
        [7, 6, 5, 4, 3, 2, 2, 2],
        [-1, 6, 5, 4, 3, 1, 1, 1],
        [32767, 6, 5, 4, 3, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [4, 6, 5, 4, 4, 1, 1, 1],
    ],
    "vox_offset": [-352.0, np.nan, np.inf, 1e30, 3.4e38, 2.0**31, 1e6],
    "bitpix": [0, -1, 32767],
    "datatype": [0, 1, 32, 128, 1536, 1792, 2304, -1],
    "scl_slope": [np.inf, 3e38],
    "scl_inter": [np.inf],
    "magic": [b"ni1", b"", b"\xff\xff\xff"],
    "sizeof_hdr": [0, 540, -1, 2**31 - 1],
}


def nifti_headers(content: bytes, folder: Path) -> Iterator[Mutation]:
    """Set header fields to what no scanner writes; what merely says something else is not strict."""
    for field, values in HEADERS.items():
        for value in values:
            path = folder / "edited.nii.gz"
            path.write_bytes(gzip.compress(content))
            with np.errstate(all="ignore"):
                edit_header(path, **{field: value})
            yield f"{field} = {value}", gzip.decompress(path.read_bytes()), field != "bitpix"
            path.unlink()
    for value in (np.nan, np.inf, -np.inf, 0.0):
        body = bytearray(content)
        body[280:328] = struct.pack("<12f", *[value] * 12)  # srow_x, srow_y, srow_z
        yield f"affine of {value}", bytes(body), False
        body[76:108] = struct.pack("<8f", *[value] * 8)  # pixdim
        yield f"affine and pixdim of {value}", bytes(body), True
    large = 2**40
    body = struct.pack("<i8s", 540, b"n+2\0\r\n\x1a\n") + struct.pack(
        "<2h8q", 4, 16, 3, large, 1, 1, 1, 1, 1, 1
    )
    yield "NIfTI-2 of 2^40 voxels", body + bytes(540 - len(body)) + content[352:], True
    yield "empty", b"", True
    yield "pickle", bomb_pickle(folder), True


def nifti_gz(content: bytes, folder: Path) -> Iterator[Mutation]:
    plain = gzip.decompress(content)
    for name, body, strict in nifti_headers(plain, folder):
        yield name, gzip.compress(body), strict
    claims = bytearray(plain)
    claims[40:56] = struct.pack("<8h", 4, 2000, 2000, 200, 1, 1, 1, 1)
    yield "bomb of 1.6 GB", gzip.compress(bytes(claims[:352]) + bytes(1 << 24)), True
    yield "bomb after the pixels", gzip.compress(plain + bytes(1 << 28), 9), False
    yield "gzip of gzip", gzip.compress(content), True
    yield "no gzip", plain, True


def make_image(path: Path) -> None:
    save(path, pixels(*SHAPE, 3), OBLIQUE)


def make_cine_and_labels(path: Path) -> None:
    from cmr_ssp.files import open_cine, write_segmentation

    cine = save(path.parent / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE)
    labels = np.random.default_rng(0).integers(0, 4, (3, *SHAPE[::-1])).astype(np.uint8)
    write_segmentation(path, labels, open_cine(cine))


def read_labels(path: Path) -> str:
    from cmr_ssp.files import import_labels, open_cine

    found = import_labels(path, open_cine(path.parent / "cine.nii.gz"))
    assert all(s.labels.max() <= 3 and s.labels.shape == SHAPE[::-1] for s in found)
    return digest(*(s.labels for s in found), [s.frame for s in found])


# ---- segmentations of other programs -----------------------------------------------------------------


def make_nrrd(path: Path) -> None:
    from cmr_ssp.exports import Moment, write_slicer
    from cmr_ssp.files import open_cine

    cine = open_cine(save(path.parent / "cine.nii.gz", pixels(*SHAPE, 3), OBLIQUE))
    labels = np.random.default_rng(0).integers(0, 4, (3, *SHAPE[::-1])).astype(np.uint8)
    write_slicer(path.parent, "x", labels, cine, [Moment(1)])


def nrrd_headers(content: bytes, folder: Path) -> Iterator[Mutation]:
    changes = [
        (b"sizes: 6 5 4", b"sizes: 1099511627776 5 4"),
        (b"sizes: 6 5 4", b"sizes: 1000 1000 1000"),
        (b"sizes: 6 5 4", b"sizes: -6 5 4"),
        (b"sizes: 6 5 4", b"sizes: 6 5 4 2"),
        (b"unsigned char", b"block"),
        (b"encoding: gzip", b"encoding: raw"),
        (b"space origin: (", b"space origin: (nan,"),
        (b"space directions: (", b"space directions: (inf,"),
        (b"Segment0_Layer:=0", b"Segment0_Layer:=-1"),
        (b"Segment0_LabelValue:=1", b"Segment0_LabelValue:=" + b"9" * 5000),
    ]
    for old, new in changes:
        assert old in content
        yield new.decode()[:40], content.replace(old, new), True
    head, _, _ = content.partition(b"\n\n")
    huge = head.replace(b"sizes: 6 5 4", b"sizes: 1000 1000 900") + b"\n\n"
    yield "bomb", huge + gzip.compress(bytes(1 << 24), 9), True
    yield "detached data", head + b"\ndata file: /etc/passwd\n\n", True


def make_cvi42(path: Path) -> None:
    from contour_helpers import circle, contour, workspace

    both = contour("saendocardialContour", circle(8)) + contour("saepicardialContour", circle(12))
    workspace(path, {"1.2.3": both})


def read_cvi42(path: Path) -> str:
    from cmr_ssp.files.contours.cvi42 import read_cvi42, stack_labels

    found = read_cvi42(path)
    assert found.problems
    labels, _ = stack_labels(found, ["1.2.3"], (40, 50))
    return digest(labels)


def xml_attacks(content: bytes, folder: Path) -> Iterator[Mutation]:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x>&e9;</x>'
    yield "billion laughs", laughs.encode(), True
    yield "deep", b"<a>" * 100_000, True
    yield "external", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', True


# ---- YAML --------------------------------------------------------------------------------------------


def make_recipe(path: Path) -> None:
    from cmr_ssp.recipes import load_recipe, recipe_yaml

    path.write_text(recipe_yaml(load_recipe("mim/cpu-small")))


def read_recipe(path: Path) -> str:
    from cmr_ssp.recipes import load_recipe, recipe_yaml

    return recipe_yaml(load_recipe(path))


def make_split(path: Path) -> None:
    path.write_text("seed: 3\ntrain: [ann, bob]\nvalidation:\n- cy\ntest: [dan, '007']\n")


def read_split(path: Path) -> str:
    from cmr_ssp.subjects import Role
    from cmr_ssp.subjects.split_file import read_split

    found = read_split(path)
    assert all(isinstance(name, str) and isinstance(role, Role) for name, role in found.roles.items())
    return repr(sorted(found.roles.items()))


def make_cohort(path: Path) -> None:
    """Write a labelled subject, its table and its numbering; `path` is the one that is damaged."""
    folder = path.parent
    save(folder / "ann.nii.gz", pixels(12, 12, 6, 3), OBLIQUE)
    save(folder / "ann_ED_gt.nii.gz", heart(numbering="acdc"), OBLIQUE)
    (folder / "subjects.csv").write_text("id,ed_frame,es_frame,vendor,group\nann,0,2,A,NOR\n")
    (folder / "cohort.yaml").write_text("numbering: {1: RV, 2: MYO, 3: LV}\n")


def read_cohort(path: Path) -> str:
    """List, read and export a cohort; what is reported as a problem counts as refused."""
    from cmr_ssp.errors import CmrSspError
    from cmr_ssp.exports import CaseNames, export_nnunet
    from cmr_ssp.files import open_cohort, read_segmentation, resolve_subject

    cohort = open_cohort(path.parent)
    drawn = [
        read_segmentation(resolve_subject(s), phase).labels for s in cohort.subjects for phase in s.phases
    ]
    if drawn:
        out = path.parent.parent / "out"
        export_nnunet(cohort, out, case_names=CaseNames.IDS, replace=True)
    if cohort.problems:
        raise CmrSspError(*cohort.problems)
    labels = [[(label.phase, label.listed_frame) for label in s.labels] for s in cohort.subjects]
    about = [(s.id, s.vendor, s.group, *each) for s, each in zip(cohort.subjects, labels, strict=True)]
    return repr(about) + digest(*drawn)


def yaml_attacks(content: bytes, folder: Path) -> Iterator[Mutation]:
    run = f"touch {folder / 'canary'}"
    for tag in (f'!!python/object/apply:os.system ["{run}"]', f'!!python/object/new:os.system ["{run}"]'):
        yield f"tag {tag[:30]}", tag.encode(), True
        yield f"appended tag {tag[:30]}", content + f"\nseed: {tag}\n".encode(), True
        yield f"role with {tag[:30]}", f"train: [{tag}]\n".encode(), True
        yield f"numbering {tag[:30]}", f"numbering: {tag}\n".encode(), True
    for key in ("train", "numbering", "method", "seed", "optimiser"):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
        yield f"laughs in {key}", "\n".join([*lines, f"{key}: *a9"]).encode(), True
        inside = f"&a0 [{'x, ' * 9}]"
        for n in range(1, 9):
            inside = f"&a{n} [{inside}, {', '.join([f'*a{n - 1}'] * 8)}]"
        yield f"laughs under {key}", f"{key}: [{inside}]\n".encode(), True
        yield f"{key} holds itself", f"{key}: &a [*a]\n".encode(), True
        yield f"{key} deep", f"{key}: {'[' * 20_000}".encode(), True
        yield f"{key} long", f"{key}: {'9' * 6000}\n".encode(), True
        yield f"{key} date", f"{key}: 2001-99-99\n".encode(), True
        yield f"{key} null", f"{key}: !!int ''\n".encode(), True
        yield f"{key} tree", f"{key}: {{? [1, 2] : 3}}\n".encode(), True
    yield "list", b"- 1\n- 2\n", True
    yield "text", b"numbering", True
    yield "number", b"5", True
    yield "no text", b"\xff\xfe\x00\x01", True


# ---- CSV ---------------------------------------------------------------------------------------------


def csv_attacks(content: bytes, folder: Path) -> Iterator[Mutation]:
    head, _, _ = content.partition(b"\n")
    row = content.splitlines()[1]
    yield "path in id", content.replace(b"ann", b"../../ann"), False
    yield "absolute id", content.replace(b"ann", b"/tmp/ann"), False
    yield "same row often", head + b"\n" + b"\n".join([row] * 40_000), False
    yield "many rows", head + b"\n" + b"".join(b"%d,0,2,A,NOR\n" % n for n in range(20_000)), False
    yield "wide", content + b"," * 500_000, False
    yield "long cell", content + b"x" * 2_000_000, False
    yield "open quote", content + b'"' + b"x\n" * 200_000, False
    yield "zeros", content + b"\0" * 100, False
    yield "huge number", content.replace(b",0,", b"," + b"9" * 6000 + b","), False
    yield "other digits", content.replace(b",0,", ",²,".encode()), False
    yield "negative", content.replace(b",2,", b",-2,"), False
    yield "empty", b"", False
    yield "formula", content + b'=cmd|"/c calc"!A1,0,1,A,x\n', False


def make_scores(path: Path) -> None:
    from cmr_ssp.anatomy import Phase, Structure
    from cmr_ssp.evaluation import Score, SubjectRole, scores_csv

    rows = [Score("ann", Phase.ED, s, 0.5 if s < 3 else None, SubjectRole.TEST) for s in Structure]
    path.write_text(scores_csv(rows))


def read_scores(path: Path) -> str:
    from cmr_ssp.evaluation import read_scores

    found = read_scores(path)
    assert all(score.dice is None or 0 <= score.dice <= 1 for score in found)
    return repr(found)


# ---- checkpoints -------------------------------------------------------------------------------------


def make_checkpoint(path: Path) -> None:
    import torch
    from cmr_ssp.recipes import load_recipe
    from cmr_ssp.runs import Provenance
    from cmr_ssp.weights import Checkpoint, save_checkpoint

    torch.manual_seed(0)
    network = torch.nn.Linear(3, 4)
    state = dict(network.state_dict())
    recipe = load_recipe("mim/cpu-small")
    made = Checkpoint(
        state, {"state": {0: state["weight"]}}, {"update": 3}, recipe, Provenance({"a": "1"}), {}
    )
    save_checkpoint(path, made)


def read_checkpoint(path: Path) -> str:
    from cmr_ssp.runs import read_checkpoint_header
    from cmr_ssp.weights import load_checkpoint

    header = read_checkpoint_header(path)
    found = load_checkpoint(path)
    assert header.update == found.tally["update"]
    parts = [tensor.float().numpy() for _, tensor in sorted(found.network.items())]
    return digest(*parts) + found.recipe.model_dump_json() + repr(found.tally)


def checkpoint_attacks(content: bytes, folder: Path) -> Iterator[Mutation]:
    yield "pickle", bomb_pickle(folder), True
    import io

    import torch

    class Run:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {folder / 'canary'}",)

    archive = io.BytesIO()
    torch.save({"network": Run()}, archive)
    yield "torch archive", archive.getvalue(), True
    (n,) = struct.unpack("<Q", content[:8])
    for size in (0, n - 1, n + 1, 2**31, 2**40, 2**63, 2**64 - 1):
        yield f"header of {size}", struct.pack("<Q", size) + content[8:], True
    tree = json.loads(content[8 : 8 + n])
    about = json.loads(tree["__metadata__"]["cmr_ssp"])

    def rebuilt(**changes: Any) -> bytes:
        meta = {"cmr_ssp": json.dumps(about | changes)}
        head = json.dumps(tree | {"__metadata__": meta}).encode()
        return struct.pack("<Q", len(head)) + head + content[8 + n :]

    assert rebuilt()[8:] != content
    for key in about:
        for value in (None, [], {}, "x", 5, [[]], {"pairs": 3}, {"pairs": [[[], 1]]}):
            if about[key] != value:
                yield f"{key} = {value}", rebuilt(**{key: value}), key not in ("scores", "optimiser")
    deep = json.dumps(about).replace('"tally": {', '"tally": {"x": ' + "[" * 50_000 + "]" * 50_000 + ", ")
    head = json.dumps(tree | {"__metadata__": {"cmr_ssp": deep}}).encode()
    yield "deep", struct.pack("<Q", len(head)) + head + content[8 + n :], False
    shape = json.dumps(tree).replace("[4, 3]", "[1099511627776, 3]").encode()
    yield "2^40 weights", struct.pack("<Q", len(shape)) + shape + content[8 + n :], True


def bomb_pickle(folder: Path) -> bytes:
    class Run:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {folder / 'canary'}",)

    return pickle.dumps(Run())


KINDS = {
    kind.name: kind
    for kind in (
        Kind("image.nii", make_image, read_image, nifti_headers),
        Kind("image.nii.gz", make_image, read_image, nifti_gz, checked=True),
        Kind("cine_seg.nii.gz", make_cine_and_labels, read_labels, nifti_gz, checked=True),
        Kind("x_frame01.seg.nrrd", make_nrrd, read_labels, nrrd_headers),
        Kind("x.cvi42wsx", make_cvi42, read_cvi42, xml_attacks),
        Kind("recipe.yaml", make_recipe, read_recipe, yaml_attacks),
        Kind("split.yaml", make_split, read_split, yaml_attacks),
        Kind("cohort.yaml", make_cohort, read_cohort, yaml_attacks),
        Kind("subjects.csv", make_cohort, read_cohort, csv_attacks),
        Kind("scores.csv", make_scores, read_scores, csv_attacks),
        Kind("last.safetensors", make_checkpoint, read_checkpoint, checkpoint_attacks),
    )
}


# ---- the process ---------------------------------------------------------------------------------------


RUNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
WRITES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate")


class Watch:
    """Notes, while it is on, everything that is run, and every file that is written outside a folder."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[str] = []
        self.on = False
        self._inside = (str(folder), "/dev/null", "/proc/")
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        place = str(arguments[0]) if arguments else ""
        inside = os.path.abspath(place).startswith(self._inside)  # noqa: PTH100
        writes = event in WRITES
        if event == "open" and isinstance(arguments[0], str):
            writes = bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if event in RUNS or event == "pickle.find_class" or (writes and not inside):
            self.seen.append(f"{event} {arguments}")


def bound_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def outcome(kind: Kind, path: Path, expected: str, strict: bool) -> str:
    """Return what came of reading a file: ``error``, ``equal``, ``other``, or what is wrong with it."""
    from cmr_ssp.errors import CmrSspError

    def late(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        found = kind.read(path)
    except CmrSspError as error:
        return "error" if error.problems else "an error without a problem"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
    if found == expected:
        return "equal"
    return "another result" if strict else "other"


def main(name: str, n_damaged: int, folder: Path) -> None:
    kind = KINDS[name]
    valid = folder / "valid"
    valid.mkdir(parents=True)
    kind.make(valid / name)
    expected = kind.read(valid / name)
    content = (valid / name).read_bytes()
    rng = random.Random(name)
    mutations = [(UNTOUCHED, content, True), *kind.special(content, folder)]
    mutations += [damage(content, rng, kind.checked) for _ in range(n_damaged)]
    sys.dont_write_bytecode = True
    watch = Watch(folder)
    if sys.platform == "linux":
        bound_memory()
    for label, body, strict in mutations:
        shutil.rmtree(folder / "case", ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        shutil.copytree(valid, folder / "case")
        path = folder / "case" / name
        path.write_bytes(body)
        before = fingerprint(folder / "case")
        start = time.monotonic()
        watch.on = True
        what = outcome(kind, path, expected, strict)
        watch.on = False
        seconds = time.monotonic() - start
        if seconds > SECONDS:
            what = f"{what} after {seconds:.1f} s"
        if fingerprint(folder / "case") != before:
            what = "a source file changed"
        if (folder / "canary").exists() or watch.seen:
            what = f"ran or wrote {watch.seen or 'canary'}"
            watch.seen.clear()
        print(json.dumps({"case": label, "outcome": what, "seconds": round(seconds, 2)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
