"""Where a training runs, by the word of the user."""

import torch

from spikeport.export.errors import TrainingError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolved(device: str) -> str:
    """Return 'cpu', 'cuda' or 'mps' for one of `DEVICES`; `TrainingError` where this machine lacks it."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if device not in there:
        raise TrainingError(f"no device {device!r}; there are {', '.join(DEVICES)}")
    if not there[device]:
        raise TrainingError(f"device {device!r}: PyTorch {torch.__version__} finds none on this machine; use 'cpu'")
    return device


def described(device: str) -> str:
    """Return the device with its hardware, for a line of output."""
    if device == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"{device} ({torch.get_num_threads()} threads)" if device == "cpu" else device
