"""Nested five-fold cross-validation of all networks, and the fold models that are shipped.

    python train.py --tensors TENSORS --truth COHORT/truth.csv --out RUN

In each outer fold the inner loop chooses the recipe, the calibration and the thresholds; the outer fold, which
none of them has seen, gives the figures. RUN then holds folds.pt (every outer fold's weights) and report.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

# Freed blocks stay in the heap: giving them back and faulting them in again took three quarters of a step.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**32))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))

import measures
import numpy as np
import torch
from data import OUTCOMES, Exams, folds, load
from fit import Recipe, logits, train
from networks import ClinicalOnly, Net2D, Net3D, Net4D

FOLDS = 5
SENSITIVITY = 0.95


def recipes(clinical: int) -> dict[str, list[Recipe]]:
    """What the inner loop chooses from. The comparison networks have one recipe each, which keeps the table under
    half an hour; their inner loop only calibrates."""
    return {
        "4D hybrid": [Recipe(lambda: Net4D(clinical)), Recipe(lambda: Net4D(clinical), convolutions_rate=1e-3)],
        "4D": [Recipe(Net4D)],
        "3D": [Recipe(Net3D)],
        "2D": [Recipe(Net2D)],
        "clinical": [Recipe(lambda: ClinicalOnly(clinical), decay=0.01)],
    }


INNER = 3


@dataclass(frozen=True)
class Fit:
    network: str
    recipe: int
    chosen: np.ndarray
    left_out: np.ndarray
    seed: int
    keep: bool = False


EXAMS: Exams


def run(fit: Fit) -> tuple[np.ndarray, dict[str, torch.Tensor] | None]:
    """Logits of the exams that were left out, and the weights where they are to be kept."""
    recipe = recipes(EXAMS.clinical.shape[1])[fit.network][fit.recipe]
    network = train(recipe, EXAMS, fit.chosen, fit.seed)
    state = {name: value.cpu() for name, value in network.state_dict().items()} if fit.keep else None
    return logits(network, EXAMS, fit.left_out), state


def begin(tensors: Path, truth: Path, device: str) -> None:
    """In each worker. One thread a fit: the sums do not depend on the machine's number of cores."""
    global EXAMS
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    EXAMS = load(tensors, truth).to(torch.device(device))


class Runner:
    """Fits side by side: a core each, or all on one GPU after each other."""

    def __init__(self, tensors: Path, truth: Path, jobs: int) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        workers = 1 if self.device == "cuda" else jobs
        self.pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=begin, initargs=(tensors, truth, self.device)
        )
        self.start = time.monotonic()
        self.done = 0

    def all(self, fits: list[Fit]) -> list[tuple[np.ndarray, dict[str, torch.Tensor] | None]]:
        results = []
        for fit, result in zip(fits, self.pool.map(run, fits), strict=True):
            results.append(result)
            self.done += 1
            print(f"{self.done:4d} fits, {time.monotonic() - self.start:6.0f} s  {fit.network}", flush=True)
        return results


def calibrations(logit: np.ndarray, outcome: np.ndarray) -> dict[str, dict[str, float]]:
    """Per outcome: Platt's a and b, and the thresholds of the operating points on what they give."""
    result = {}
    for i, name in enumerate(OUTCOMES):
        a, b = measures.platt(logit[:, i], outcome[:, i])
        probability = measures.sigmoid(a * logit[:, i] + b)
        result[name] = {
            "a": a,
            "b": b,
            "rule_out": measures.threshold_for_sensitivity(probability, outcome[:, i], SENSITIVITY),
            "balanced": measures.balanced_threshold(probability, outcome[:, i]),
        }
    return result


