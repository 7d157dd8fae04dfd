"""The model's card: its figures, as text, as data (figures.json) and as pictures.

    python card.py --run RUN --tensors TENSORS --truth COHORT/truth.csv --exams COHORT/exams.csv --model ../models/lymph4d

The tensors and tables are those of the fresh cohort that test.py was run on.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path

import measures
import numpy as np
import pictures
from data import OUTCOMES
from export import NOTICE

NETWORKS = {
    "4D hybrid": "4D convolutions over all phases, and the clinical data",
    "4D": "4D convolutions over all phases",
    "3D": "3D convolutions over one phase",
    "2D": "2D convolutions over one slice of one phase",
    "clinical": "logistic regression of the clinical data",
}


def estimate(value: float, interval: list[float]) -> dict[str, float]:
    return {"value": value, "low": interval[0], "high": interval[1]}


def summary(figures: dict, bayes: float) -> dict[str, object]:
    """One outcome, in the form that `npm run evaluate` reads."""
    point = figures["points"]["rule_out"]
    return {
        "auc": estimate(figures["auc"], figures["auc_interval"]),
        "bayes_auc": bayes,
        "sensitivity": estimate(point["sensitivity"], point["sensitivity_interval"]),
        "specificity": estimate(point["specificity"], point["specificity_interval"]),
        "biopsies_avoided": estimate(figures["biopsies_avoided"], figures["biopsies_avoided_interval"]),
        "brier": figures["brier"],
        "calibration_error": figures["calibration_error"],
    }


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    return f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def percent(value: float, bounds: list[float]) -> str:
    return f"{100 * value:.0f} % ({100 * bounds[0]:.0f}-{100 * bounds[1]:.0f})"


def table(report: dict, outcome: str, compared: bool) -> str:
    heads = ["network", "AUC (95 %)", "sensitivity", "specificity", "accuracy", "Brier", "calibration error"]
    heads += ["biopsies avoided at 95 % sensitivity"] + (["p against the hybrid"] if compared else [])
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join(["---"] * len(heads)) + " |"]
    for name in NETWORKS:
        f = report[name]["figures"][outcome]
        p = f["points"]["balanced"]
        cells = [name, interval(f["auc"], *f["auc_interval"])]
        cells += [percent(p[key], p[key + "_interval"]) for key in ("sensitivity", "specificity", "accuracy")]
        cells += [f"{f['brier']:.3f}", f"{f['calibration_error']:.3f}"]
        cells += [percent(f["biopsies_avoided"], f["biopsies_avoided_interval"])]
        if compared:
            cells.append(f"{f['p_against_hybrid']:.1g}" if "p_against_hybrid" in f else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def subgroups(probability: np.ndarray, outcome: np.ndarray, rows: list[dict[str, str]]) -> str:
    """Where the model does worse: the area for pN+ within parts of the fresh cohort."""

    def terciles(key: str, unit: str) -> list[tuple[str, np.ndarray]]:
        values = np.array([float(row[key]) for row in rows])
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        parts = (values < low, (values >= low) & (values < high), values >= high)
        names = (f"below {low:.1f} {unit}", f"{low:.1f} to {high:.1f} {unit}", f"from {high:.1f} {unit}")
        return list(zip(names, parts, strict=True))

    parts = terciles("diameter_mm", "mm diameter")
    models = np.array([row["model"] for row in rows])
    parts += [(f"scanner {name}", models == name) for name in sorted(set(models))]
    lines = ["| part of the cohort | exams | AUC for pN+ (95 %) |", "| --- | --- | --- |"]
    for name, chosen in parts:
        area, low, high = measures.auc_interval(probability[chosen], outcome[chosen])
        lines.append(f"| {name} | {int(chosen.sum())} | {interval(area, low, high)} |")
    return "\n".join(lines)


def card(trained: dict, tested: dict, hashes: dict[str, str], parts: str) -> str:
    bayes = tested["4D hybrid"]["figures"]["pn"]["bayes_auc"]
    reached = tested["4D hybrid"]["figures"]["pn"]["auc"] / bayes
    count = len(tested["exams"]["names"])
    networks = "\n".join(f"- **{name}**: {text}" for name, text in NETWORKS.items())
    return f"""# lymph4d

**{NOTICE}.**
A 4D convolutional network with the clinical data joined to its features, which tells from a breast DCE-MRI exam and five clinical values whether axillary lymph nodes are involved (pN+, cN+).
It has seen no patient: exams and outcomes come from `sentinode simulate` ([what is simulated](../../docs/simulation.md)). It shows that the system works from end to end, and what a network can and cannot find in such data. It says nothing about medicine.

