# %% [markdown]
# # A robust sparse SNN from scratch
#
# From images to integers, in the order of Schmolli et al. (CPAL 2025): a dense network
# is trained against attacks, a tenth of its weights is kept, the rest is pruned, the
# sparse network becomes a spiking one and is finetuned, again against attacks. At the
# end stand whole numbers for a neuromorphic chip.
#
# You need `spikeport[train]`. The images are scikit-learn's 1,797 handwritten digits;
# nothing is downloaded.

# %%
import io
import os
from contextlib import redirect_stderr
from pathlib import Path

import matplotlib.pyplot as plt

import spikeport

FAST = os.environ.get("SPIKEPORT_FAST") == "1"  # our tests run this notebook with fewer images and epochs

# %% [markdown]
# ## The recipe
#
# A recipe is a TOML file with data, a network and a list of stages; `spikeport.run`
# runs it in a folder and skips what is done. `epsilon` is how far an attack may move
# each pixel, in grey levels of 255. 41 is the smallest that leaves an undefended
# network of this size under 10 % in the demo. `evaluate` is measured after every stage
# on 500 held-out images: clean, and under ten steps of PGD.

# %%
RECIPE = """
version = 2
seed = 0
threads = 1
data = { kind = "digits", validation = 0.0 }
network = { kind = "vgg", plan = [16, 16, "P", 32], head = [64] }  # 'P' is 2x2 average pooling
spiking = { steps = 8 }
evaluate = { images = 500, epsilon = 41, attack = { kind = "pgd", steps = 10 } }

[[stages]]
stage = "train"
name = "undefended"
training = { epochs = 5, learning_rate = 0.05, batch_size = 64 }
objective = { kind = "plain" }

[[stages]]
stage = "train"
name = "dense"
model = "ann"
training = { epochs = 12, learning_rate = 0.1, batch_size = 64 }
objective = { kind = "trades", epsilon = 41, attack = { kind = "pgd", steps = 5 }, regularization = 2.0 }

[[stages]]
stage = "prune"
name = "pruned"
sparsity = 0.9
pruner = { kind = "hydra" }
training = { epochs = 5, learning_rate = 0.1, batch_size = 64 }
objective = { kind = "trades", epsilon = 41, attack = { kind = "pgd", steps = 5 } }

[[stages]]
stage = "train"
name = "sparse"
training = { epochs = 6, learning_rate = 0.02, batch_size = 64 }
objective = { kind = "trades", epsilon = 41, attack = { kind = "pgd", steps = 5 } }

[[stages]]
stage = "convert"
name = "converted"

[[stages]]
stage = "train"
name = "finetuned"
training = { epochs = 14, learning_rate = 0.02, batch_size = 64 }
objective = { kind = "robust_kl", epsilon = 41, attack = { kind = "rfgsm" }, beta = 2.0 }

[[stages]]
stage = "lower"
name = "lower"

[[stages]]
stage = "quantize"
name = "quantize"
weight_bits = 8

[[stages]]
stage = "export"
name = "export"
formats = ["nir", "onnx"]
"""
Path("robust.toml").write_text(RECIPE)
trained = ("undefended", "dense", "pruned", "sparse", "finetuned")
short = [f"stages.{name}.training.epochs=1" for name in trained]
short += [
    "evaluate.images=40",
    "stages.converted.batches=1",
    "stages.converted.steps=10",
    'network.plan=[4, "P", 8]',
]
settings = spikeport.RunSettings(settings=short if FAST else ())
figures = {}


def run(to: str):
    """Run the recipe up to a stage; its progress, a line for each epoch, is left out here."""
    with redirect_stderr(io.StringIO()):
        return spikeport.run("robust.toml", "robust", to=to, settings=settings)


def show(stage: str) -> None:
    """Run the recipe up to a stage, and print what was measured behind it."""
    found = figures[stage] = run(stage).metrics[stage]
    accuracy = f"clean {found['clean']:.1%}, PGD-10 {found['robust']:.1%}"
    print(f"{stage}: {accuracy}, zero weights {found['sparsity']:.1%}")


# %% [markdown]
# ## What the attack does to an undefended network
#
# A ReLU network is trained on clean images. It classifies nearly all held-out images
# rightly, and hardly any of them under attack: this is what the following networks have
# to withstand.

