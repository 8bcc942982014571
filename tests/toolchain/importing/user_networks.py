"""Networks as users write them: each a module and the shape of its input, batch first."""

import torch
import torch.nn.functional as F  # noqa: N812 - as every user writes it
from torch import nn


class LeNet(nn.Module):
    """Max pooling before ReLU, view, functional calls."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 256)
        x = F.dropout(F.relu(self.fc1(x)), training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class Vgg(nn.Module):
    """A plan of numbers and 'M', as torchvision makes it, with an adaptive pooling that does nothing."""

    def __init__(self, plan=(8, "M", 16, 16, "M"), *, batch_norm=True):
        super().__init__()
        layers, channels = [], 3
        for entry in plan:
            if entry == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
                continue
            layers += [nn.Conv2d(channels, entry, kernel_size=3, padding=1)]
            layers += [nn.BatchNorm2d(entry)] if batch_norm else []
            layers += [nn.ReLU(inplace=True)]
            channels = entry
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(channels * 4, 24),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(24, 24),
            nn.ReLU(True),
            nn.Linear(24, 10),
        )

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


class BasicBlock(nn.Module):
    def __init__(self, inputs, planes, stride=1, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False, groups=groups)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inputs != planes:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    def __init__(self, inputs, planes, stride=1, groups=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
            nn.Conv2d(planes, planes, 3, stride, 1, groups=groups, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
            nn.Conv2d(planes, 4 * planes, 1, bias=False),
            nn.BatchNorm2d(4 * planes),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != 4 * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet-18 in torchvision's form, with its 7x7 stem and overlapping max pooling."""

    def __init__(self, width=4, blocks=(2, 2, 2, 2)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        inputs = width
        for index, count in enumerate(blocks):
            planes = width * 2**index
            layers = [BasicBlock(inputs, planes, 2 if index else 1)]
            layers += [BasicBlock(planes, planes) for _ in range(count - 1)]
            setattr(self, f"layer{index + 1}", nn.Sequential(*layers))
            inputs = planes
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class BottleneckNet(nn.Module):
    def __init__(self, groups=1):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.stages = nn.ModuleList(
            [Bottleneck(8, 4, groups=groups), Bottleneck(16, 4, groups=groups), Bottleneck(16, 8, 2, groups=groups)]
        )
        self.linear = nn.Linear(32, 10)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = F.avg_pool2d(x, x.size(-1))
        return self.linear(x.view(x.size(0), -1))


class PreActivation(nn.Module):
    """Wide residual network: streams of real values, batch norm and ReLU first."""

    class Block(nn.Module):
        def __init__(self, inputs, planes, stride=1):
            super().__init__()
            self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
            self.bn2, self.conv2 = nn.BatchNorm2d(planes), nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
            self.shortcut = nn.Conv2d(inputs, planes, 1, stride, bias=False) if stride > 1 or inputs != planes else None

        def forward(self, x):
            out = F.relu(self.bn1(x))
            shortcut = x if self.shortcut is None else self.shortcut(out)
            out = self.conv1(out)
            return self.conv2(F.relu(self.bn2(out))) + shortcut

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(self.Block(4, 8), self.Block(8, 8), self.Block(8, 12, 2))
        self.bn = nn.BatchNorm2d(12)
        self.linear = nn.Linear(12, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.blocks(self.conv1(x))))
        return self.linear(x.mean((2, 3)))


def separable(inputs, outputs, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def mobile_net():
    stem = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]
    body = [separable(8, 12), separable(12, 16, 2), separable(16, 16)]
    return nn.Sequential(*stem, *body, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(16, 10))


class InvertedResidual(nn.Module):
    """MobileNetV2's block with ReLU: a linear bottleneck, whose residual sum has no ReLU."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.conv = nn.Sequential(
            nn.Conv2d(6, 12, 1, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 12, 3, 1, 1, groups=12, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 6, 1, bias=False),
            nn.BatchNorm2d(6),
        )
        self.last = nn.Sequential(nn.Conv2d(6, 8, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.conv(x)
        return self.classifier(self.last(x).squeeze(-1).squeeze(-1))


def all_convolutional():
    """Strides instead of pooling, classes as channels, a mean over all positions at the end."""
    return nn.Sequential(
        nn.Dropout(0.2),
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 10, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def audio_net():
    """1-D: (N, C, L) with large strides."""
    return nn.Sequential(
        nn.Conv1d(1, 8, kernel_size=16, stride=4, padding=2),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(8, 12, kernel_size=3, dilation=2),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.AvgPool1d(2),
        nn.Conv1d(12, 12, 3, padding="same", groups=3),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(12, 6),
    )


class RawAudio(nn.Module):
    """Takes (N, L) and makes the channel itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 5, stride=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x.unsqueeze(1)).relu()
        return self.head(x.mean(-1))


