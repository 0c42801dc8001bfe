"""A network of your own: any trained torch module, here a small one that is trained in seconds.

python examples/4_own_network.py [FILE]    # stores its weights, by default as runs/own_network.safetensors
nas run examples/own_network.yaml          # which bits for which of its layers?
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_model
from torch import nn

import nas


class Net(nn.Module):
    """A network with functional calls, a skip connection and a layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24)
        self.mix, self.head = nn.Conv2d(24, 24, 3, padding=1), nn.Linear(24 * 16, 10)

    def forward(self, images):
        """Images, shape (batch, 1, 8, 8), to logits, shape (batch, 10)."""
        x = F.max_pool2d(F.relu(self.norm(self.stem(images))), 2)
        x = x + F.relu(self.mix(F.relu(self.mix(x))))
        return self.head(x.flatten(1))


if __name__ == "__main__":
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_network.safetensors")
    torch.manual_seed(0)
    net, data = Net(), nas.load_images("digits")
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(8):
        for inputs, labels in data.normalization.batches(data.train, 8, 64):
            optimizer.zero_grad()
            F.cross_entropy(net(inputs), labels).backward()
            optimizer.step()
    net.eval()
    right = [net(inputs).argmax(1) == labels for inputs, labels in data.normalization.batches(data.test, 8, 512)]
    print(f"{100 * torch.cat(right).float().mean():.2f} % of the test images")
    file.parent.mkdir(parents=True, exist_ok=True)
    save_model(net, str(file))
