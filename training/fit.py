"""How one network is trained, and what it then says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from data import Exams
from torch import Tensor, nn

PERMUTATIONS = list(itertools.permutations((3, 4, 5)))
# pN+ is what the network is for; cN+ helps it to see the same things.
WEIGHTS = (1.0, 0.3)
BATCH = 28


@dataclass(frozen=True)
class Recipe:
    make: Callable[[], nn.Module]
    epochs: int = 20
    """Of the head, which starts at nothing."""
    rate: float = 1e-2
    decay: float = 0.3
    """Of the convolutions: twenty times slower, or they lose what they start with before the head can use it."""
    convolutions_rate: float = 5e-4


def augmented(image: Tensor, random: torch.Generator) -> Tensor:
    """One of the 48 symmetries of the grid, a shift by up to a voxel, and a gain for each exam.

    The crop's axes mean nothing to the lesion, and its middle is a mark made by hand.
    """
    image = image.permute(0, 1, 2, *PERMUTATIONS[int(torch.randint(6, (1,), generator=random))])
    flips = [axis for axis in (3, 4, 5) if torch.rand((), generator=random) < 0.5]
    if flips:
        image = image.flip(flips)
    shift = torch.randint(-1, 2, (3,), generator=random).tolist()
    gain = 1 + 0.1 * torch.randn(image.shape[0], 1, 1, 1, 1, 1, generator=random)
    return torch.roll(image, shift, (3, 4, 5)) * gain.to(image.device)


def train(recipe: Recipe, exams: Exams, chosen: np.ndarray, seed: int) -> nn.Module:
    """A network trained on the chosen exams; the same for the same seed, on one thread or one GPU."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    network = recipe.make().to(exams.image.device)
    steps = len(chosen) // BATCH
    head = [p for name, p in network.named_parameters() if name.startswith("head")]
    convolutions = [p for name, p in network.named_parameters() if not name.startswith("head")]
    groups = [{"params": head, "lr": recipe.rate, "weight_decay": recipe.decay}]
    if convolutions:
        groups.append({"params": convolutions, "lr": recipe.convolutions_rate, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=recipe.epochs * steps)
    weights = torch.tensor(WEIGHTS, device=exams.image.device)
    network.train()
    for _ in range(recipe.epochs):
        order = torch.from_numpy(chosen)[torch.randperm(len(chosen), generator=random)]
        for batch in order[: steps * BATCH].split(BATCH):
            logits = network(augmented(exams.image[batch], random), exams.clinical[batch])
            losses = nn.functional.binary_cross_entropy_with_logits(
                logits, exams.outcome[batch], reduction="none"
            )
            optimizer.zero_grad()
            (losses * weights).mean().backward()
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def logits(network: nn.Module, exams: Exams, chosen: np.ndarray) -> np.ndarray:
    """[chosen, 2] before calibration."""
    batches = torch.from_numpy(chosen).split(64)
    return torch.cat([network(exams.image[i], exams.clinical[i]) for i in batches]).double().cpu().numpy()
