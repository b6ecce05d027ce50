"""A model as one file: it says what it is, names nobody, recognises its training, and shows tampering."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from cmr_ssp import jobs
from cmr_ssp.errors import CmrSspError, OutputError, RunError
from cmr_ssp.evaluation import SubjectRole
from cmr_ssp.files import open_cohort
from cmr_ssp.prediction.trained import load_network
from cmr_ssp.runs import (
    Card,
    Run,
    file_digest,
    lineage,
    list_runs,
    read_card,
    read_checkpoint_header,
    verified_card,
)
from cmr_ssp.runs.hub import licence_id
from cmr_ssp.runs.keyed import is_among, keyed
from cmr_ssp.runs.licences import strictest
from cmr_ssp.runs.parcels import MEMBERS
from cmr_ssp.subjects import Role, Split
from cmr_ssp.weights import load_checkpoint, save_checkpoint
from cohort_helpers import mim, segmentation, write_beating_cohort

IDS = [f"patient-{letter}" for letter in "abcdef"]
TRAINED = {"patient-a", "patient-b"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a cohort, a run that was evaluated on it, and its bundle."""
    place = tmp_path_factory.mktemp("sender")
    settings = jobs.JobSettings("cpu", bank_folder=place / "banks", data_licence="ACDC: CC BY-NC-SA 4.0")
    cohort = open_cohort(write_beating_cohort(place / "cohort", IDS))
    roles = {name: Role.TRAIN if name in {*TRAINED, "patient-c"} else Role.TEST for name in IDS[:5]}
    split = Split(roles, None)
    pretrained, run = Run(place / "pretrained"), Run(place / "our model")
    jobs.pretrain(cohort, mim(), pretrained, split=split, settings=settings)
    budget = jobs.LabelBudget(sorted(TRAINED))
    jobs.finetune(
        cohort, segmentation(), run, split=split, budget=budget, pretrained=pretrained, settings=settings
    )
    run.write_note("a note of Ann")
    jobs.evaluate(run, cohort, device="cpu")
    jobs.export_model(run, place / "model.zip", origin="our hospital")
    return place


def brought_in(place: Path, tmp_path: Path) -> Run:
    found = jobs.bring_in(place, tmp_path / "runs")
    assert found is not None and found.is_new
    return Run(found.folder)


def roles_of(run: Run, cohort: Path) -> dict[str, SubjectRole]:
    return {s.subject: s.role for s in jobs.evaluate(run, open_cohort(cohort), device="cpu").scores}


def test_a_bundle_has_three_files_with_a_card_and_names_nobody(place: Path, tmp_path: Path) -> None:
    card = verified_card(place / "model.zip")
    with zipfile.ZipFile(place / "model.zip") as archive:
        assert tuple(archive.namelist()) == MEMBERS
        everything = b"".join(archive.read(name) for name in MEMBERS)
    assert b"patient" not in everything.replace(b"for patient", b"") and b"Ann" not in everything
    header = read_checkpoint_header(Run(place / "our model").last)
    for part in (header.provenance.training, header.provenance.pretraining):
        assert all(each.encode() not in everything for each in part.values())
    model = card.model
    assert (model.method, model.labelled_subjects, model.updates) == ("finetune", 2, 2)
    assert model.phases == {"ED": 2, "ES": 2} and len(model.pretraining) == 3
    assert model.licence == "ACDC: CC BY-NC-SA 4.0" and "Research use only" in card.intended_use
    assert card.scores is not None and card.tested_on is not None and card.trained_on is not None
    assert (card.scores.subjects, card.scores.own_split, card.scores.origin) == (3, 2, "our hospital")
    assert set(card.scores.dice) == {"LV", "MYO", "RV"}
    assert (card.trained_on.subjects, card.trained_on.vendors) == (2, ("A", "B"))
    assert card.tested_on.slice_spacing_mm == (8.0, 8.0) and card.tested_on.pixel_spacing_mm == (1.5, 1.6)
    original = (place / "our model" / "last.safetensors").stat().st_size
    assert (place / "model.zip").stat().st_size < original, "the state of the optimiser is left out"
    jobs.export_model(Run(place / "our model"), tmp_path / "model.zip", origin="our hospital")
    assert (tmp_path / "model.zip").read_bytes() == (place / "model.zip").read_bytes()


