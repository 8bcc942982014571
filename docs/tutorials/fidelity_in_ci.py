# %% [markdown]
# # Fidelity in CI
#
# Your repository trains a network and keeps its integers in a file. A test should fail
# when the exported network no longer does what the integers do, or when it leaves the
# registers of the chip. This notebook writes that test, runs it, and breaks the network
# to see it fail.

# %%
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import spikeport

FAST = os.environ.get("SPIKEPORT_FAST") == "1"  # our tests run this notebook with fewer images
checkout = Path(spikeport.__file__).resolve().parents[2]  # or the folder where your copy of spikeport lies

# %% [markdown]
# ## What lies in your repository
#
# Two files: the integers (here the demo's network, quantized to 8 bits), and some
# images. The images need no labels, since the test compares spikes and not classes. A
# few dozen images with all kinds of content are enough: every image gives thousands of
# neuron steps.

# %%
network = spikeport.quantize(checkout / "examples/digits/network_float.safetensors", out="network.safetensors").network
images = np.load(checkout / "examples/digits/held_out.npz")["images"][: 10 if FAST else 50]
np.savez_compressed("images.npz", images=images)
print(f"network.safetensors: {Path('network.safetensors').stat().st_size:,} bytes; {len(images)} images")

# %% [markdown]
# ## The verdict in Python
#
# `check` runs the network in several executors: the reference, which defines the
# integer neuron, the exported ONNX model in onnxruntime, the exported NIR file, read
# back, and Intel's Lava where it is installed. All spikes of all neurons in all steps
# are compared with those of the fast simulator. `different` has to be 0: these are
# integers, and there is no tolerance. The first line says that the bounds of all
# registers were computed anew, for any input and not only for these images.

# %%
settings = spikeport.CheckSettings(executors=("reference", "onnx", "nir"))
verdict = spikeport.check("network.safetensors", "images.npz", settings=settings)
print(verdict.text())
print(
    "\npassed:",
    verdict.passed,
    "| neuron steps that differ:",
    verdict.to_dict()["mismatches"],
)

# %% [markdown]
# ## The same as a test
#
# spikeport brings a pytest plugin with one fixture. The test below is all that your
# suite needs; `--spikeport-network` names the network, or several. pytest ends with
# exit code 0 if the verdict is good.

# %%
Path("test_fidelity.py").write_text('''"""The exported network does what the trained one does."""


def test_every_executor_gives_the_same_spikes(spikeport_fidelity):
    verdict = spikeport_fidelity()
    assert verdict.passed, verdict.text()
''')


def pytest(network: str) -> int:
    """Run the test on a network, print its last lines, and return the exit code."""
    options = ["--spikeport-network", network, "--spikeport-input", "images.npz"]
    options += [
        "--spikeport-executors",
        "reference,onnx,nir",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", "test_fidelity.py", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print("\n".join(done.stdout.splitlines()[-3:]))
    return done.returncode


code = pytest("network.safetensors")
assert code == 0
print("exit code", code)

# %% [markdown]
# ## A network that must not pass
#
# A test that cannot fail is worth nothing. Here every weight of the second convolution
# becomes 256 times as large, as if someone had shifted its exponent by 8. The file can
# still be read. The reference and the simulator wrap the register in the same way and
# agree; the numbers of the NIR file do not wrap, so its spikes differ, and the first
# one is located; ONNX refuses the network. The proof fails as well: for some input, a
# register overflows.

# %%
broken = replace(
    network,
    projections=tuple(
        replace(each, exponent=each.exponent + 8) if each.target == "conv2" else each for each in network.projections
    ),
)
spikeport.write_network(broken, "broken.safetensors")
bad = spikeport.check("broken.safetensors", "images.npz", settings=settings)
assert not bad.passed
print("reasons:", *bad.reasons, sep="\n  ")
for name, compared in bad.executors.items():
    first = next((each for each in compared.comparisons.values() if each.first is not None), None)
    print(
        f"{name}: {compared.mismatches:,} of {compared.compared:,} differ",
        end="\n" if first is None else "; first ",
    )
    if first is not None:
        print(f"{first.population}, sample {first.first.sample}, step {first.first.step}, neuron {first.first.neuron}")
print("left out:", *(f"{name} {why}" for name, why in bad.refused.items()), sep="\n  ")

# %%
code = pytest("broken.safetensors")
assert code == 1
print("exit code", code)

# %% [markdown]
# ## A chip as part of the verdict
#
# Without `chips`, the verdict says whether either Loihi runs the network, and passes
# all the same. With `chips=("loihi1",)` the chip's rules decide, too. This network
# takes grey levels, which Loihi 1 does not: the verdict is bad, and the sentence names
# the rule, by how much it is broken, and the way out.

# %%
on_chip = replace(settings, chips=("loihi1",))
refused = spikeport.check("network.safetensors", "images.npz", settings=on_chip)
assert not refused.passed
print(*refused.reasons, sep="\n")

# %% [markdown]
# ## For machines
#
# CI services read JUnit files and show each executor as a test of its own. The command
# writes the same file: `spikeport check network.safetensors --executors onnx,nir
# --junit spikeport.xml`. Its exit code is 0 for a good verdict, 1 for a bad one, and 2
# where it could not judge, for instance because the file is missing.

# %%
bad.write_junit("spikeport.xml", name="broken.safetensors")
lines = Path("spikeport.xml").read_text().splitlines()
print("\n".join(line.strip()[:110] for line in lines if "<testsuite" in line or "<failure" in line))

# %% [markdown]
# ## In GitHub's CI
#
# The workflow below is `examples/ci/.github/workflows/fidelity.yml`: the action of this
# repository first, then the test from above. In other services the two lines `pip
# install spikeport pytest` and `pytest --spikeport-network network.safetensors` do the
# same.

# %%
workflow = checkout / "examples/ci/.github/workflows/fidelity.yml"
print(workflow.read_text() if workflow.is_file() else "see examples/ci of the repository")