| | |
| --- | --- |
| input | crop of 16 x 16 x 16 voxels of 2 mm around the lesion's marked centre, at 5 times after the first phase; age, ER, HER2, Ki-67, grade |
| output | calibrated probabilities of pN+ and cN+, those before calibration, and the standard deviation over five models |
| network | two 4D convolutions (the first of stride 2 in space) with batch normalisation and ReLU, means over the crop, its middle half and its middle quarter, a linear layer; an ensemble of the five models of the outer folds; calibrated by Platt's method in the graph |
| trained on | {len(trained["4D hybrid"]["probability"])} simulated exams, seed 1, [training/](../../training/README.md) |
| tested on | {count} simulated exams, seed 2 |
| model SHA-256 | `{hashes["model_sha256"]}` |
| training SHA-256 | `{hashes["training_sha256"]}` |

## How well it tells

The best that anyone could do on the fresh cohort, who knew every woman's true risk, is an area of {bayes:.3f} for pN+; the model reaches {reached:.3f} of it.

![ROC curves](roc.svg)

Fresh cohort of {count}, pN+; sensitivity, specificity and accuracy at the operating point `balanced`; p by DeLong's paired test:

{table(tested, "pn", True)}

The same for cN+:

{table(tested, "cn", True)}

Nested five-fold cross-validation on the training cohort, pN+ (calibration and thresholds from the inner loop):

{table(trained, "pn", False)}

cN+:

{table(trained, "cn", False)}

{networks}

## Calibration

![Reliability](reliability.svg)

## What it looks at

Enhancement over time in the middle of the crop, by the simulated kinetics: slow tissue fills, fast tissue washes out.

![Kinetics](kinetics.svg)

The middle slice of four exams of the fresh cohort at the five times: a true positive, a true negative, and the two worst mistakes.

![Examples](examples.png)

`sentinode screen --explain` says where in an exam an answer comes from; `npm run evaluate` counts how often that place lies in the true lesion. Hiding a lesion's core mostly raises the probability: what is left looks like a rim, which goes with risk in the simulation.

## Where it fails

{parts}

- It needs the lesion's centre. A mark that is off by several millimetres, or a lesion larger than the crop of 32 mm, changes what it sees; the answer warns of the latter.
- The interplay of fast and slow tissue is the hardest to see in voxels of 2 mm, and most of what is missing to the Bayes limit.
- cN+ was seen in one training exam of four only, and its probabilities are calibrated worse (error {tested["4D hybrid"]["figures"]["cn"]["calibration_error"]:.3f}) than those of pN+ ({tested["4D hybrid"]["figures"]["pn"]["calibration_error"]:.3f}).
- Exams unlike the simulated ones (other contrast agents, phases further apart, motion between phases beyond a millimetre, implants, biopsy clips) were never shown to it.
- Probabilities are calibrated for a prevalence of 42 % of pN+.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("run", "tensors", "truth", "exams", "model"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    trained = json.loads((options.run / "report.json").read_text())
    tested = json.loads((options.run / "test.json").read_text())
    version = options.model / "1"
    contract_text = (version / "screening.yaml").read_text()
    hashes = {
        "model_sha256": hashlib.sha256((version / "model.onnx").read_bytes()).hexdigest(),
        "training_sha256": contract_text.split("training_sha256: ")[1].split()[0],
    }

    def rows_of(path: Path) -> list[dict[str, str]]:
        with open(path, newline="") as file:
            rows = {row["exam"]: row for row in csv.DictReader(file)}
        return [rows[name] for name in tested["exams"]["names"]]

    truth = rows_of(options.truth)
    rows = [{**a, **b} for a, b in zip(truth, rows_of(options.exams), strict=True)]
    probability = np.array(tested["4D hybrid"]["probability"])
    outcome = np.array(tested["exams"]["outcome"])
    risk = np.array(tested["exams"]["risk"])
    pictures.roc(options.model / "roc.svg", probability[:, 0], risk[:, 0], outcome[:, 0])
    pictures.reliability(options.model / "reliability.svg", probability, outcome)
    image = np.load(options.tensors / "image.npy", mmap_mode="r")
    pictures.kinetics(options.model / "kinetics.svg", image, np.array([float(row["kinetics"]) for row in truth]))
    pictures.examples(options.model / "examples.png", image, probability[:, 0], outcome[:, 0])
    cross_validated = {}
    for i, key in enumerate(OUTCOMES):
        figures = trained["4D hybrid"]["figures"][key]
        cross_validated[key] = summary(figures, float("nan"))
        del cross_validated[key]["bayes_auc"]
    fresh = {
        key: summary(tested["4D hybrid"]["figures"][key], tested["4D hybrid"]["figures"][key]["bayes_auc"])
        for key in OUTCOMES
    }
    data = {"notice": NOTICE, **hashes, "cross_validated": cross_validated, "fresh_cohort": fresh}
    (options.model / "figures.json").write_text(json.dumps(data, indent=2) + "\n")
    parts = subgroups(probability[:, 0], outcome[:, 0], rows)
    (options.model / "README.md").write_text(card(trained, tested, hashes, parts))


if __name__ == "__main__":
    main()
