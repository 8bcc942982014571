"""What a verb says that got no samples: which ones the network takes, their files, and a line that would do."""

from pathlib import Path
from typing import Any

from spikeport.export import archive
from spikeport.export.errors import InputMissing
from spikeport.export.network import Network
from spikeport.export.stimulus import Intake
from spikeport.export.stimulus.encoding import described
from spikeport.toolchain.commands.exits import again

FILES = ".npz, .npy, .pt, .hdf5, .aedat4, or a folder with a file for each sample; docs/input.md has all forms"
EXAMPLE = ("--input", "samples.npz")


def samples_for(network: Network, name: Path) -> InputMissing:
    """Return the error of a verb without samples for ``network``, whose file is ``name``."""
    intake = Intake.of(network)
    return _missing(f"{name} takes {_numbers(intake)}, T = {intake.steps} steps a sample", *_shapes(intake))


def pixels_for(name: Path) -> InputMissing:
    """Return the error of an attack without images."""
    if name.suffix == ".safetensors":
        from spikeport.toolchain import checkpoint

        if not checkpoint.is_checkpoint(name):
            return samples_for(archive.read(name), name)
        model: Any = checkpoint.read(name)
        return _of_pixels(name, ", ".join(map(str, model.specification.input_shape)))
    return _of_pixels(name, "C, H, W")


def _of_pixels(name: Path, shape: str) -> InputMissing:
    kinds = "0..255 as uint8, or 0..1 as real numbers"
    return _missing(f"{name} takes pixels, {kinds}", f"an array 'images' (N, {shape}) and 'labels' (N,)")


def _missing(takes: str, *shapes: str) -> InputMissing:
    forms = ["samples are missing: give them by --input", takes, *shapes, f"files: {FILES}"]
    written = 'numpy.savez("samples.npz", images=images, labels=labels)'
    return InputMissing(*forms, f"for instance: {again(*EXAMPLE)}, a file that {written} writes")


def _numbers(intake: Intake) -> str:
    source = intake.source
    if source.coding is not None:
        return f"pixels, 0..255 as uint8 or 0..1 as real numbers, of which '{source.coding.encoder}' makes spikes"
    whole = described(source) + (" (pixels)" if source.levels == 255 and source.unit != 1 else "")
    return f"real numbers as they are, integers as {whole}" if intake.real else f"{whole}"


def _shapes(intake: Intake) -> tuple[str, ...]:
    """Return the shapes of an array that fits, one a line."""
    held, frames = (", ".join(map(str, shape)) for shape in (intake.pixels, intake.timed))
    lines = [f"an array (N, {held}), each sample held over the steps"]
    if intake.source.coding is None and not intake.held:
        lines[0] += f", or (N, {frames}), step by step"
    spikes = intake.source.unit == 1 and intake.source.coding is None
    if spikes and len(intake.shape) == 3 and intake.shape[0] <= 2 and not intake.held:
        lines.append("or event lists with x, y, t and p, cut into steps by --bin 10ms or --frames")
    return (*lines, "'labels' (N,) beside it give the accuracy")
