"""All networks on a fresh cohort, as ensembles of their fold models, against the best that anyone could do.

    python test.py --run RUN --tensors TENSORS --truth COHORT/truth.csv

Prints the table, DeLong's paired tests of the hybrid against the others, and the share of the Bayes area;
RUN/test.json has the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import measures
import numpy as np
import torch
from data import OUTCOMES, Exams, load
from fit import logits
from train import figures, recipes, table


def ensemble(network: list[dict], name: str, calibration: dict, exams: Exams) -> np.ndarray:
    """[N, 2] of calibrated probabilities: of the mean logit, as in the exported graph."""
    everyone = np.arange(len(exams.names))
    total = np.zeros((len(everyone), 2))
    for fold in network:
        model = recipes(exams.clinical.shape[1])[name][fold["recipe"]].make()
        model.load_state_dict(fold["state"])
        total += logits(model.eval(), exams, everyone)
    mean = total / len(network)
    slope, offset = (np.array([calibration[key][part] for key in OUTCOMES]) for part in ("a", "b"))
    return measures.sigmoid(slope * mean + offset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--tensors", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    options = parser.parse_args()
    exams = load(options.tensors, options.truth)
    outcome = exams.outcome.numpy()
    trained = json.loads((options.run / "report.json").read_text())
    models = torch.load(options.run / "folds.pt")
    report: dict[str, dict] = {}
    probabilities = {}
    for name, folds in models.items():
        calibration = trained[name]["calibration"]
        probability = probabilities[name] = ensemble(folds, name, calibration, exams)
        report[name] = {"figures": {}}
        for i, key in enumerate(OUTCOMES):
            points = {p: probability[:, i] >= calibration[key][p] for p in ("rule_out", "balanced")}
            report[name]["figures"][key] = figures(probability[:, i], outcome[:, i], points)
    hybrid = probabilities["4D hybrid"]
    for i, key in enumerate(OUTCOMES):
        print("\n" + table(report, key))
        bayes = measures.auc(exams.risk[:, i], outcome[:, i])
        share = report["4D hybrid"]["figures"][key]["auc"] / bayes
        report["4D hybrid"]["figures"][key]["bayes_auc"] = bayes
        print(f"true risk   {bayes:.3f}; the hybrid reaches {share:.3f} of it")
        for name, other in probabilities.items():
            if name != "4D hybrid":
                p = measures.paired_p(hybrid[:, i], other[:, i], outcome[:, i])
                report[name]["figures"][key]["p_against_hybrid"] = p
                print(f"hybrid against {name:9} p = {p:.2g} (DeLong, paired)")
    report["4D hybrid"]["probability"] = hybrid.tolist()
    report["exams"] = {"names": exams.names, "outcome": outcome.tolist(), "risk": exams.risk.tolist()}
    (options.run / "test.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
