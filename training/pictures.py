"""Pictures of the model's card."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import measures
import numpy as np

matplotlib.rcParams.update({"svg.hashsalt": "lymph4d", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREY = "#1f5fa8", "#c8641e", "#8a8a8a"
TIMES_S = (0, 55, 110, 210, 315)


def save(figure: plt.Figure, path: Path) -> None:
    # Without a date, so that the same figures give the same file.
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    figure.savefig(path, bbox_inches="tight", metadata=metadata, dpi=110)
    plt.close(figure)


def roc(path: Path, probability: np.ndarray, risk: np.ndarray, outcome: np.ndarray) -> None:
    figure, axes = plt.subplots(figsize=(4.6, 4.4))
    for score, name, colour in ((risk, "true risk (Bayes limit)", GREY), (probability, "lymph4d", BLUE)):
        order = np.argsort(-score, kind="stable")
        positive = outcome[order]
        axes.plot(
            np.r_[0, np.cumsum(1 - positive) / (1 - positive).sum()],
            np.r_[0, np.cumsum(positive) / positive.sum()],
            color=colour,
            label=f"{name}, area {measures.auc(score, outcome):.3f}",
        )
    axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="pN+, fresh simulated cohort", aspect="equal")
    axes.legend(loc="lower right", frameon=False)
    save(figure, path)


def reliability(path: Path, probability: np.ndarray, outcome: np.ndarray) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.8), sharey=True)
    for i, (axes, name) in enumerate(zip(panels, ("pN+", "cN+"), strict=True)):
        points = measures.reliability(probability[:, i], outcome[:, i])
        x, y, count = (np.array(part) for part in zip(*points, strict=True))
        bounds = np.array([measures.wilson(int(round(s * n)), int(n)) for s, n in zip(y, count, strict=True)])
        axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=0.8)
        axes.errorbar(x, y, [y - bounds[:, 0], bounds[:, 1] - y], fmt="o", color=BLUE, markersize=4)
        error = measures.calibration_error(probability[:, i], outcome[:, i])
        axes.set(xlabel="predicted probability", title=f"{name}, calibration error {error:.3f}", xlim=(0, 1), ylim=(0, 1))
    panels[0].set_ylabel("share that is positive")
    save(figure, path)


def kinetics(path: Path, image: np.ndarray, latent: np.ndarray) -> None:
    middle = image[:, 0, :, 4:12, 4:12, 4:12].mean((2, 3, 4))
    rise = middle - middle[:, :1]
    figure, axes = plt.subplots(figsize=(5, 3.4))
    for chosen, name, colour in ((latent < 0, "filling (low)", BLUE), (latent >= 0, "washing out (high)", ORANGE)):
        mean, deviation = rise[chosen].mean(0), rise[chosen].std(0)
        axes.plot(TIMES_S, mean, marker="o", markersize=4, color=colour, label=name)
        axes.fill_between(TIMES_S, mean - deviation, mean + deviation, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="seconds after the first phase", ylabel="rise, deviations of the crop", title="Kinetics")
    axes.legend(frameon=False)
    save(figure, path)


def examples(path: Path, image: np.ndarray, probability: np.ndarray, outcome: np.ndarray) -> None:
    positive, negative = np.flatnonzero(outcome == 1), np.flatnonzero(outcome == 0)
    rows = [
        ("pN+, found", positive[np.argmax(probability[positive])]),
        ("pN0, cleared", negative[np.argmin(probability[negative])]),
        ("pN+, missed", positive[np.argmin(probability[positive])]),
        ("pN0, false alarm", negative[np.argmax(probability[negative])]),
    ]
    figure, panels = plt.subplots(len(rows), len(TIMES_S), figsize=(8, 6.9))
    for line, (name, index) in zip(panels, rows, strict=True):
        for axes, t, time in zip(line, range(len(TIMES_S)), TIMES_S, strict=True):
            axes.imshow(image[index, 0, t, image.shape[3] // 2], cmap="gray", vmin=-1.5, vmax=4)
            axes.set(xticks=[], yticks=[])
            if line is panels[0]:
                axes.set_title(f"{time} s", fontsize=9)
        line[0].set_ylabel(f"{name}\np = {probability[index]:.2f}", fontsize=9)
    save(figure, path)
