"""The documentation's Python for a bank and a network outside of this program, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from cmr_ssp.networks import UNet
from cmr_ssp.recipes import load_recipe
from cmr_ssp.runs import Provenance
from cmr_ssp.weights import Checkpoint, save_checkpoint
from places import ROOT
from samples_helpers import write_cohort

PAGE = ROOT / "docs" / "getting-started.md"


def test_the_snippet_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(tmp_path / "FOLDER")
    recipe = load_recipe("finetune/cpu-small")
    network = UNet(recipe.network.channels, 4, deep_supervision=True)
    for run in ("tuned", "mim"):  # an encoder is taken from a run of any method
        (tmp_path / "runs" / run).mkdir(parents=True)
        save_checkpoint(
            tmp_path / "runs" / run / "last.safetensors",
            Checkpoint(network.state_dict(), {}, {"update": 1}, recipe, Provenance(), {}),
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CMR_SSP_CACHE", str(tmp_path / "cache"))
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(snippet, str(PAGE), "exec"), names)
    images, labels, logits = (names[name] for name in ("images", "labels", "logits"))
    assert isinstance(images, torch.Tensor) and images.dtype == torch.float32
    assert isinstance(labels, torch.Tensor) and labels.dtype == torch.uint8 and labels.any()
    assert isinstance(logits, torch.Tensor) and logits.shape == (2, 4, 96, 96)