def test_a_brought_in_bundle_segments_and_recognises_what_it_was_trained_on(
    place: Path, tmp_path: Path
) -> None:
    run = brought_in(place / "model.zip", tmp_path)
    again = jobs.bring_in(place / "model.zip", tmp_path / "runs")
    assert again is not None and not again.is_new
    (summary,) = list_runs(tmp_path / "runs")
    assert summary.segments and summary.state == "finished" and len(summary.labelled) == 2
    assert "Research use only" in summary.note and "3 test subjects (origin: our hospital)" in summary.note
    cohort = open_cohort(place / "cohort")
    for each in (Run(place / "our model"), run):
        jobs.segment_subjects(each, cohort.subjects[:1], device="cpu", output=tmp_path / each.folder.name)
    files = (tmp_path / name / "patient-a_seg.nii.gz" for name in ("our model", "model"))
    ours, theirs = (np.asarray(nib.load(file).dataobj) for file in files)
    assert np.array_equal(ours, theirs) and np.any(ours)
    # The same images under other names, and others under the same
    renamed = write_beating_cohort(tmp_path / "renamed", [f"x{number}" for number in range(6)])
    test, seen = SubjectRole.TEST, SubjectRole.SEEN_IN_PRETRAINING
    expected = [SubjectRole.TRAINED_ON, SubjectRole.TRAINED_ON, seen, test, test, test]
    assert list(roles_of(run, renamed).values()) == expected
    assert list(roles_of(run, place / "cohort").values()) == expected
    others = write_beating_cohort(tmp_path / "others", IDS, seed=100)
    assert set(roles_of(run, others).values()) == {test}


def test_what_is_trained_from_a_bundle_still_recognises_its_training(place: Path, tmp_path: Path) -> None:
    run = brought_in(place / "model.zip", tmp_path)
    others = write_beating_cohort(tmp_path / "others", ["n1", "n2", "n3"], seed=100)
    settings = jobs.JobSettings("cpu", bank_folder=tmp_path / "banks")
    tuned = Run(tmp_path / "tuned")
    budget = jobs.LabelBudget(["n1"])
    split = Split({"n1": Role.TRAIN}, None)
    jobs.finetune(
        open_cohort(others),
        segmentation(),
        tuned,
        split=split,
        budget=budget,
        pretrained=run,
        settings=settings,
    )
    seen = SubjectRole.SEEN_IN_PRETRAINING
    assert list(roles_of(tuned, place / "cohort").values())[:3] == [seen, seen, seen]
    assert roles_of(tuned, others)["n1"] is SubjectRole.TRAINED_ON
    card = jobs.export_model(tuned, tmp_path / "second.zip")
    assert set(read_card(place / "model.zip").model.training) < set(card.model.pretraining)
    last = brought_in(tmp_path / "second.zip", tmp_path)
    assert list(roles_of(last, place / "cohort").values())[:3] == [seen, seen, seen]
    with pytest.raises(RunError, match="cannot be resumed"):
        jobs.finetune(open_cohort(others), None, run, settings=settings, resume=True)


def test_labels_corrected_from_the_run_do_not_test_its_bundle(place: Path, tmp_path: Path) -> None:
    run = brought_in(place / "model.zip", tmp_path)
    own = lineage(run, read_checkpoint_header(run.last).provenance)
    assert file_digest(Run(place / "our model").last) in own
    assert file_digest(Run(place / "pretrained").last) in own


def test_a_bundle_of_a_bundle_keeps_its_scores_and_keys(place: Path, tmp_path: Path) -> None:
    run = brought_in(place / "model.zip", tmp_path)
    first, second = read_card(place / "model.zip"), jobs.export_model(run, tmp_path / "second.zip")
    assert second.scores == first.scores and second.model == first.model
    brought_in(tmp_path / "second.zip", tmp_path / "elsewhere")