# %%
show("undefended")

# %% [markdown]
# ## A dense network that withstands it
#
# TRADES trains with attacked images: the loss is the cross entropy on clean ones plus
# the divergence between the outputs on clean and attacked ones. That costs a little
# clean accuracy and keeps most of the robust one.

# %%
show("dense")

# %% [markdown]
# ## A tenth of the weights
#
# HYDRA learns a score for each weight, with the same robust loss, and keeps the tenth
# with the highest scores. The remaining weights were trained for a network that is no
# longer there, so accuracy falls; a few more epochs bring it back.

# %%
show("pruned")
show("sparse")

# %% [markdown]
# ## From activations to spikes
#
# Algorithm 1 of the paper turns every ReLU into a spiking neuron and balances its
# threshold on training images. Nothing is trained in this step. With 8 steps an image,
# a neuron's rate takes few values, and accuracy falls again.

# %%
show("converted")

# %% [markdown]
# ## Robust finetuning
#
# The spiking network is trained through time, with a surrogate in place of the spike's
# derivative and Eq. 8 as its loss: cross entropy plus the divergence under an attack of
# one random and one gradient step. The masks of pruning stay, so the network is as
# sparse as before.

# %%
show("finetuned")

# %% [markdown]
# ## All stages at a glance
#
# Dark: clean accuracy, light: under PGD-10. One attack is an upper bound of robustness;
# [How robust is it really](how_robust.py) shows how far the worst case may lie below
# it.

# %% alt="Accuracy of each stage, clean and under PGD-10, with its share of zero weights"
figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
for row, found in enumerate(figures.values()):
    for place, key, colour in ((-0.2, "clean", "#2f5f9e"), (0.2, "robust", "#9fbbe0")):
        bar = axis.barh(row + place, 100 * found[key], height=0.4, color=colour)
        axis.bar_label(bar, fmt="%.0f %%", fontsize=8, padding=2)
names = [f"{name}, {found['sparsity']:.0%} zeros" for name, found in figures.items()]
axis.set(
    yticks=range(len(figures)),
    yticklabels=names,
    xlim=(0, 108),
    xlabel="held-out images classified rightly, %",
)
axis.invert_yaxis()
plt.show()

# %% [markdown]
# ## Integers
#
# Batch norm is folded into the weights, and weights, thresholds and biases become whole
# numbers of 8 bits and the registers' widths. The proof says that no register can
# overflow, for any input; `u` is the synaptic current, `v` the potential. The accuracy
# of the integers is measured on the same held-out images.

# %%
done = run("export")
held_out = done.files["held_out"]
network = spikeport.read_network(done.files["network"])
simulation = spikeport.simulate(network, held_out)
print(f"integers: clean {simulation.accuracy:.1%}")
for name, bound in network.bounds.items():
    print(f"  {name}: u in {bound.u_min:,}..{bound.u_max:,}, v in {bound.v_min:,}..{bound.v_max:,}")

# %% [markdown]
# ## The same spikes everywhere
#
# The exported ONNX and NIR files run, and every spike is compared with the simulator's.
# `different` is 0: with integers there is nothing to tolerate.

# %%
verdict = spikeport.check(network, held_out, settings=spikeport.CheckSettings(executors=("onnx", "nir")))
assert verdict.passed
for name, compared in verdict.executors.items():
    print(f"{name}: {compared.compared:,} neuron steps compared, {compared.mismatches} different")

# %% [markdown]
# ## What it costs
#
# Accumulates follow from spikes and fan-outs, cores from the memory of the integers,
# energy from the constants of the chip. `*` marks a part with an assumed constant, `~`
# one of another chip; what Loihi 2's maker does not publish is unknown. [What does it
# cost on seven chips](cost_on_seven_chips.py) goes on from here.

# %%
report = spikeport.report(network, held_out, profiles=["loihi1", "loihi2"], out="report")
print(f"{report.operations.modes['fused']:,.0f} accumulates a mean image")
for name in ("loihi1", "loihi2"):
    print(f"\n{name}: {report.placement[name].cores} cores\n{report.energy[name].text()}")
