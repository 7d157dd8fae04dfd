"""Trains a small network over space and time on made-up exams, and exports it for sentinode.

usage: train.py REPOSITORY [STEPS]     then: sentinode serve --models REPOSITORY
Needs torch and onnx. The exams are noise in which one voxel block lights up over time, or does not.
"""
import os
import sys

import torch
from torch import nn

from conv4d import Conv4d, export


def exams(count, generator):
    """[count, 1, 5, 12, 12, 12] and their labels: half have a block that brightens from phase to phase."""
    x = torch.randn(count, 1, 5, 12, 12, 12, generator=generator)
    label = torch.arange(count) % 2
    curve = torch.linspace(0, 2, 5).view(5, 1, 1, 1)
    for i in range(1, count, 2):
        z, y, w = torch.randint(0, 8, (3,), generator=generator).tolist()
        x[i, 0, :, z:z + 4, y:y + 4, w:w + 4] += curve
    return x, label


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            Conv4d(1, 8, 3, padding=1), nn.ReLU(),
            Conv4d(8, 8, 3, stride=(1, 2, 2, 2), padding=1), nn.ReLU(),
            Conv4d(8, 16, 3, padding=1), nn.ReLU(),
        )
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.features(x).amax((2, 3, 4, 5))).softmax(1)


def main(repository, steps):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(steps):
        x, label = exams(16, generator)
        loss = nn.functional.nll_loss(model(x).clamp_min(1e-7).log(), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step} loss {loss.item():.3f}")
    folder = os.path.join(repository, "blocks", "1")
    os.makedirs(folder, exist_ok=True)
    export(model, exams(2, generator)[0], os.path.join(folder, "model.onnx"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60)
