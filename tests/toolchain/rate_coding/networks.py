"""A plain CNN that is trained on the digits in seconds, and its data."""

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

SEED = 3


@cache
def digits():
    """Return images uint8 (N, 1, 8, 8) and labels: 1,297 to train on, 500 held out."""
    images, labels = load_digits(return_X_y=True)
    images = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(SEED).permutation(len(labels))
    return (images[order[500:]], labels[order[500:]]), (images[order[:500]], labels[order[:500]])


def layers():
    """Return biases, batch norm, max and average pooling, dropout."""
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(96, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)),
    )


@cache
def trained(epochs=12):
    """Return the CNN after ordinary training with Adam."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        (images, labels), _ = digits()
        pixels, wanted, net = torch.from_numpy(images).float() / 255, torch.from_numpy(labels), layers()
        optimizer = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(pixels)).split(32):
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(pixels[rows]), wanted[rows]).backward()
                optimizer.step()
    return net.eval()
