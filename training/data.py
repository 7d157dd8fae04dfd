"""What `sentinode tensors` wrote, beside the truth that `sentinode simulate` wrote."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

OUTCOMES = ("pn", "cn")


@dataclass(frozen=True)
class Exams:
    names: list[str]
    """[N, 1, T, D, H, W], scaled as the contract says."""
    image: Tensor
    """[N, variables], encoded as the contract says."""
    clinical: Tensor
    """[N, 2] of 0 and 1: pN+, cN+."""
    outcome: Tensor
    """[N, 2]: the true probabilities of both, which only a simulation knows."""
    risk: np.ndarray

    def to(self, device: torch.device) -> Exams:
        return Exams(
            self.names,
            self.image.to(device),
            self.clinical.to(device),
            self.outcome.to(device),
            self.risk,
        )


def load(tensors: Path, truth: Path) -> Exams:
    """Reads both; every exam needs its truth, in whatever order that comes."""
    with open(tensors / "exams.csv", newline="") as file:
        names = [row["exam"] for row in csv.DictReader(file)]
    with open(truth, newline="") as file:
        rows = {row["exam"]: row for row in csv.DictReader(file)}
    missing = [name for name in names if name not in rows]
    if missing:
        raise SystemExit(f"expected the truth of every exam in {truth}, found none of {len(missing)}")

    def column(prefix: str) -> np.ndarray:
        return np.array([[float(rows[name][prefix + key]) for key in OUTCOMES] for name in names])

    return Exams(
        names,
        torch.from_numpy(np.load(tensors / "image.npy")),
        torch.from_numpy(np.load(tensors / "clinical.npy")),
        torch.from_numpy(column("").astype(np.float32)),
        column("risk_"),
    )


def folds(outcome: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Indices of each fold; all have the same mixture of both outcomes."""
    random = np.random.default_rng(seed)
    strata = outcome[:, 0] * 2 + outcome[:, 1]
    order = random.permutation(len(outcome))
    order = order[np.argsort(strata[order], kind="stable")]
    return [np.sort(order[i::count]) for i in range(count)]
