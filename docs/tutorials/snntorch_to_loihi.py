# %% [markdown]
# # A snnTorch conv net to Loihi integers
#
# A convolutional network, trained in snnTorch and written with snnTorch's own NIR
# exporter, becomes integers in the formats of Loihi 1. Every step compares with the
# step before, so that you see what each one changes.
#
# You need `spikeport[train]`. Where snnTorch is installed as well, this notebook trains
# the network; where it is not, the notebook takes a file that snnTorch wrote before
# (`docs/tutorials/files/snntorch_conv.zip`, 7 kB).

# %%
import importlib.util
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import spikeport

FAST = os.environ.get("SPIKEPORT_FAST") == "1"  # our tests run this notebook with fewer images
checkout = Path(spikeport.__file__).resolve().parents[2]  # or the folder where your copy of spikeport lies
have_snntorch = importlib.util.find_spec("snntorch") is not None
print("snnTorch is installed: the network is trained here" if have_snntorch else "no snnTorch: its file is taken")

# %% [markdown]
# ## The data
#
# The images are scikit-learn's 1,797 handwritten digits, 8x8 pixels. 500 of them are
# held out, the same as in `examples/digits/held_out.npz`, and never trained on. A chip
# takes whole numbers, so the pixels are written as levels from 0 to 255.

# %%
digits = load_digits()
order = np.random.default_rng(20_260).permutation(len(digits.target))
pixels = np.rint(255 / 16 * digits.images[order, None]).astype(np.uint8)  # (N, 1, 8, 8)
labels = digits.target[order]
HELD_OUT = 500
tested, calibrated = (50, 100) if FAST else (HELD_OUT, 300)
np.savez_compressed("test.npz", images=pixels[:tested], labels=labels[:tested])
np.savez_compressed("calibration.npz", images=pixels[HELD_OUT:][:calibrated])

# %% [markdown]
# ## The network in snnTorch
#
# One convolution, one average pooling and one linear layer, with leaky neurons whose
# spike sets the potential to zero: Loihi 1 has this reset and no other. The same image
# goes in at each of 16 steps, and the class is the neuron that fires most often. The
# thresholds and decays are written out for every neuron, because snnTorch's exporter
# asks for that.

# %%
STEPS = 16


