"""One of two processes that meet at a barrier: number, store, seconds that it is late."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import torch
from cmr_ssp.training.processes import Processes

if __name__ == "__main__":
    number, store, late = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=number, world_size=2)
    processes = Processes(cast(Any, SimpleNamespace(world_size=2, global_rank=number)))
    time.sleep(late)
    began = time.monotonic()
    try:
        processes.wait()
        print("met")
    except RuntimeError as error:
        print("lost", round(time.monotonic() - began, 1), error)
    sys.stdout.flush()
