"""Stages that deploy: float network, integers, files, fidelity, report."""

import numpy as np
import torch

from spikeport.export import archive, fidelity
from spikeport.export.executors import fast, floating
from spikeport.export.files import write_arrays
from spikeport.export.formats import nir, onnx
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import read, stimulus
from spikeport.export.trace import predicted, record
from spikeport.hardware_profiles.chip_formats import target
from spikeport.hardware_profiles.report import build
from spikeport.hardware_profiles.report.write import write
from spikeport.toolchain import checkpoint
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.stages.records import results
from spikeport.toolchain.stages.run import Metrics, Run


def lower_network(run: Run) -> Metrics:
    """Fold the SNN into a float network and compare its spikes with PyTorch's, both in float64."""
    snn = _last_snn(run).double().eval()
    network = folded(lower(snn))
    archive.write(network, run.path("network_float.safetensors"))
    images, _ = run.held_out()
    with torch.no_grad():
        expected = snn.spikes(torch.from_numpy(images.astype(np.float64) / 255))
    ours = record(floating.steps(network, stimulus(images, network)))
    pairs = [(spikes.numpy().swapaxes(0, 1).astype(bool), ours[n]) for n, spikes in expected.items()]
    different = [int((a.reshape(b.shape) != b).sum()) for a, b in pairs]
    return {"compared": sum(b.size for _, b in pairs), "mismatches": sum(different)}


def _last_snn(run: Run) -> SNN:
    """Return the SNN that goes to hardware."""
    name = "snn" if run.recipe.tune_integers is None else "snn_tuned"
    return checkpoint.read_snn(run.path(f"{name}.safetensors"))


def quantize_network(run: Run) -> Metrics:
    """Turn the float network into integers with their proof and write the archive."""
    network = archive.read_float(run.path("network_float.safetensors"))
    settings = run.recipe.quantize
    formats = target(settings.target)
    if settings.calibration_images:
        images = stimulus(run.data.train.images[: settings.calibration_images], network)
        integer, clips = search(network, images, weight_bits=settings.weight_bits, target=formats)
    else:
        integer, clips = quantize(network, weight_bits=settings.weight_bits, target=formats), {}
    archive.write(integer, run.path("network.safetensors"))
    return {"digest": archive.digest(integer), "clips": clips}


def export_network(run: Run) -> Metrics:
    """Write NIR and ONNX, and the held-out images for the other verbs."""
    network = archive.read_integer(run.path("network.safetensors"))
    nir.write(network, run.path("network.nir"))
    onnx.write(network, run.path("network.onnx"))
    images, labels = run.held_out()
    write_arrays(run.path("held_out.npz"), {"images": images, "labels": labels}, compressed=True)
    return {name: run.path(name).stat().st_size for name in ("network.safetensors", "network.nir", "network.onnx")}


def check(run: Run) -> Metrics:
    """Compare all executors with the fast one on the held-out images; accuracies come from the same run."""
    network = archive.read_integer(run.path("network.safetensors"))
    images, labels = run.held_out()
    names = list(run.recipe.evaluate.executors)
    fidelities, chosen = fidelity.check(network, stimulus(images, network), names)
    clean = (chosen == labels).mean(axis=1).tolist()
    adversarial, _ = read(run.path("adversarial.npz"), network)
    classes = predicted(network, adversarial, fast.steps)
    return {
        "fidelity": {name: fidelity.summary(each) for name, each in fidelities.items()},
        "accuracy": dict(zip([*fidelities, "integer"], clean, strict=True)),
        "robust": float((classes == labels).mean()),
    }


def report(run: Run) -> Metrics:
    """Count, place and price the network; write report.json and report.html."""
    network = archive.read_integer(run.path("network.safetensors"))
    images, _ = run.held_out()
    hardware = run.recipe.hardware
    result = build.report(network, stimulus(images, network), hardware.profiles, verify=hardware.verify)
    write(result.with_run(**results(run, network)), run.folder)
    return {}
