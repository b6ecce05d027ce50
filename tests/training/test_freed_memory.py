"""Freed memory is kept during training and returned to the system afterwards."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to")

IN_A_FRESH_PROCESS = """
import json, resource, psutil, torch
from cmr_ssp.training.freed_memory import keeping_freed_memory

def fresh_pages(maps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(maps):
        torch.ones(12 << 20)  # 48 MiB, one after the other
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = fresh_pages(8)
with keeping_freed_memory():
    fresh_pages(1)
    kept = fresh_pages(8)
    held = psutil.Process().memory_info().rss
print(json.dumps([usual, kept, held, psutil.Process().memory_info().rss]))
"""


def test_freed_memory_is_reused_and_returned_at_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS], capture_output=True, text=True, check=True
    )
    usual, kept, held, left = json.loads(done.stdout)
    assert kept < usual / 4
    assert left < held - 40 * 2**20
