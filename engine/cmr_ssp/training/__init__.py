"""The training loop, its schedules and the order of its samples."""

from cmr_ssp.training.loop import train
from cmr_ssp.training.memory import MemoryNeed, memory_need, time_training_pass
from cmr_ssp.training.order import TrainingLength
from cmr_ssp.training.pacing import TimeLimit
from cmr_ssp.training.processes import SINGLE_PROCESS, Processes
from cmr_ssp.training.stepper import Objective

__all__ = [
    "SINGLE_PROCESS",
    "MemoryNeed",
    "Objective",
    "Processes",
    "TimeLimit",
    "TrainingLength",
    "memory_need",
    "time_training_pass",
    "train",
]
