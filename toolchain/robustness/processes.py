"""Processes of our own that compute parts: started anew, so that they hold no locks of this one."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

import torch


@contextmanager
def pool(workers: int) -> Iterator[Executor]:
    """Yield ``workers`` processes, each with as many threads of PyTorch as this one has: more could add otherwise.

    They end with the block, and by themselves when this process ends, however it does.
    """
    made = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(torch.get_num_threads(),),
    )
    try:
        yield made
    finally:
        made.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, also where that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