def mlp():
    return nn.Sequential(
        nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 4)
    )


class ImageMlp(nn.Module):
    """Flattens an image; a residual layer of flat values; the same ReLU everywhere."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"input": nn.Linear(64, 16), "keys_": nn.Linear(16, 16), "out": nn.Linear(16, 10)})
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.layers["input"](x.reshape(x.shape[0], -1)))
        x = self.act(x + self.layers["keys_"](x))
        return self.layers["out"](x)


def biased_batch_norm():
    """Biases before batch norm, which has no slope and no shift, and settings of its own."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=True),
        nn.BatchNorm2d(6, eps=1e-3, momentum=0.3, affine=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(216, 12, bias=True),
        nn.BatchNorm1d(12, momentum=0.01),
        nn.ReLU(),
        nn.Linear(12, 10),
    )


def dilated():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=(0, 3), dilation=(1, 3)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((3, 4)),
        nn.Flatten(),
        nn.Linear(72, 10),
    )


def oblong():
    """Kernels, strides, paddings and poolings that are no squares, and borders that differ."""
    return nn.Sequential(
        nn.ZeroPad2d((1, 2, 0, 3)),
        nn.Conv2d(2, 6, (3, 5), stride=(2, 1), padding=(1, 0)),
        nn.ReLU(),
        nn.MaxPool2d((1, 2)),
        nn.Conv2d(6, 4, (1, 4), padding="same"),
        nn.ReLU(),
        nn.AvgPool2d((3, 2), stride=(1, 2), padding=(1, 0)),
        nn.Flatten(),
        nn.LazyLinear(7),
    )


