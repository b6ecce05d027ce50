"""Distributed training: which processes train together, read from the environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cmr_ssp.errors import DeviceError


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Process group that trains one network, with one process per device.

    Attributes
    ----------
    devices : int
        Processes per machine.
    machines : int
        Number of machines.
    rank : int
        Rank of this process; rank 0 writes files and reports.
    started : bool
        Whether all processes are running already: torchrun, SLURM or our own rank 0 started this one.
    """

    devices: int = 1
    machines: int = 1
    rank: int = 0
    started: bool = False

    @property
    def world_size(self) -> int:
        """Number of processes (the world size)."""
        return self.devices * self.machines

    @classmethod
    def of(cls, devices: int | None = None) -> ProcessGroup:
        """Return the process group that this process belongs to, or will start.

        Parameters
        ----------
        devices : int, optional
            Processes per machine; by default as many as were started, or one.

        Raises
        ------
        DeviceError
            If the number of started processes differs from `devices`.
        """
        started = _running_group(os.environ)
        if started is None:
            return cls(devices or 1)
        if devices not in (None, started.devices):
            what = f"{started.devices} processes were started on this machine"
            raise DeviceError.of(f"--devices {devices}", what, "Use the same number, or omit the option.")
        return started


def process_rank() -> int:
    """Return the rank of this process; 0 without distributed training."""
    started = _running_group(os.environ)
    return 0 if started is None else started.rank


def _running_group(environment: os._Environ[str]) -> ProcessGroup | None:
    """Read the process group that torchrun, SLURM's srun or Lightning Fabric describes."""
    if "TORCHELASTIC_RUN_ID" in environment:
        here = int(environment["LOCAL_WORLD_SIZE"])
        return ProcessGroup(
            here, int(environment["WORLD_SIZE"]) // here, int(environment["RANK"]), started=True
        )
    tasks = int(environment.get("SLURM_NTASKS", "1"))
    if tasks > 1 and environment.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        machines = int(environment.get("SLURM_NNODES", "1"))
        return ProcessGroup(tasks // machines, machines, int(environment["SLURM_PROCID"]), started=True)
    if "LOCAL_RANK" in environment and "WORLD_SIZE" in environment:
        return ProcessGroup(int(environment["WORLD_SIZE"]), 1, int(environment["LOCAL_RANK"]), started=True)
    return None
