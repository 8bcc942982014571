# %% [markdown]
# # What does it cost on seven chips?
#
# One trained network on every profile that comes along: five chips (Loihi 1, Loihi 2,
# Speck, SpiNNaker2, TrueNorth), and two prices of arithmetic in 45 nm CMOS by which
# papers compare networks. Loihi 1 has a second profile, fitted to measurements of
# silicon. What a chip's makers do not publish is unknown here, and stays unknown in
# every sum.

# %%
import os
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import spikeport

FAST = os.environ.get("SPIKEPORT_FAST") == "1"  # our tests run this notebook with fewer images
checkout = Path(spikeport.__file__).resolve().parents[2]  # or the folder where your copy of spikeport lies
profiles = spikeport.profile_names()
for name in profiles:
    print(f"{name:18}  {spikeport.load_profile(name).description}")

# %% [markdown]
# ## The network
#
# The demo's network: three convolutions and a dense layer, 90 % of the weights zero,
# trained on 8x8 digits, 8 steps an image. It is quantized to 8 bits first, since costs
# follow from the integers. Costs are means over the images that you give, because
# spikes differ from image to image.

# %%
network = spikeport.quantize(checkout / "examples/digits/network_float.safetensors").network
held_out = np.load(checkout / "examples/digits/held_out.npz")
images = held_out["images"][: 20 if FAST else 200]
simulation = spikeport.simulate(network, images, labels=held_out["labels"][: len(images)])
print(
    f"{len(network.neurons)} populations, T = {network.steps}, {len(images)} images, accuracy {simulation.accuracy:.1%}"
)

# %% [markdown]
# ## Operations do not depend on the chip
#
# A spike causes one accumulate for each synapse that it reaches; this is Eq. 12 of the
# paper, spike counts times fan-outs. The count is verified on some images: the
# simulator's kernels and the reference, event by event, give the same whole numbers.
# The pixels go in as grey levels, so the first layer multiplies, and is counted apart
# (MAC).

# %%
counts = spikeport.count(network, images)
print(counts.text())

# %% [markdown]
# ## One report over all profiles
#
# `report` places the network on the cores of each chip, follows the messages between
# cores, and prices the work. The table shows the cores and the time of an image, where
# images follow each other. A dash means that the profile has no cores to place anything
# on, or that the chip refuses the network; the reasons come below.

# %%
report = spikeport.report(network, images, profiles=profiles)
assert report.passed
print(f"{'':18}  {'cores':>5}  {'time per image':>14}")
for name in profiles:
    cores = report.placement[name].cores if name in report.placement else "-"
    time = report.latency[name].interval if name in report.latency else None
    shown = "unknown" if time is None else f"{1e6 * time:,.0f} us"
    print(f"{name:18}  {cores:>5}  {shown:>14}")

# %% [markdown]
# ## Energy, part by part
#
# Synapses are the accumulates of Eq. 12; neuron updates happen in every step, whether
# or not a spike arrives; static power flows as long as an image takes. `unknown` means
# that no source gives the number: the part is not zero, and the sum is a lower bound.
# `*` marks a part with an assumed constant, `~` one with a constant of another chip;
# `included` means that the published energy per accumulate holds the part already.

# %%
PARTS = {
    "synaptic_operations": "synapses",
    "neuron_updates": "updates",
    "spike_traffic": "traffic",
    "first_layer_host": "first layer",
    "static": "static",
}


def cell(energy: spikeport.EnergyPerImage, part: str) -> str:
    """Return one part in microjoule with its marks."""
    value = getattr(energy, part)
    if part in energy.included:
        return "included"
    if value is None:
        return "unknown"
    assumed, scaled = (part in found for found in (energy.assumed, energy.scaled))
    return f"{1e6 * value:.3g}{'*' * assumed}{'~' * scaled}"


def unknown(energy: spikeport.EnergyPerImage) -> list[str]:
    """Return the parts that the sum lacks."""
    return [title for part, title in PARTS.items() if cell(energy, part) == "unknown"]


print(f"{'uJ per image':18}", *(f"{title:>11}" for title in PARTS.values()), f"{'sum':>9}")
for name, energy in report.energy.items():
    cells = (f"{cell(energy, part):>11}" for part in PARTS)
    total = f"{'>= ' if unknown(energy) else ''}{1e6 * energy.sum_of_known:.3g}"
    print(f"{name:18}", *cells, f"{total:>9}")

# %% [markdown]
# ## The same as a figure
#
# The axis is logarithmic, because the profiles span four orders of magnitude. Compare
# the full bars, synapses, which every profile prices; the light bars are the sum of
# what is known, and an arrow with words says what is missing from it. A short light bar
# with an arrow is not a cheap chip: it is a chip of which little is published.

# %% alt="Energy of an image on each profile: synapses, the sum of what is known, and which parts are unknown"
figure, axis = plt.subplots(figsize=(9, 4.2), layout="constrained")
for row, energy in enumerate(report.energy.values()):
    total, missing = 1e6 * energy.sum_of_known, unknown(energy)
    words = f"→ ? {', '.join(missing)}" if missing else "all parts known"
    axis.barh(row, total, color="#b8cbe6", hatch="//" * bool(missing), edgecolor="white")
    axis.barh(row, 1e6 * energy.synaptic_operations, height=0.4, color="#2f5f9e")
    axis.text(1.15 * total, row, words, va="center", fontsize=8)
axis.set(xscale="log", xlabel="µJ per image, logarithmic")
axis.set(yticks=range(len(profiles)), yticklabels=profiles)
axis.set_xlim(right=3e4)
axis.invert_yaxis()
axis.set_title("dark: synapses; light: sum, hatched where parts are unknown", fontsize=9)
plt.show()

# %% [markdown]
# ## Does the chip run it at all?
#
# A price is no verdict. For every chip with cores the report names the rules that the
# network breaks, by how much, and the way out. On Loihi 1 and TrueNorth all faults have
# one cause: their spikes carry no grey level, and their synapses do not multiply. "Not
# known" is no "runs": no source says what the registers of that chip hold.

# %%
for chip in report.chips.values():
    print("\n".join(textwrap.fill(line, 84) for line in chip.lines), end="\n\n")

# %% [markdown]
# ## The same network with images as biases
#
# On Loihi 1 the host computes the first layer and writes its sums into bias registers,
# and every rule of the chip holds. The energies stand beside those from above and are
# the same, because the first layer was priced on the host there, too: the work of the
# host does not vanish, it is the row `first layer`.

# %%
biases = spikeport.InputSettings(input_as="bias")
as_biases = spikeport.report(network, images, profiles=["loihi1"], reading=biases)
print("\n".join(as_biases.chips["loihi1"].lines))
before, after = report.energy["loihi1"], as_biases.energy["loihi1"]
for part, title in PARTS.items():
    print(f"{title:14}  {cell(before, part):>8}  {cell(after, part):>8} uJ")

# %% [markdown]
# ## What if
#
# `what_if` runs the trained network with fewer steps, or with more weights set to zero,
# and counts and prices it again. Nothing is trained again, so the table says nothing
# about accuracy: it shows where training would pay.

# %%
varied = spikeport.Variations(profiles=["loihi1"], steps=(4,), sparsities=(0.95,))
rows = spikeport.what_if(network, images, varied)
for row in rows:
    synapses, updates = (
        1e6 * row.energy.synaptic_operations,
        1e6 * row.energy.neuron_updates,
    )
    accumulates = f"{row.accumulates['fused']:,.0f} accumulates"
    print(f"{row.variation:14} {accumulates:>20}: {synapses:.3g} uJ; neuron updates {updates:.3g} uJ")