def cross_validate(name: str, exams: Exams, runner: Runner) -> tuple[dict[str, object], list[object]]:
    outcome = exams.outcome.cpu().numpy()
    everyone = np.arange(len(outcome))
    outer = folds(outcome, FOLDS, seed=1)
    choices = range(len(recipes(exams.clinical.shape[1])[name]))
    fits, plans = [], []
    for k, left_out in enumerate(outer):
        kept = np.setdiff1d(everyone, left_out)
        inner = [kept[part] for part in folds(outcome[kept], INNER, seed=100 + k)]
        plans.append((kept, left_out, inner))
        fits += [
            Fit(name, choice, np.setdiff1d(kept, part), part, 1000 * k + 10 * j + choice)
            for choice in choices
            for j, part in enumerate(inner)
        ]
    inner_logits = iter(logit for logit, _ in runner.all(fits))
    chosen, calibrated = [], []
    for kept, _, inner in plans:
        candidates = []
        for _ in choices:
            logit = np.zeros((len(outcome), 2))
            for part in inner:
                logit[part] = next(inner_logits)
            candidates.append(logit[kept])
        areas = [measures.auc(logit[:, 0], outcome[kept, 0]) for logit in candidates]
        chosen.append(int(np.argmax(areas)))
        calibrated.append(calibrations(candidates[chosen[-1]], outcome[kept]))
    results = runner.all(
        [
            Fit(name, choice, kept, left_out, 10_000 + k, keep=True)
            for k, ((kept, left_out, _), choice) in enumerate(zip(plans, chosen, strict=True))
        ]
    )
    logit = np.zeros((len(outcome), 2))
    probability = np.zeros((len(outcome), 2))
    decisions = {point: np.zeros((len(outcome), 2), bool) for point in ("rule_out", "balanced")}
    for (left_out_logit, _), (_, left_out, _), fitted in zip(results, plans, calibrated, strict=True):
        logit[left_out] = left_out_logit
        for i, key in enumerate(OUTCOMES):
            c = fitted[key]
            probability[left_out, i] = measures.sigmoid(c["a"] * left_out_logit[:, i] + c["b"])
            for point, positive in decisions.items():
                positive[left_out, i] = probability[left_out, i] >= c[point]
    report = {
        "recipes": chosen,
        "calibration": calibrations(logit, outcome),
        "figures": {
            key: figures(probability[:, i], outcome[:, i], {p: d[:, i] for p, d in decisions.items()})
            for i, key in enumerate(OUTCOMES)
        },
        "probability": probability.tolist(),
    }
    return report, [{"recipe": choice, "state": state} for choice, (_, state) in zip(chosen, results, strict=True)]


def figures(probability: np.ndarray, outcome: np.ndarray, decisions: dict[str, np.ndarray]) -> dict[str, object]:
    """One line of the table."""
    area, low, high = measures.auc_interval(probability, outcome)
    return {
        "auc": area,
        "auc_interval": (low, high),
        "brier": measures.brier(probability, outcome),
        "calibration_error": measures.calibration_error(probability, outcome),
        "reliability": measures.reliability(probability, outcome),
        **measures.avoided(probability, outcome, SENSITIVITY),
        "points": {point: measures.at_threshold(positive, outcome) for point, positive in decisions.items()},
    }


def table(report: dict[str, dict[str, object]], outcome: str) -> str:
    """For people."""
    lines = [
        f"{outcome:10}  AUC (95% interval)      sens.  spec.  acc.   Brier  ECE    avoided at 95% sensitivity"
    ]
    for name, network in report.items():
        f = network["figures"][outcome]
        p = f["points"]["balanced"]
        low, high = f["biopsies_avoided_interval"]
        lines.append(
            f"{name:10}  {f['auc']:.3f} ({f['auc_interval'][0]:.3f}-{f['auc_interval'][1]:.3f})     "
            f"{p['sensitivity']:.2f}   {p['specificity']:.2f}   {p['accuracy']:.2f}   {f['brier']:.3f}  "
            f"{f['calibration_error']:.3f}  {100 * f['biopsies_avoided']:.0f}% ({100 * low:.0f}-{100 * high:.0f}%)"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tensors", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    exams = load(options.tensors, options.truth)
    runner = Runner(options.tensors, options.truth, options.jobs)
    report, models = {}, {}
    for name in recipes(exams.clinical.shape[1]):
        report[name], models[name] = cross_validate(name, exams, runner)
        (options.out / "report.json").write_text(json.dumps(report, indent=1))
        torch.save(models, options.out / "folds.pt")
    for outcome in OUTCOMES:
        print("\n" + table(report, outcome))


if __name__ == "__main__":
    main()
