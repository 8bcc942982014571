"""The C library's settings for memory, on which a training step on the CPU depends."""

import ctypes

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of glibc's ``mallopt``."""
LARGEST_KEPT = 2**30
"""Bytes at the end of the heap that stay when they are free."""


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees; return whether the C library (glibc) can be told so.

    By default, glibc gives every tensor above 32 MiB back to the system. The system hands its memory out again page by
    page, filled with zeros, which takes longer than what neurons compute on it (docs/results/training.md). The process
    then holds its largest amount until it ends.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(TRIM_THRESHOLD, LARGEST_KEPT) and library.mallopt(MMAP_MAX, 0))
