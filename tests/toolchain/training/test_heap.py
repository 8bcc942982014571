"""What the C library is told."""

import ctypes
import subprocess
import sys

import pytest

GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
def test_freed_memory_stays_with_the_process():
    """A process that allocates and frees 64 MiB a hundred times is given its pages once: others, every time."""
    code = (
        "import resource, sys\n"
        "from spikeport.toolchain.training.heap import keep_freed_memory\n"
        "assert len(sys.argv) == 1 or keep_freed_memory()\n"
        "import torch\n"
        "for _ in range(100):\n"
        "    torch.zeros(2**24)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)\n"
    )
    faults = [
        int(subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, check=True).stdout)
        for more in ([], ["keep"])
    ]
    assert faults[1] < faults[0]
