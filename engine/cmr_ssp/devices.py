"""Device, precision and memory, and the description of the machine that a run stores."""

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
from cmr_ssp.process_group import ProcessGroup

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PATIENCE_S = 15 * 60


def choose_device(name: str = "auto") -> torch.device:
    """Return the named device; ``auto`` chooses the best one available.

    Raises
    ------
    DeviceError
        If this machine does not have the device.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name.partition(":")[0], False):
        remedy = f"Use the device {' or '.join(kind for kind, there in available.items() if there)}."
        raise DeviceError.of(name, "this machine has no such device", remedy)
    return torch.device(name)


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return Fabric's name of the precision; ``auto`` is bfloat16 if the hardware supports it."""
    if wanted == "16-mixed" and device.type == "cpu":
        wanted = "auto"  # half precision needs a GPU; bfloat16 is the equivalent on a CPU
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if _has_bfloat16(device) else "32-true"


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def lacks_bfloat16(device: torch.device) -> bool:
    """Return whether the device is a CPU without bfloat16, on which ``auto`` means single precision."""
    return device.type == "cpu" and not _has_bfloat16(device)


def autocast(device: torch.device) -> torch.autocast:
    """Return the autocast context for prediction: bfloat16 if the hardware supports it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def make_fabric(
    device: torch.device, precision: str, group: ProcessGroup | None = None, *, freezes: bool = False
) -> Fabric:
    """Create Lightning Fabric for one device, or for the device of this process in a process group.

    For a process group, call ``launch``, which starts the same command line for every other device.

    Parameters
    ----------
    device : torch.device
        For a process group, any device of its kind.
    precision : str
        As in a recipe, such as ``auto``.
    group : ProcessGroup, optional
        The process group.
    freezes : bool
        Whether some parameters have no gradient at times; distributed training needs to know.

    Raises
    ------
    DeviceError
        If this machine has fewer devices.
    """
    from lightning_fabric import Fabric  # takes a second to import; segmentation does not need it
    from lightning_fabric.strategies import DDPStrategy

    precision = choose_precision(precision, device)
    if group is None or group.world_size == 1:
        index = [device.index or 0] if device.type == "cuda" else 1
        return Fabric(accelerator=device.type, devices=index, precision=precision)
    most = {"cuda": torch.cuda.device_count(), "cpu": group.devices}.get(device.type, 1)
    if group.devices > most:
        remedy = f"Use at most {most}, or choose another device."
        what = f"this machine has {most} device(s) of type {device.type}"
        raise DeviceError.of(f"--devices {group.devices}", what, remedy)
    strategy = DDPStrategy(timeout=patience(), find_unused_parameters=freezes)
    return Fabric(
        accelerator=device.type,
        devices=group.devices,
        num_nodes=group.machines,
        strategy=strategy,
        precision=precision,
    )


def patience() -> timedelta:
    """Return how long a process waits for the others of its group before it gives up.

    ``CMR_SSP_PATIENCE`` overrides the default, in seconds.
    """
    stated = os.environ.get("CMR_SSP_PATIENCE", "")
    return timedelta(seconds=int(stated) if stated.isdecimal() else _PATIENCE_S)


def free_memory(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes, or None if it is unknown.

    On a GPU, memory that this process has reserved but not allocated counts as free.
    """
    if device.type == "cuda":
        unused, _ = torch.cuda.mem_get_info(device)
        return int(unused) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "cpu":
        return min([int(psutil.virtual_memory().available), *_left_to_container()])
    return None


def _left_to_container() -> list[int]:
    """Return the memory left within the limit of a container; empty without a limit."""
    folder = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        about = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return [max(0, limit - used + int(about.get("inactive_file", 0)))]  # the page cache can be reclaimed
    return []


def describe_machine(device: torch.device, precision: str) -> Mapping[str, str | int]:
    """Return what affects speed and rounding, without anything that identifies the machine."""
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