def train(epochs: int) -> tuple[object, np.ndarray, np.ndarray]:
    """Train in snnTorch; return its NIR graph, and an input (N, 1, 8, 8) with the spikes (steps, N, 10) it causes."""
    import snntorch as snn
    import torch
    from snntorch import surrogate, utils
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(0)
    torch.set_num_threads(1)

    def leaky(*shape: int) -> snn.Leaky:
        beta, threshold = torch.full(shape, 0.9), torch.ones(shape)
        return snn.Leaky(
            beta,
            threshold,
            spike_grad=surrogate.atan(),
            init_hidden=True,
            reset_mechanism="zero",
        )

    layers = {
        "conv": torch.nn.Conv2d(1, 8, 3, bias=False),
        "hidden": leaky(8, 6, 6),
        "pool": torch.nn.AvgPool2d(2),
        "flat": torch.nn.Flatten(),
        "dense": torch.nn.Linear(72, 10),
        "classes": leaky(10),
    }
    net = torch.nn.Sequential(OrderedDict(layers))  # the names go into the file

    def run(images: torch.Tensor) -> torch.Tensor:
        utils.reset(net)
        return torch.stack([net(images) for _ in range(STEPS)])

    x, y = torch.from_numpy(pixels.astype(np.float32) / 255), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(epochs):
        for rows in (HELD_OUT + torch.randperm(len(x) - HELD_OUT)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(run(x[rows]).sum(0) / 2, y[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        spikes = run(x[:HELD_OUT])
    right = (spikes.sum(0).argmax(1) == y[:HELD_OUT]).double().mean().item()
    print(f"snnTorch: {right:.1%} of {HELD_OUT} held-out images are classified rightly")
    utils.reset(net)
    graph = export_to_nir(net, torch.zeros(1, 1, 8, 8), ignore_dims=[0])
    return graph, x[:HELD_OUT].numpy(), spikes.byte().numpy()


if have_snntorch:
    import nir

    graph, recorded, spikes = train(epochs=1 if FAST else 8)
    nir.write("conv.nir", graph)
    np.savez_compressed("x.npz", input=recorded[:20])
    np.savez_compressed("y.npz", output=spikes[:, :20])
else:
    with zipfile.ZipFile(checkout / "docs/tutorials/files/snntorch_conv.zip") as kept:
        kept.extractall()
print(f"conv.nir: {Path('conv.nir').stat().st_size:,} bytes")

# %% [markdown]
# ## What a NIR file does not say
#
# A NIR file holds weights, thresholds and time constants. It does not say when a neuron
# fires or how a spike resets it, and snnTorch has four resets. `identify` tries the
# rules that the file leaves open against 20 recorded images: the rules below give every
# spike of the recording, so nothing about them is a guess. They are left beside the
# file.

# %%
found = spikeport.identify("conv.nir", "x.npz", "y.npz")
assert found.passed
print(found.text())

# %% [markdown]
# ## Read as it is
#
# The imported network runs in floating point, with snnTorch's own spikes. Its accuracy
# is therefore snnTorch's accuracy on these images.

# %%
source = spikeport.ImportSettings(steps=STEPS, levels=255)  # T, and 255 grey levels whose largest is 1.0
imported = spikeport.import_nir("conv.nir", settings=source)
real = spikeport.simulate(imported.network, "test.npz")
print(f"floating point: {real.accuracy:.1%}")

# %% [markdown]
# ## Integers in the formats of Loihi 1
#
# `quantize` chooses integer weights, thresholds and decays, and proves that no register
# of the chip can overflow, whatever the input. Training images choose where large
# weights are cut. Each line shows a population: how many bits its weights take, and the
# bounds of its synaptic current `u` and its potential `v`. The last lines are about the
# input; the section after the next one deals with them.

# %%
quantized = spikeport.quantize(
    "conv.nir",
    settings=spikeport.QuantizeSettings(source=source),
    target="loihi1",
    calibration="calibration.npz",
    out="conv.safetensors",
)
assert quantized.proven
print(quantized.text())

# %% [markdown]
# ## What rounding costs
#
# The integers are another network than the floating-point one: weights are rounded, so
# some spikes change. The accuracy on held-out images says what that is worth; with 500
# images its standard error is below one point.

# %%
whole = spikeport.simulate(quantized.network, "test.npz")
agree = (whole.classes == real.classes).mean()
print(
    f"floating point {real.accuracy:.1%}, integers {whole.accuracy:.1%}; the same class for {agree:.1%} of the images"
)

# %% [markdown]
# ## Pixels without graded spikes
#
# A spike of Loihi 1 carries no number, so grey levels cannot go in over synapses. The
# host computes the first layer once per image and writes the sums into the bias
# registers instead. The text says how many of these sums the register does not hold
# exactly, and how many spikes that changes.

# %%
biases = spikeport.InputSettings(input_as="bias")
print(spikeport.simulate(quantized.network, "test.npz", reading=biases).text())

# %% [markdown]
# ## Proof that it is the same network everywhere
#
# `check` runs the integers in other executors and compares every spike of every neuron
# in every step. `different` has to be 0, since these are integers; there is no
# tolerance. `chips=("loihi1",)` also asks whether every known rule of the chip holds.
# An executor that cannot hold the network is named with its reason.

# %%
settings = spikeport.CheckSettings(executors=("reference", "onnx", "nir"), chips=("loihi1",))
verdict = spikeport.check(quantized.network, "test.npz", settings=settings, reading=biases)
assert verdict.passed, verdict.reasons
print(verdict.text())

# %% [markdown]
# ## Files to take along
#
# `loihi1` holds the chip's registers as arrays, `onnx` one stateful integer model.
# `lava-job` is a folder that runs in Intel's Lava, here or on another machine, without
# spikeport.

# %%
for kind, out in (
    ("loihi1", "conv.loihi1"),
    ("onnx", "conv.onnx"),
    ("lava-job", "conv_lava"),
):
    print(spikeport.export_network(quantized.network, out, to=kind, input_as="bias").text())

# %% [markdown]
# ## What it costs
#
# One mean image on Loihi 1: accumulates, the cores that the network takes, and energy
# by part. A star marks parts that rest on an assumed constant, `~` those with a
# constant of another chip. [What does it cost on seven chips](cost_on_seven_chips.py)
# explains the table.

# %%
report = spikeport.report(quantized.network, "test.npz", profiles=["loihi1"], reading=biases)
assert report.passed
print(f"{report.operations.modes['fused']:,.0f} accumulates, {report.placement['loihi1'].cores} core\n")
print(report.energy["loihi1"].text())
