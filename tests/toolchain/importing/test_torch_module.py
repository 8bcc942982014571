"""Modules as users write them give the logits of PyTorch, as specifications that train and reach integers."""

import pytest
import torch

import spikeport
from tests.toolchain.importing.architectures import ARCHITECTURES, module


def expected(found, example, mean=0.0, std=1.0):
    """Return the module's logits for pixels that were normalised, before a softmax at its end."""
    with torch.no_grad():
        return found((example - mean) / std)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["single", "double"]
)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_logits_are_those_of_pytorch(name, dtype, tolerance):
    found, example = module(name, dtype=dtype)
    network = spikeport.from_torch(found, example)
    images = torch.rand(5, *example.shape[1:], dtype=dtype, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = network.model(images.reshape(5, *network.specification.input_shape))
    if name == "lenet":
        logits = torch.log_softmax(logits, 1)
    torch.testing.assert_close(logits, expected(found, images), rtol=tolerance, atol=tolerance)
