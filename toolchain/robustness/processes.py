"""Processes of our own that compute parts: started anew, so that they hold no locks of this one."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait

import torch


@contextmanager
def pool(workers: int) -> Iterator[Executor]:
    """Yield ``workers`` processes, each with as many threads of PyTorch as this one has: more could add otherwise.

    They end with the block, at once where it ends with an error or Ctrl-C, and by themselves when this process ends,
    however it does.
    """
    before = multiprocessing.active_children()
    made = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(torch.get_num_threads(),),
    )
    try:
        yield made
    except BaseException:
        for child in multiprocessing.active_children():
            if child not in before:
                child.terminate()
        raise
    finally:
        made.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first process ends the others
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, also where that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
