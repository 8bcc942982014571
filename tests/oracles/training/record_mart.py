"""Write mart.json: loss and gradients of the authors' MART on fixed logits.

    git clone https://github.com/YisenWang/MART   (commit 2d83e17)
    python record_mart.py MART mart.json          (PyTorch 2.13, CPU)

Their function attacks a model; here it takes no step, and the model gives prepared logits: first those of the clean
images, then those of the attacked ones.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn

BETA = 5.0


class Prepared(nn.Module):
    """Gives one prepared tensor of logits after the other."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = iter(logits)

    def forward(self, _images):
        return next(self.logits)


def cases():
    """Yield name, clean and attacked logits (N, classes), and labels."""
    generator = torch.Generator().manual_seed(7)
    for name, classes, scale in [("small", 10, 0.5), ("ordinary", 10, 2.0), ("large", 10, 4.0), ("two", 2, 1.5)]:
        clean, attacked = scale * torch.randn(2, 32, classes, generator=generator)
        yield name, clean, attacked, torch.randint(0, classes, (32,), generator=generator)


def recorded(mart_loss, clean, attacked, labels):
    """Return the loss and its gradients by both logits."""
    clean.requires_grad_()
    attacked.requires_grad_()
    images = torch.rand(len(labels), 1, 2, 2)
    model = Prepared(clean, attacked)
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    loss = mart_loss(model, images, labels, optimizer, perturb_steps=0, beta=BETA)
    gradients = torch.autograd.grad(loss, [clean, attacked])
    return {"loss": loss.item(), "clean_gradient": gradients[0].tolist(), "attacked_gradient": gradients[1].tolist()}


def main(folder, out):
    """Record every case."""
    sys.path.insert(0, folder)
    torch.Tensor.cuda = lambda tensor: tensor  # their function moves a tensor to the GPU
    from mart import mart_loss  # noqa: PLC0415 - the authors' module

    found = {"beta": BETA, "torch": torch.__version__, "cases": {}}
    for name, clean, attacked, labels in cases():
        logits = {"clean": clean.tolist(), "attacked": attacked.tolist(), "labels": labels.tolist()}
        found["cases"][name] = logits | recorded(mart_loss, clean, attacked, labels)
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