def ceil_pooling():
    """SqueezeNet's max pooling, whose last windows stand over the map."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
        nn.Conv2d(6, 10, 1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(10, 10, 1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )


class Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x), inplace=True)
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


def squeeze_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.ReLU(),
        Fire(8, 3, 4),
        nn.MaxPool2d(3, 2),
        Fire(8, 4, 6),
        nn.Dropout(0.5),
        nn.Conv2d(12, 10, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(1),
    )


class DenseLayer(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], dim=1)


def dense_net():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        DenseLayer(6, 4),
        DenseLayer(10, 4),
        nn.BatchNorm2d(14),
        nn.ReLU(),
        nn.Conv2d(14, 7, 1),
        nn.AvgPool2d(2),
        DenseLayer(7, 4),
        nn.BatchNorm2d(11),
        nn.ReLU(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(11, 10),
    )


class Inception(nn.Module):
    """Four branches side by side, one of them max pooling that keeps the size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.b1 = nn.Sequential(nn.Conv2d(6, 3, 1), nn.ReLU())
        self.b2 = nn.Sequential(nn.Conv2d(6, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU())
        self.b3 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(6, 2, 1), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(9 + 6, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat((self.b1(x), self.b2(x), self.b3(x), x), dim=1)
        x = self.pool(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Pooled(nn.Module):
    """GoogLeNet: max pooling that keeps the size behind max pooling; maxima of averages and of sums of spikes."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        x = F.relu(self.conv(F.max_pool2d(x, 3, 1, 1))) + x
        x = F.max_pool2d(F.avg_pool2d(F.max_pool2d(x, 3, 1, 1), 2), 2)
        return self.fc(x.flatten(1))


class OptionA(nn.Module):
    """The shortcut without weights: every other position, zeros as new channels."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, 2, 1)
        self.bn2 = nn.BatchNorm2d(8)
        self.linear = nn.Linear(8, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        out = self.bn2(self.conv2(x))
        out += F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0)
        out = F.relu(out)
        return self.linear(F.avg_pool2d(out, out.size()[3]).view(out.size(0), -1))


class Normalized(nn.Module):
    """Normalises its pixels itself, then batch norm before the first layer and behind ReLU."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2471, 0.2435, 0.2616]).view(1, 3, 1, 1))
        self.bn0, self.bn1 = nn.BatchNorm2d(3), nn.BatchNorm2d(6)
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 4, 10)

    def forward(self, x):
        x = self.bn0((x - self.mean) / self.std)
        x = self.bn1(F.relu(self.conv1(x)))
        x = 0.5 * self.conv2(x) - 0.1
        return self.fc(F.adaptive_avg_pool2d(torch.relu(x), 2).flatten(1)) / 10


class Tied(nn.Module):
    """One layer used three times."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x).clamp(min=0)
        for _ in range(3):
            x = self.conv(x).relu_()
        return self.fc(x.amax(dim=(-2, -1)))


class Linears(nn.Module):
    """Layers in a row without ReLU, and a sum of three with factors."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 3, padding=1)
        self.d, self.e = nn.Linear(4 * 36, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.b(self.a(x))
        x = torch.relu(x + 0.5 * self.c(x) - self.b(x))
        x = F.avg_pool2d(x, 3, 1, 1)
        return self.e(self.d(torch.flatten(x, start_dim=1)))


def weight_norm():
    """Weights that are computed from two parameters."""
    return nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    )


def pooled_twice():
    """Max pooling of max pooling, batch norm between max pooling and ReLU."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2, stride=1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


class Wide(nn.Module):
    """Depthwise and pointwise without ReLU between (Xception), channels last before the classifier."""

    def __init__(self):
        super().__init__()
        self.depth = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        self.point = nn.Conv2d(3, 6, 1)
        self.fc = nn.Linear(6 * 16, 5)

    def forward(self, x):
        x = F.avg_pool2d(self.point(self.depth(x)).relu(), 2)
        return self.fc(x.permute(0, 2, 3, 1).reshape(len(x), -1))


def norm_behind_relu():
    """Keras' tutorials: batch norm behind ReLU, and maxima of what it gives, padded or not."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(6),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.Dropout2d(),
        nn.BatchNorm2d(8),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(32, 12),
        nn.ReLU(),
        nn.BatchNorm1d(12),
        nn.Linear(12, 5),
    )


ARCHITECTURES = {
    "lenet": (LeNet, (1, 28, 28)),
    "vgg": (Vgg, (3, 16, 16)),
    "vgg without batch norm": (lambda: Vgg(batch_norm=False), (3, 8, 8)),
    "resnet18": (ResNet, (3, 64, 64)),
    "bottlenecks": (BottleneckNet, (3, 8, 8)),
    "resnext": (lambda: BottleneckNet(groups=2), (3, 8, 8)),
    "pre-activation": (PreActivation, (3, 8, 8)),
    "mobilenet": (mobile_net, (3, 16, 16)),
    "inverted residual": (InvertedResidual, (3, 8, 8)),
    "all-convolutional": (all_convolutional, (3, 8, 8)),
    "audio": (audio_net, (1, 256)),
    "raw audio": (RawAudio, (41,)),
    "mlp": (mlp, (20,)),
    "image mlp": (ImageMlp, (1, 8, 8)),
    "biased batch norm": (biased_batch_norm, (3, 8, 8)),
    "dilated": (dilated, (3, 8, 8)),
    "oblong": (oblong, (2, 9, 11)),
    "ceil pooling": (ceil_pooling, (3, 12, 12)),
    "squeezenet": (squeeze_net, (3, 16, 16)),
    "densenet": (dense_net, (3, 8, 8)),
    "inception": (Inception, (3, 8, 8)),
    "pooled": (Pooled, (3, 8, 8)),
    "option a": (OptionA, (3, 9, 9)),
    "normalized": (Normalized, (3, 8, 8)),
    "tied": (Tied, (1, 8, 8)),
    "linears": (Linears, (2, 8, 8)),
    "weight norm": (weight_norm, (2, 8, 8)),
    "pooled twice": (pooled_twice, (2, 8, 8)),
    "channels last": (Wide, (3, 8, 8)),
    "norm behind relu": (norm_behind_relu, (3, 8, 8)),
}
"""Modules by name, and the shape of one input."""


def module(name, *, seed=0, dtype=torch.float32):
    """Return a module with batch norm statistics that are no defaults, and an example of two inputs."""
    make, shape = ARCHITECTURES[name]
    torch.manual_seed(seed)
    found = make()
    example = torch.rand(2, *shape)
    found.eval()
    found(example)  # lazy layers get their sizes
    with torch.no_grad():
        for part in found.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.2)
                part.running_var.uniform_(0.3, 1.5)
                if part.affine:
                    part.weight.uniform_(0.5, 1.5)
                    part.bias.normal_(0, 0.2)
    return found.to(dtype), example.to(dtype)
