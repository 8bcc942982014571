"""Small networks and recipes that the tests of the training stages share."""

import torch
from torch import nn

from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.sew_resnet import SewResNet
from spikeport.toolchain.nn.architectures.spiking_resnet import SpikingResNet
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.nn.architectures.wide_resnet import WideResNet
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking

IMAGES = Images(classes=5, shape=(2, 8, 8), mean=(0.4, 0.5), std=(0.2, 0.3))
SPECIFICATION = Vgg(plan=(4, "P", 6), head=(8,)).specification(IMAGES)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=6, seed=0):
    """Pixels on the 8-bit grid."""
    return torch.randint(0, 256, (count, 2, 8, 8), generator=generator(seed)).float() / 255


def labels(count=6, seed=1):
    return torch.randint(0, 5, (count,), generator=generator(seed))


def ann(seed=0):
    torch.manual_seed(seed)
    return ANN(SPECIFICATION)


NETWORKS = {
    "vgg": SPECIFICATION,
    "vgg11": Vgg(plan=(2, "P", 3, "P", 4, 4, "P", 5, 5), head=(6, 6)).specification(IMAGES),
    "wide_resnet": WideResNet(depth=10, width=2, channels=2).specification(IMAGES),
    "sew_resnet": SewResNet(blocks=(1, 2), channels=3).specification(IMAGES),
    "sew_max": SewResNet(blocks=(1, 1), channels=6, pooling="max").specification(IMAGES),
    "spiking_resnet": SpikingResNet(depth=50, blocks=(1, 1), channels=4, pooling="average").specification(IMAGES),
}
"""One of each architecture, small."""


def snn(seed=0, steps=4, specification=SPECIFICATION):
    """An SNN with batch norm statistics, affine parameters and thresholds that are all different."""
    torch.manual_seed(seed)
    model = SNN(specification, Spiking(steps=steps))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.02, 0.1)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
        for index, neurons in enumerate(model.neuron_list()):
            neurons.threshold.fill_(0.2 + 0.1 * (index % 4))
    return model.eval()


def integers(seed=0, steps=4):
    """The integers of `snn`."""
    with torch.no_grad():
        return quantize(folded(lower(snn(seed, steps).double())))


RECIPE = """
version = 2
threads = 1
data = { kind = "digits", images = 300, validation = 0.0 }
network = { kind = "vgg", plan = [4, "P", 6], head = [] }
spiking = { steps = 4 }
evaluate = { images = 20, epsilon = 8, attack = { kind = "pgd", steps = 2 } }
[[stages]]
stage = "train"
name = "dense"
title = "dense ANN"
training = { epochs = 1, learning_rate = 0.1 }
objective = { kind = "trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }
[[stages]]
stage = "prune"
name = "hydra"
sparsity = 0.8
pruner = { kind = "hydra" }
training = { epochs = 1, learning_rate = 0.1 }
objective = { kind = "trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }
[[stages]]
stage = "prune"
name = "lwm"
from = "dense"
sparsity = 0.8
pruner = { kind = "lwm" }
[[stages]]
stage = "train"
name = "sparse"
training = { epochs = 1, learning_rate = 0.02 }
objective = { kind = "trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }
[[stages]]
stage = "convert"
name = "convert"
batches = 2
steps = 10
[[stages]]
stage = "train"
name = "finetune"
title = "sparse SNN"
training = { epochs = 1, learning_rate = 0.02 }
objective = { kind = "robust_kl", epsilon = 8, attack = { kind = "rfgsm" } }
[[stages]]
stage = "lower"
name = "lower"
[[stages]]
stage = "quantize"
name = "quantize"
[[stages]]
stage = "export"
name = "export"
[[stages]]
stage = "check"
name = "check"
executors = ["onnx", "nir"]
[[stages]]
stage = "attack"
name = "strong"
attack = { kind = "pgd", steps = 3 }
epsilon = 16
images = 10
[[stages]]
stage = "report"
name = "report"
"""
"""Every kind of stage, small."""
