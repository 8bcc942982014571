"""What `attack` is given: networks of files or objects as a `Subject`, images and labels as tensors."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikeport.export import archive
from spikeport.export.errors import FormatError, NetworkError, StimulusError
from spikeport.export.network import Array, Network, Source
from spikeport.export.stimulus import Intake, Stimulus
from spikeport.export.stimulus.labels import one_per_sample
from spikeport.toolchain import checkpoint
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.importing.models import read_model
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.robustness.assessed import DEPLOYED, TRAINED
from spikeport.toolchain.robustness.deployed import Deployed
from spikeport.toolchain.robustness.kept import of_model
from spikeport.toolchain.robustness.subject import Subject
from spikeport.toolchain.stages.records import digest_of_file
from spikeport.toolchain.training.devices import resolved
from spikeport.toolchain.verbs.attack_settings import AttackSettings
from spikeport.toolchain.verbs.origin import check_origin, origin_of
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, images_and_labels

PIXELS = Source(levels=PIXEL_LEVELS, unit=1 / PIXEL_LEVELS)
Opened = tuple[Subject, Tensor, Tensor]


def opened(
    network: nn.Module | Network | AnyPath,
    images: AnyInput,
    float_model: nn.Module | AnyPath | None,
    labels: Array | None,
    settings: AttackSettings,
) -> Opened:
    """Return the subject, its images in [0, 1] and their labels (N,); see `spikeport.attack`."""
    model: nn.Module | None
    deployed: Deployed | None
    first = _read(network, settings, images)
    if isinstance(first, nn.Module):
        if float_model is not None:
            raise NetworkError(
                f"{_named(network)} is a float network with gradients itself; leave the other one (--float) out, or "
                "give an archive first"
            )
        model, deployed = first, None
    else:
        model, deployed = _float_of(network, float_model, settings, images), Deployed(first)
    found, truth = _images(images, model, deployed, labels, settings)
    if model is not None:
        model = model.to(resolved(settings.device)).eval()
    networks = {TRAINED: (network if deployed is None else float_model, model), DEPLOYED: (network, deployed)}
    told = {role: _told(given, read) for role, (given, read) in networks.items() if read is not None}
    real = deployed is None and _takes_frames(model)
    levels = deployed.levels if deployed is not None else None if real else PIXEL_LEVELS
    advice = _advice(network) if model is None else ""
    source = f"{images}: " if labels is None and isinstance(images, Path | str) else ""
    subject = Subject(model=model, deployed=deployed, networks=told, levels=levels, advice=advice, source=source)
    return subject, found, truth


def _read(network: nn.Module | Network | AnyPath, settings: AttackSettings, images: AnyInput) -> nn.Module | Network:
    """Return a network as it is, or of its file."""
    if isinstance(network, nn.Module):
        return _known(network)
    if not isinstance(network, Path | str):
        return network
    path = Path(network)
    if path.suffix in (".nir", ".net"):
        raise FormatError(f"{path}: expected an archive; 'spikeport import' (or quantize) makes one of it")
    if path.suffix == ".safetensors":
        _check_unused(path, settings)
        return checkpoint.read(path) if checkpoint.is_checkpoint(path) else archive.read(path)
    return read_model(path, mean=settings.mean, std=settings.std, shape=_shape(images)).model


def _check_unused(path: Path, settings: AttackSettings) -> None:
    if settings.mean is not None or settings.std is not None:
        raise FormatError(f"{path}: holds its own mean and standard deviation; leave --mean and --std out")


def _known(model: nn.Module) -> nn.Module:
    if not isinstance(model, Backbone):
        raise NetworkError(
            f"a {type(model).__name__} was given; expected an ANN or SNN of spikeport: "
            "spikeport.from_torch(model, example).model is one, with its normalisation inside"
        )
    return model


def _shape(images: AnyInput) -> Any:
    from spikeport.toolchain.verbs.convert import shape_of

    return shape_of(images)


def _float_of(
    network: Any, float_model: nn.Module | AnyPath | None, settings: AttackSettings, images: AnyInput
) -> nn.Module | None:
    """Return the float network of an archive, checked against the records of the run where they lie around it."""
    if float_model is None:
        return None
    model = _read(float_model, settings, images)
    if not isinstance(model, nn.Module):
        raise NetworkError(
            f"{_named(float_model)} is a network of an archive, which has no gradients; expected the checkpoint "
            "(.safetensors), .pt2 or .onnx file that it was made of"
        )
    if isinstance(network, Path | str) and isinstance(float_model, Path | str):
        check_origin(Path(network), Path(float_model))
    return model


def _advice(network: Any) -> str:
    """Return where the float network of an archive lies, if the records of its run say so."""
    origin = origin_of(Path(network)) if isinstance(network, Path | str) else None
    return "" if origin is None or origin.path is None else f"; its run made it of {origin.path}"


def _images(
    images: AnyInput,
    model: nn.Module | None,
    deployed: Deployed | None,
    labels: Array | None,
    settings: AttackSettings,
) -> tuple[Tensor, Tensor]:
    """Return the first ``settings.images`` pixels in [0, 1] and their labels."""
    intake = _intake(model, deployed)
    stimulus, known = images_and_labels(images, intake)
    _check_model_takes(stimulus, model)
    truth = known if labels is None else np.asarray(labels)
    if truth is None:
        raise StimulusError(f"{_named(images)}: no labels; expected labels=, or an array 'labels' in the file")
    truth = one_per_sample(truth, len(stimulus))
    if stimulus.lengths is not None:
        raise StimulusError(f"{_named(images)}: samples differ in length; expected samples of equal length")
    count = settings.images
    if count is not None and not 1 <= count <= len(stimulus):
        raise StimulusError(f"the first {count} images were asked for; expected 1 to {len(stimulus)}, as there are")
    values = stimulus.values[:count]
    scaled = values if values.dtype.kind == "f" else values.astype(np.float64) / intake.source.levels
    return torch.from_numpy(np.array(scaled, np.float32)), torch.from_numpy(truth[:count].astype(np.int64))


def _intake(model: nn.Module | None, deployed: Deployed | None) -> Intake:
    """Return how images are read: as the archive's network takes them, else as pixels of 8 bits."""
    if deployed is not None:
        intake = deployed.intake
        if isinstance(model, Backbone) and tuple(model.specification.input_shape) != tuple(intake.pixels):
            raise NetworkError(
                f"the float network takes images {tuple(model.specification.input_shape)}, the deployed one "
                f"{tuple(intake.pixels)}; expected the network that it was made of"
            )
        source = intake.source if intake.source.coding is None else PIXELS
        return Intake(shape=intake.pixels, steps=intake.steps, source=source, real=False)
    assert isinstance(model, Backbone)
    steps = model.steps if isinstance(model, SNN) else 1
    real = _takes_frames(model)
    return Intake(shape=tuple(model.specification.input_shape), steps=steps, source=PIXELS, real=real)


