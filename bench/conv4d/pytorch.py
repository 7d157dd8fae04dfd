"""bench4d-large in PyTorch, eager, as one would write it today: taps of a 4D convolution stacked into the
channels of a 3D one. Prints one JSON line to set beside `npm run bench:conv4d`.

    python3 bench/conv4d/pytorch.py [--threads N] [--rounds N] [--batch N]

Needs torch alone (the CPU build is enough). Random weights: the time does not depend on them. The least
time of all rounds counts; GFLOP/s count the direct algorithm's operations.
"""

import argparse
import json
import os
import time

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS = [1, 16, 32, 64, 64]
SIZES = [(5, 32, 64, 64), (5, 16, 32, 32), (5, 8, 16, 16), (5, 4, 8, 8)]
TAPS = 3


class Conv4d(nn.Module):
    """A 4D convolution of 3x3x3x3 with padding 1 over frames as rows, [N * T, C, D, H, W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(TAPS * inputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        rows = x.unflatten(0, (-1, frames))
        padded = F.pad(rows, (0, 0, 0, 0, 0, 0, 0, 0, 1, 1))
        stacked = torch.cat([padded[:, tap : tap + frames] for tap in range(TAPS)], dim=2)
        return self.conv(stacked.flatten(0, 1))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv4d(a, b) for a, b in zip(CHANNELS, CHANNELS[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm3d(c) for c in CHANNELS[1:])
        self.hidden = nn.Linear(CHANNELS[-1] + 5, 32)
        self.answer = nn.Linear(32, 2)

    def forward(self, image: torch.Tensor, clinical: torch.Tensor) -> torch.Tensor:
        frames = image.shape[2]
        x = image.transpose(1, 2).flatten(0, 1)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = F.relu(norm(conv(x, frames)))
            if i < len(self.convs) - 1:
                x = F.max_pool3d(x, 2)
        features = x.mean((2, 3, 4)).unflatten(0, (-1, frames)).mean(1)
        return torch.sigmoid(self.answer(F.relu(self.hidden(torch.cat([features, clinical], 1)))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = Network().eval()
    image = torch.rand(options.batch, 1, *SIZES[0]) - 0.5
    clinical = torch.rand(options.batch, 5)
    best = float("inf")
    with torch.inference_mode():
        network(image, clinical)
        for _ in range(options.rounds):
            start = time.perf_counter()
            network(image, clinical)
            best = min(best, time.perf_counter() - start)
    flop = 0
    for (t, d, h, w), a, b in zip(SIZES, CHANNELS, CHANNELS[1:]):
        flop += 2 * 81 * a * b * t * d * h * w
    row = best / options.batch
    print(json.dumps({"torch": torch.__version__, "threads": options.threads, "batch": options.batch,
                      "ms_per_row": row * 1e3, "gflops": flop / row / 1e9}))


if __name__ == "__main__":
    main()
