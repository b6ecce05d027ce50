"""Which processes train together, as the environment of this one tells."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cmr_ssp.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Team:
    """Processes that train one network together, one a device.

    Attributes
    ----------
    devices : int
        Processes on each machine.
    machines : int
        How many machines.
    number : int
        Of this process; the first, 0, writes and reports.
    started : bool
        Whether they all run: torchrun, SLURM or our own first process started this one.
    """

    devices: int = 1
    machines: int = 1
    number: int = 0
    started: bool = False

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self.devices * self.machines

    @classmethod
    def of(cls, devices: int | None = None) -> Team:
        """Return the team that this process belongs to, or will start.

        Parameters
        ----------
        devices : int, optional
            On each machine; as many as were started, or one, unless given.

        Raises
        ------
        DeviceError
            Where another number was started than is asked for.
        """
        started = _started(os.environ)
        if started is None:
            return cls(devices or 1)
        if devices not in (None, started.devices):
            what = f"{started.devices} processes were started on this machine"
            raise DeviceError.of(f"--devices {devices}", what, "Give the same number, or leave it out.")
        return started


def process_number() -> int:
    """Return the number of this process in its team; 0 where it is alone."""
    started = _started(os.environ)
    return 0 if started is None else started.number


def _started(about: os._Environ[str]) -> Team | None:
    """Return the team as torchrun, SLURM's srun, or the launcher of lightning-fabric describe it."""
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