def _takes_frames(model: nn.Module | None) -> bool:
    return isinstance(model, SNN) and tag_of(model.spiking.encoder) == "frames"


def _check_model_takes(stimulus: Stimulus, model: nn.Module | None) -> None:
    """Refuse images for a network of frames, and frames for one of images."""
    if model is not None and stimulus.held == _takes_frames(model):
        given, wanted = ("images", "frames, (N, T, ...)") if stimulus.held else ("frames", "images, (N, ...)")
        raise StimulusError(f"the input are {given}; the float network takes {wanted}")


def _told(given: Any, read: Any) -> dict[str, str]:
    """Return what a network is, and its digest."""
    if isinstance(read, Deployed):
        network = read.network
        kind = f"{network.kind} network, T = {network.steps}"
        return {"what": f"{kind}{_of_file(given)}", "digest": archive.digest(network)}
    kind = f"SNN, T = {read.steps}" if isinstance(read, SNN) else "ANN"
    path = Path(given) if isinstance(given, Path | str) else None
    digest = (digest_of_file(path) if path else None) or of_model(read)
    return {"what": f"{kind}{_of_file(given)}", "digest": digest}


def _of_file(given: Any) -> str:
    return f", {given}" if isinstance(given, Path | str) else ""


def _named(given: Any) -> str:
    return str(given) if isinstance(given, Path | str) else f"the {type(given).__name__}"