def test_a_folder_for_the_hub_has_the_card_as_readme_and_is_brought_in(place: Path, tmp_path: Path) -> None:
    run, folder = Run(place / "our model"), tmp_path / "hub model"
    folder.mkdir()
    card = jobs.export_model(run, folder, origin="our | hospital", layout="hub")
    assert sorted(each.name for each in folder.iterdir()) == sorted(["README.md", *MEMBERS])
    assert [each.name for each in tmp_path.iterdir()] == ["hub model"], "nothing else remains"
    _, head, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    about = yaml.safe_load(head)
    assert (about["license"], about["library_name"]) == ("cc-by-nc-sa-4.0", "cmr-ssp")
    (result,) = about["model-index"][0]["results"]
    assert card.scores is not None and result["metrics"][0]["value"] == card.scores.dice["LV"]
    assert "Research use only" in body and "3 (origin: our \\| hospital)" in body and card.digest in body
    assert "patient-" not in head + body
    assert verified_card(folder) == card
    found = brought_in(folder, tmp_path)
    assert found.folder.name == "hub-model" and not (found.folder / "README.md").exists()
    with pytest.raises(OutputError, match="not empty"):
        jobs.export_model(run, folder, layout="hub")
    change = (folder / "recipe.yaml").read_text().replace("batch_size: 4", "batch_size: 2")
    (folder / "recipe.yaml").write_text(change)
    assert "digest in card.yaml" in refused(folder, tmp_path / "other")
    (folder / "hook.py").write_text("import os")
    assert "is a program or a pickle" in refused(folder, tmp_path / "other")


def test_licences_have_the_identifiers_of_the_hub() -> None:
    for text, identifier in {
        "ACDC: CC BY-NC-SA 4.0: no commercial use": "cc-by-nc-sa-4.0",
        "CC0 1.0": "cc0-1.0",
        "CC BY 4.0": "cc-by-4.0",
        "CC BY 4.0; own": "other",
        "not stated": "other",
    }.items():
        assert licence_id(text) == identifier


# ---- what is refused ------------------------------------------------------------------------------

Files = dict[str, bytes]


def seal(files: Files, **changes: object) -> None:
    """Change a card and make its digests fit, as somebody would who wants to deceive."""
    tree = yaml.safe_load(files["card.yaml"]) | changes
    tree["files"] = {n: hashlib.sha256(files[n]).hexdigest() for n in ("model.safetensors", "recipe.yaml")}
    card = Card.model_validate(tree)
    files["card.yaml"] = card.model_copy(update={"digest": card.computed_digest()}).as_yaml().encode()


def change(files: Files, name: str, old: bytes, new: bytes) -> None:
    assert old in files[name]
    files[name] = files[name].replace(old, new)


def claim_fewer_subjects(files: Files) -> None:
    model = yaml.safe_load(files["card.yaml"])["model"]
    seal(files, model=model | {"training": model["training"][:1]})


def claim_free_data(files: Files) -> None:
    model = yaml.safe_load(files["card.yaml"])["model"]
    seal(files, model=model | {"licence": "CC0", "data_licences": ["CC0"]})


def claim_another_licence(files: Files) -> None:
    seal(files, model=yaml.safe_load(files["card.yaml"])["model"] | {"licence": "CC0"})


def swap_weights(files: Files) -> None:
    files["model.safetensors"] = pickle.dumps({"weights": 1})
    seal(files)


def flip_weight(files: Files) -> None:
    files["model.safetensors"] = files["model.safetensors"][:-1] + b"\x01"


def flip_weight_and_seal(files: Files) -> None:
    flip_weight(files)
    seal(files)


def other_recipe(files: Files) -> None:
    change(files, "recipe.yaml", b"batch_size: 4", b"batch_size: 2")
    seal(files)


