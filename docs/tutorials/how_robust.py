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
import os
from pathlib import Path

import matplotlib.pyplot as plt

import spikeport

FAST = (
    os.environ.get("SPIKEPORT_FAST") == "1"
)  # our tests run this notebook with fewer images and epochs
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
runs = {
    "A": spikeport.run("robustness.toml", "network_a"),
    "B": spikeport.run(
        "robustness.toml",
        "network_b",
        settings=spikeport.RunSettings(settings=DEFENDED),
    ),
}
for name, run in runs.items():
    print(
        f"network {name}: clean {run.metrics['snn']['clean']:.1%}, PGD-10 {run.metrics['snn']['robust']:.1%}"
    )

# %% [markdown]
# ## One PGD against a suite
#
# PGD follows a gradient, and a spiking network has no gradient of its own: another
# surrogate is another attack. The suite `quick` runs PGD with four gradients that
# differ most, and Square, which needs no gradient. An image counts as robust if every
# attack fails on it. The last row of the table is that worst case; `±` is one standard
# error.

# %%
settings = spikeport.AttackSettings(
    suite="quick", images=IMAGES, queries=20 if FAST else None
)
worst = {}
for name, run in runs.items():
    held_out = run.files["held_out"]
    worst[name] = spikeport.attack(
        run.files["model"], held_out, epsilons=(EPSILON,), settings=settings
    )
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
checks = {
    "epsilon": EPSILON,
    "images": IMAGES,
    "iterations": (2, 4) if FAST else (10, 40),
    "queries": 20 if FAST else 500,
}
examined = {}
for name, run in runs.items():
    way = spikeport.ObfuscationSettings(**checks)
    examined[name, "one PGD"] = spikeport.analyze_obfuscation(
        run.files["model"], run.files["held_out"], settings=way
    )
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
    way = spikeport.ObfuscationSettings(
        suite="quick", epsilons=(16, EPSILON, 64, 255), **checks
    )
    examined[name, "suite"] = spikeport.analyze_obfuscation(
        run.files["model"], run.files["held_out"], settings=way
    )
for (name, attack), found in examined.items():
    print(f"network {name}, {attack}: robust {found.robust:.1%}; {found.summary()}")

# %% [markdown]
# ## The sweep over epsilon
#
# A sound robust accuracy falls to zero as the ball grows, because at 255/255 every
# image may become any other one. The dashed lines are the single PGD, the full lines
# the suite. The room between them is what the single attack hides.

# %%
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, attack), found in examined.items():
    points = [each for each in found.epsilons if each.value > 0]
    share, error = (
        [100 * value for value in values]
        for values in zip(*((p.robust, p.error) for p in points), strict=True)
    )
    style = {
        "color": {"A": "#c0392b", "B": "#2f5f9e"}[name],
        "linestyle": {"suite": "-", "one PGD": "--"}[attack],
    }
    axis.errorbar(
        [each.value for each in points],
        share,
        error,
        marker="o",
        label=f"network {name}, {attack}",
        **style,
    )
axis.set(
    xscale="log", xlabel="epsilon, in 1/255", ylabel="robust accuracy, %", ylim=(0, 100)
)
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
deployed = spikeport.attack(
    runs["B"].files["network"],
    runs["B"].files["held_out"],
    epsilons=(EPSILON,) if FAST else (16, EPSILON),
    float_model=runs["B"].files["model"],
    settings=settings,
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
    print(
        f"network {name}: one PGD {one:.1%}, worst case {all_.text()} %; {examined[name, 'suite'].summary()}"
    )
at = deployed.epsilons[-1]
print(f"network B in integers: worst case {at.deployed.text()} % at {at.epsilon:g}/255")
