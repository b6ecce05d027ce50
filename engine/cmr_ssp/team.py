"""Distributed training: which processes train together, read from the environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cmr_ssp.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Team:
    """Process group that trains one network, with one process per device.

    Attributes
    ----------
    devices : int
        Processes per machine.
    machines : int
        Number of machines.
    number : int
        Rank of this process; rank 0 writes files and reports.
    started : bool
        Whether all processes are running already: torchrun, SLURM or our own rank 0 started this one.
    """

    devices: int = 1
    machines: int = 1
    number: int = 0
    started: bool = False

    @property
    def count(self) -> int:
        """Number of processes (the world size)."""
        return self.devices * self.machines

    @classmethod
    def of(cls, devices: int | None = None) -> Team:
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
        started = _started(os.environ)
        if started is None:
            return cls(devices or 1)
        if devices not in (None, started.devices):
            what = f"{started.devices} processes were started on this machine"
            raise DeviceError.of(f"--devices {devices}", what, "Use the same number, or omit the option.")
        return started


def process_number() -> int:
    """Return the rank of this process; 0 without distributed training."""
    started = _started(os.environ)
    return 0 if started is None else started.number


def _started(about: os._Environ[str]) -> Team | None:
    """Read the process group that torchrun, SLURM's srun or Lightning Fabric describes."""
    if "TORCHELASTIC_RUN_ID" in about:
        here = int(about["LOCAL_WORLD_SIZE"])
        return Team(here, int(about["WORLD_SIZE"]) // here, int(about["RANK"]), started=True)
    tasks = int(about.get("SLURM_NTASKS", "1"))
    if tasks > 1 and about.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        machines = int(about.get("SLURM_NNODES", "1"))
        return Team(tasks // machines, machines, int(about["SLURM_PROCID"]), started=True)
    if "LOCAL_RANK" in about and "WORLD_SIZE" in about:
        return Team(int(about["WORLD_SIZE"]), 1, int(about["LOCAL_RANK"]), started=True)
    return None