def odd_provenance(files: Files) -> None:
    """Write valid weights whose provenance is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        path.write_bytes(files["model.safetensors"])
        old = load_checkpoint(path)
        odd = replace(old.provenance, phases={"subject-1": 7}, machine={"torch": ["x"]})  # type: ignore[dict-item]
        save_checkpoint(path, replace(old, provenance=odd))
        files["model.safetensors"] = path.read_bytes()
    seal(files)


TAMPERED: dict[str, tuple[Callable[[Files], object], str]] = {
    "better scores": (lambda f: change(f, "card.yaml", b"our hospital", b"everywhere"), "its digest"),
    "other weights": (flip_weight, "does not match its digest in card.yaml"),
    "other weights, sealed": (flip_weight_and_seal, "its content does not match its digest"),
    "other recipe": (lambda f: change(f, "recipe.yaml", b"updates: 2", b"updates: 3"), "digest in card.yaml"),
    "other recipe, sealed": (other_recipe, "was not trained with the recipe of its run (other batch_size)"),
    "fewer training subjects": (claim_fewer_subjects, "describes another training"),
    "free data": (claim_free_data, "describes another training"),
    "another licence": (claim_another_licence, "describes another training"),
    "odd provenance": (odd_provenance, "has no valid provenance"),
    "pickle": (swap_weights, "is a pickle"),
    "no card": (lambda f: f.pop("card.yaml"), "card.yaml: is missing"),
    "no weights": (lambda f: f.pop("model.safetensors"), "model.safetensors: is missing"),
    "a program": (lambda f: f.update({"setup.py": b"import os"}), "is a program or a pickle"),
    "something else": (lambda f: f.update({"image.nii": b"x"}), "is no part of a bundle"),
    "a path out": (lambda f: f.update({"../card.yaml": b"x"}), "leads out of the archive"),
    "not a card": (lambda f: f.update({"card.yaml": b"a: ["}), "is not a card"),
    "a card with more": (lambda f: change(f, "card.yaml", b"format:", b"run: x\nformat:"), "is not a card"),
    "an alias": (lambda f: f.update({"card.yaml": b"a: &a 1\nb: *a"}), "aliases"),
    "a newer card": (
        lambda f: change(f, "card.yaml", b"bundle 1", b"bundle 2"),
        "is a cmr-ssp bundle 2",
    ),
    "a huge card": (lambda f: f.update({"card.yaml": b"#" * (9 * 2**20)}), "is larger than such a file"),
}


def rewritten(bundle: Path, place: Path, tamper: Callable[[Files], object], compression: int = 0) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    tamper(files)
    with zipfile.ZipFile(place, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return place


def refused(bundle: Path, tmp_path: Path) -> str:
    """Return why a bundle is refused; nothing of it remains."""
    with pytest.raises(CmrSspError) as caught:
        jobs.bring_in(bundle, tmp_path / "runs")
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
    return "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_changed_bundle_is_refused(place: Path, tmp_path: Path, kind: str) -> None:
    tamper, says = TAMPERED[kind]
    assert says in refused(rewritten(place / "model.zip", tmp_path / "bad.zip", tamper), tmp_path)


def test_another_version_may_judge_otherwise_which_licence_is_the_strictest(
    place: Path, tmp_path: Path
) -> None:
    licences = {"free.zip": "CC0 1.0", "none.zip": ""}
    for name, licence in licences.items():
        jobs.export_model(Run(place / "our model"), tmp_path / name, data_licence=licence)

    def judge(files: Files) -> None:
        seal(files, model=yaml.safe_load(files["card.yaml"])["model"] | {"licence": "CC0 1.0"})

    assert brought_in(rewritten(tmp_path / "free.zip", tmp_path / "judged.zip", judge), tmp_path)
    assert "describes another" in refused(
        rewritten(tmp_path / "none.zip", tmp_path / "false.zip", judge), tmp_path / "other"
    )


def test_a_changed_card_is_refused_also_if_the_run_is_here(place: Path, tmp_path: Path) -> None:
    brought_in(place / "model.zip", tmp_path)
    tamper = TAMPERED["better scores"][0]
    changed = rewritten(place / "model.zip", tmp_path / "bad.zip", tamper)
    with pytest.raises(RunError, match="its digest"):
        jobs.bring_in(changed, tmp_path / "runs")


def test_what_could_expand_and_links_are_refused(place: Path, tmp_path: Path) -> None:
    bomb = rewritten(place / "model.zip", tmp_path / "bomb.zip", lambda _: None, zipfile.ZIP_DEFLATED)
    assert "is compressed" in refused(bomb, tmp_path)
    with pytest.raises(RunError, match="is compressed"):
        verified_card(bomb)
    linked = rewritten(place / "model.zip", tmp_path / "link.zip", lambda files: files.pop("recipe.yaml"))
    with zipfile.ZipFile(linked, "a") as archive:
        link = zipfile.ZipInfo("recipe.yaml")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in refused(linked, tmp_path)


def test_a_card_is_read_alone_and_verified_with_everything(place: Path, tmp_path: Path) -> None:
    changed = rewritten(place / "model.zip", tmp_path / "changed.zip", flip_weight)
    assert read_card(changed) == read_card(place / "model.zip")
    with pytest.raises(RunError, match=r"model\.safetensors: was changed after the export"):
        verified_card(changed)
    damaged = bytearray((place / "model.zip").read_bytes())
    damaged[damaged.index(b"our hospital")] ^= 1
    (tmp_path / "damaged.zip").write_bytes(damaged)
    with pytest.raises(RunError, match=r"card\.yaml: is damaged"):
        read_card(tmp_path / "damaged.zip")


def test_a_run_of_no_use_and_a_place_that_is_taken_are_refused(place: Path, tmp_path: Path) -> None:
    run = Run(place / "our model")
    with pytest.raises(CmrSspError, match="does not segment yet"):
        jobs.export_model(Run(place / "pretrained"), tmp_path / "a.zip")
    with pytest.raises(OutputError, match=r"does not end in \.zip"):
        jobs.export_model(run, tmp_path / "a.safetensors")
    (tmp_path / "thesis.zip").write_bytes(b"mine")
    with pytest.raises(OutputError, match="is not a bundle"):
        jobs.export_model(run, tmp_path / "thesis.zip")
    assert (tmp_path / "thesis.zip").read_bytes() == b"mine"
    (tmp_path / "own.zip").write_bytes((place / "model.zip").read_bytes())
    jobs.export_model(run, tmp_path / "own.zip", data_licence="own terms")
    assert read_card(tmp_path / "own.zip").model.licence == "own terms"


def test_a_run_that_does_not_know_its_images_is_not_exported(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "our model", tmp_path / "old")
    old = load_checkpoint(tmp_path / "old" / "last.safetensors")
    unknown = replace(old.provenance, training=dict.fromkeys(old.provenance.training, ""))
    save_checkpoint(tmp_path / "old" / "last.safetensors", replace(old, provenance=unknown))
    with pytest.raises(RunError, match="did not note on which images"):
        jobs.export_model(Run(tmp_path / "old"), tmp_path / "a.zip")


def test_keyed_fingerprints_are_recognised_with_any_key_and_only_by_their_images() -> None:
    stored = [keyed("k1", "aa"), keyed("k2", "bb"), "cc"]
    assert [is_among(each, stored) for each in ("aa", "bb", "cc", "dd")] == [True, True, True, False]
    assert keyed("k3", stored[0]) == stored[0], "its images are not here"


def test_the_strictest_licence_asks_for_most() -> None:
    assert strictest(()) == ""
    acdc, free, by, own = "ACDC: CC BY-NC-SA 4.0: no commercial use", "S: CC0 1.0", "X: CC BY 4.0", "own data"
    assert strictest((free, acdc, by)) == acdc
    assert strictest((free, by)) == by
    assert strictest((acdc, own, free)) == own
    assert strictest((own, "M&Ms: research use")) == "own data; M&Ms: research use"
    assert strictest((f"{acdc}; terms of M&Ms", acdc)) == f"{acdc}; terms of M&Ms"


def test_onnx_gives_the_same_labels(place: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file = tmp_path / "model.onnx"
    jobs.export_onnx(Run(place / "our model"), file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    network = load_network(Run(place / "our model").last)
    for shape in ((1, 1, 32, 32), (3, 1, 64, 48)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            ours = network(images).numpy()
        (theirs,) = session.run(["logits"], {"images": images.numpy()})
        np.testing.assert_allclose(theirs, ours, atol=1e-4)
        assert np.array_equal(theirs.argmax(axis=1), ours.argmax(axis=1))
    about = session.get_modelmeta().custom_metadata_map
    assert about["classes"] == '["background", "LV", "MYO", "RV"]'
    assert about["checkpoint"] == file_digest(Run(place / "our model").last)
    assert "Research use only" in about["intended_use"]
    assert not [name for name in IDS if name.encode() in file.read_bytes()]


def test_onnx_refuses_what_does_not_segment_and_other_names(place: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.onnx"):
        jobs.export_onnx(Run(place / "our model"), tmp_path / "model.zip")
    with pytest.raises(CmrSspError, match="does not segment"):
        jobs.export_onnx(Run(place / "pretrained"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
