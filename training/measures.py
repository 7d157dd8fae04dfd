"""How well a score tells: ROC area with DeLong's intervals, operating points, calibration."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm, rankdata


def auc(score: np.ndarray, outcome: np.ndarray) -> float:
    ranks = rankdata(score)
    positives = outcome.sum()
    return float(
        (ranks[outcome == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(outcome) - positives))
    )


def _placements(score: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each positive the share of negatives below it, of each negative the share of positives above it."""
    positive, negative = score[outcome == 1], score[outcome == 0]
    ranks = rankdata(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    return (ranks[:m] - rankdata(positive)) / n, 1 - (ranks[m:] - rankdata(negative)) / m


def delong(scores: list[np.ndarray], outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas of several scores over the same women, and their covariance (DeLong et al., Biometrics 1988;44:837-845)."""
    placements = [_placements(score, outcome) for score in scores]
    areas = np.array([positive.mean() for positive, _ in placements])
    m, n = int(outcome.sum()), int((1 - outcome).sum())
    over_positives = np.atleast_2d(np.cov([positive for positive, _ in placements]))
    over_negatives = np.atleast_2d(np.cov([negative for _, negative in placements]))
    return areas, over_positives / m + over_negatives / n


def auc_interval(score: np.ndarray, outcome: np.ndarray) -> tuple[float, float, float]:
    """The area and its 95% interval, on the logit scale so that it stays below 1."""
    areas, covariance = delong([score], outcome)
    area = float(areas[0])
    logit, error = np.log(area / (1 - area)), np.sqrt(covariance[0, 0]) / (area * (1 - area))
    low, high = (1 / (1 + np.exp(-(logit + z * error))) for z in (-1.96, 1.96))
    return area, float(low), float(high)


def paired_p(score: np.ndarray, other: np.ndarray, outcome: np.ndarray) -> float:
    """Two-sided p of DeLong's test that both areas are equal."""
    areas, covariance = delong([score, other], outcome)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return float(2 * norm.sf(abs(areas[0] - areas[1]) / error))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% interval of a proportion (Wilson, J Am Stat Assoc 1927;22:209-212)."""
    z, p = 1.96, successes / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return float(middle - half), float(middle + half)


def threshold_for_sensitivity(score: np.ndarray, outcome: np.ndarray, sensitivity: float) -> float:
    """The highest threshold that finds at least this share of the positive; positive is at or above it."""
    positive = np.sort(score[outcome == 1])
    return float(positive[int(np.floor((1 - sensitivity) * len(positive) + 1e-9))])


def balanced_threshold(score: np.ndarray, outcome: np.ndarray) -> float:
    """Where sensitivity and specificity are nearest to each other."""
    candidates = np.unique(score)
    gaps = [abs((score[outcome == 1] >= c).mean() - (score[outcome == 0] < c).mean()) for c in candidates]
    return float(candidates[int(np.argmin(gaps))])


def at_threshold(positive: np.ndarray, outcome: np.ndarray) -> dict[str, object]:
    """Sensitivity, specificity and accuracy of decisions, each with its interval."""
    hit = int((positive & (outcome == 1)).sum())
    clear = int((~positive & (outcome == 0)).sum())
    positives, negatives = int((outcome == 1).sum()), int((outcome == 0).sum())
    result: dict[str, object] = {}
    for name, n, of in (
        ("sensitivity", hit, positives),
        ("specificity", clear, negatives),
        ("accuracy", hit + clear, positives + negatives),
    ):
        result[name] = n / of
        result[name + "_interval"] = wilson(n, of)
    return result


def avoided(score: np.ndarray, outcome: np.ndarray, sensitivity: float = 0.95, draws: int = 2000) -> dict[str, object]:
    """Biopsies avoided: the share of women without metastasis who lie below the threshold that finds 95% of those
    with one. The interval is a bootstrap over women, the threshold found anew in each draw."""

    def share(s: np.ndarray, y: np.ndarray) -> float:
        return float((s[y == 0] < threshold_for_sensitivity(s, y, sensitivity)).mean())

    random = np.random.default_rng(1)
    samples = []
    for _ in range(draws):
        i = random.integers(len(score), size=len(score))
        samples.append(share(score[i], outcome[i]))
    return {
        "biopsies_avoided": share(score, outcome),
        "biopsies_avoided_interval": tuple(float(q) for q in np.quantile(samples, [0.025, 0.975])),
    }


def platt(logit: np.ndarray, outcome: np.ndarray) -> tuple[float, float]:
    """a, b of 1 / (1 + exp(-(a logit + b))) by maximum likelihood, with Platt's targets (Platt 1999)."""
    positives, negatives = outcome.sum(), (1 - outcome).sum()
    target = np.where(outcome == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(ab: np.ndarray) -> float:
        z = ab[0] * logit + ab[1]
        return float((np.logaddexp(0, z) - target * z).sum())

    a, b = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return float(a), float(b)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def brier(probability: np.ndarray, outcome: np.ndarray) -> float:
    return float(((probability - outcome) ** 2).mean())


def reliability(probability: np.ndarray, outcome: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean probability, share of positive and count, of bins of equal width that are not empty."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        (float(probability[index == b].mean()), float(outcome[index == b].mean()), int((index == b).sum()))
        for b in range(bins)
        if (index == b).any()
    ]


def calibration_error(probability: np.ndarray, outcome: np.ndarray) -> float:
    """Expected calibration error over ten bins (Naeini et al., AAAI 2015)."""
    bins = reliability(probability, outcome)
    return sum(count * abs(p - y) for p, y, count in bins) / len(outcome)
