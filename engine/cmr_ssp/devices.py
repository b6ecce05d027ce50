"""Device, precision and number of threads, and how a run records them."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from cmr_ssp.errors import DeviceError
from cmr_ssp.team import Team

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PATIENCE_S = 15 * 60


def choose_device(name: str = "auto") -> torch.device:
    """Return the named device, or the best one there is.

    Raises
    ------
    DeviceError
        Where this machine lacks the device.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name.partition(":")[0], False):
        remedy = f"Choose the device {' or '.join(kind for kind, there in available.items() if there)}."
        raise DeviceError.of(name, "is no device of this machine", remedy)
    return torch.device(name)


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return fabric's name of the precision; ``auto`` is bfloat16 where the hardware computes in it."""
    if wanted == "16-mixed" and device.type == "cpu":
        wanted = "auto"  # half precision needs a GPU; bfloat16 is the processor's counterpart
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if _has_bfloat16(device) else "32-true"


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def lacks_bfloat16(device: torch.device) -> bool:
    """Tell whether this is a processor on which ``auto`` means single precision."""
    return device.type == "cpu" and not _has_bfloat16(device)


def autocast(device: torch.device) -> torch.autocast:
    """Return the context in which a network predicts: bfloat16 where the hardware computes in it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def make_fabric(
    device: torch.device, precision: str, team: Team | None = None, *, freezes: bool = False
) -> Fabric:
    """Return lightning-fabric for one device, or for this process's device in a team.

    With a team it has to be launched, which runs the command line again for every other device.

    Parameters
    ----------
    device : torch.device
        Or, for a team, any of its kind.
    precision : str
        As in a recipe.
    team : Team, optional
        Those that train together.
    freezes : bool
        Whether parts of the network have no gradient at times, which a team has to be told.

    Raises
    ------
    DeviceError
        Where this machine has fewer devices.
    """
    from lightning_fabric import Fabric  # a second, which segmenting does not need
    from lightning_fabric.strategies import DDPStrategy

    precision = choose_precision(precision, device)
    if team is None or team.count == 1:
        index = [device.index or 0] if device.type == "cuda" else 1
        return Fabric(accelerator=device.type, devices=index, precision=precision)
    most = {"cuda": torch.cuda.device_count(), "cpu": team.devices}.get(device.type, 1)
    if team.devices > most:
        remedy = f"Ask for {most} at most, or choose another device."
        raise DeviceError.of(f"--devices {team.devices}", f"this machine has {most} of {device.type}", remedy)
    strategy = DDPStrategy(timeout=patience(), find_unused_parameters=freezes)
    return Fabric(
        accelerator=device.type,
        devices=team.devices,
        num_nodes=team.machines,
        strategy=strategy,
        precision=precision,
    )


def patience() -> timedelta:
    """Return how long a process waits for a partner that has nothing else to do before it gives up.

    ``CMR_SSP_PATIENCE`` overrules it, in seconds.
    """
    stated = os.environ.get("CMR_SSP_PATIENCE", "")
    return timedelta(seconds=int(stated) if stated.isdecimal() else _PATIENCE_S)


def free_memory(device: torch.device) -> int | None:
    """Return the bytes of a device's memory that a training may take; None where it does not tell.

    What this process holds of a GPU is not free, but what it merely reserves is.
    """
    if device.type == "cuda":
        unused, _ = torch.cuda.mem_get_info(device)
        return int(unused) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "cpu":
        return min([int(psutil.virtual_memory().available), *_left_to_container()])
    return None


def _left_to_container() -> list[int]:
    """Return what a container's limit leaves; nothing where there is none."""
    folder = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        about = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return [max(0, limit - used + int(about.get("inactive_file", 0)))]  # files' pages are given back
    return []


def describe_machine(device: torch.device, precision: str) -> Mapping[str, str | int]:
    """Return what decides speed and rounding, for the run's record; nothing that names the machine."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {
        "device": device.type,
        "gpu": gpu,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "precision": precision,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
