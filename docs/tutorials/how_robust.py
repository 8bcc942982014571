# %% [markdown]
# # How robust is it really?
#
# Two spiking networks keep more than half of their images under PGD, the attack that
# most papers report. One of them was trained against attacks; the other one was not
# defended at all. This notebook finds out which is which: with a suite of attacks, with
# checks for masked gradients, with a sweep over epsilon, and on the integers that are
# deployed.
#
# You need `spikeport[train]`.

# %%
import io
import os
from contextlib import redirect_stderr
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import spikeport

FAST = os.environ.get("SPIKEPORT_FAST") == "1"  # our tests run this notebook with fewer images and epochs
EPSILON = 32  # in grey levels of 255: an attack may change every pixel by so much
IMAGES = 40 if FAST else 300

# %% [markdown]
# ## Two networks
#
# Both have the same shape and learn the same digits. A spike has no derivative, so
# training takes a surrogate: a rectangle around the threshold. Network A is trained on
# clean images with a narrow rectangle, network B on attacked ones (`robust_kl`) with a
# wide one. Printed is the share of 300 held-out images that are classified rightly,
# clean and under ten steps of PGD.

# %%
RECIPE = f"""
version = 2
seed = 0
threads = 1
data = {{ kind = "digits", validation = 0.0 }}
network = {{ kind = "vgg", plan = [8, "P", 16], head = [32] }}
spiking = {{ steps = 4, surrogate = {{ kind = "rectangular", width = 0.4 }} }}
evaluate = {{ images = {IMAGES}, epsilon = {EPSILON}, attack = {{ kind = "pgd", steps = 10 }} }}

[[stages]]
stage = "train"
name = "snn"
model = "snn"
training = {{ epochs = {1 if FAST else 10}, learning_rate = 0.05, batch_size = 64 }}
objective = {{ kind = "plain" }}

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
formats = ["onnx"]
"""
DEFENDED = (
    "spiking.surrogate.width=1.0",
    f'stages.snn.objective={{ kind = "robust_kl", epsilon = {EPSILON}, beta = 2.0 }}',
    f"stages.snn.training.epochs={1 if FAST else 20}",
    "stages.snn.training.learning_rate=0.1",
)
Path("robustness.toml").write_text(RECIPE)
settings = spikeport.RunSettings(settings=DEFENDED)
with redirect_stderr(io.StringIO()):  # progress, a line for each epoch, is left out here
    runs = {
        "A": spikeport.run("robustness.toml", "network_a"),
        "B": spikeport.run("robustness.toml", "network_b", settings=settings),
    }
for name, run in runs.items():
    found = run.metrics["snn"]
    print(f"network {name}: clean {found['clean']:.1%}, PGD-10 {found['robust']:.1%}")

# %% [markdown]
# ## One PGD against a suite
#
# PGD follows a gradient, and a spiking network has no gradient of its own: another
# surrogate is another attack. The suite `quick` runs PGD with four gradients that
# differ most, and Square, which needs no gradient. An image counts as robust if every
# attack fails on it. The last row of the table is that worst case; `±` is one standard
# error.

# %%
queries = 20 if FAST else None  # of Square; None: those of the suite, 200
settings = spikeport.AttackSettings(suite="quick", images=IMAGES, queries=queries)


def attack(network: Path, run, **more) -> spikeport.Assessment:
    """Attack a network of a run on the held-out images, without lines of progress."""
    images = run.files["held_out"]
    with redirect_stderr(io.StringIO()):
        return spikeport.attack(network, images, settings=settings, **more)


worst = {}
for name, run in runs.items():
    worst[name] = attack(run.files["model"], run, epsilons=(EPSILON,))
    print(f"network {name}\n{worst[name].text()}\n")

# %% [markdown]
# ## Are the gradients masked?
#
# `analyze_obfuscation` compares attacks of which one has to be the stronger: many steps
# against one, gradients against none, a larger ball against a smaller one. Where the
# weaker attack breaks more images, the gradient does not find its way, and the robust
# accuracy under it says nothing. Here the attack that is examined is the single PGD. It
# gives up an image at the first point that is classified wrongly, so its figure is a
# little below the one from training.

# %%
sweep = {"iterations": (2, 4), "queries": 20} if FAST else {"iterations": (10, 40)}


def examine(run, **more) -> spikeport.Obfuscation:
    """Run the checks on the model of a run, without lines of progress."""
    way = spikeport.ObfuscationSettings(epsilon=EPSILON, images=IMAGES, **sweep, **more)
    model, images = run.files["model"], run.files["held_out"]
    with redirect_stderr(io.StringIO()):
        return spikeport.analyze_obfuscation(model, images, settings=way)


examined = {(name, "one PGD"): examine(run) for name, run in runs.items()}
print(examined["A", "one PGD"].text())

# %% [markdown]
# ## The checks again, for the suite
#
# The same checks, with the suite's gradients together as the attack. What matters is
# whether the evaluation is sound, not whether the network is robust: a network that
# falls under a sound attack is known not to be robust. A check that chance may explain
# is undecided; it does not pass, and its sentence says how many images would tell.

# %%
for name, run in runs.items():
    found = examine(run, suite="quick", epsilons=(16, EPSILON, 64, 255))
    examined[name, "suite"] = found
for (name, by), found in examined.items():
    print(f"network {name}, {by}: robust {found.robust:.1%}; {found.summary()}")

# %% [markdown]
# ## The sweep over epsilon
#
# A sound robust accuracy falls to zero as the ball grows, because at 255/255 every
# image may become any other one. The dashed lines are the single PGD, the full lines
# the suite. The room between them is what the single attack hides.

# %% alt="Robust accuracy of both networks against epsilon, by the single PGD and by the suite"
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, by), found in examined.items():
    points = [each for each in found.epsilons if each.value > 0]
    epsilons = [each.value for each in points]
    share, error = (np.array([(each.robust, each.error) for each in points]) * 100).T
    line = {"suite": "-o", "one PGD": "--o"}[by]
    colour = {"A": "#c0392b", "B": "#2f5f9e"}[name]
    axis.errorbar(epsilons, share, error, fmt=line, color=colour, label=f"{name}, {by}")
axis.set(xscale="log", xlabel="epsilon, in 1/255", ylabel="robust accuracy, %")
axis.set_ylim(0, 100)
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## After deployment
#
# What runs on the chip are integers, which have no gradient at all. The attacks run on
# the float network; their images are rounded to whole grey levels inside of the ball
# and given to the integers; Square asks the integers themselves. The minimum over all
# of it, image by image, is the robust accuracy after deployment: the figure to report.

# %%
run = runs["B"]
deployed = attack(
    run.files["network"],
    run,
    epsilons=(EPSILON,) if FAST else (16, EPSILON),
    float_model=run.files["model"],
)
print(deployed.text())

# %% [markdown]
# ## What to report
#
# Clean accuracy, epsilon, the suite by name, the worst case with its standard error,
# and the verdict of the checks. One PGD is an upper bound, and how far it lies above
# the truth depends on the network: far for A, less far for B. For a paper take the
# suite `paper`, with 19 gradients for each attack; [robustness](../robustness.md) has
# all suites and sources.

# %%
for name, run in runs.items():
    one, all_ = run.metrics["snn"]["robust"], worst[name].epsilons[0].worst_float
    verdict = examined[name, "suite"].summary()
    print(f"network {name}: one PGD {one:.1%}, suite {all_.text()} %; {verdict}")
at = deployed.epsilons[-1]
print(f"network B in integers: {at.deployed.text()} % at {at.epsilon:g}/255")
