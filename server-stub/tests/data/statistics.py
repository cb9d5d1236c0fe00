#!/usr/bin/env python3
"""Writes statistics.json: what SciPy and statsmodels say about the cases that tests/statistics.rs puts to the server's statistics.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1 statsmodels==0.15.0 numpy==2.4.6
    venv/bin/python server-stub/tests/data/statistics.py

The confidence sequence is in neither library: it is written here from its formula as published, and its p-value found by bisection
instead of in closed form.
"""

import json
import math
import pathlib

import numpy
import scipy
import statsmodels
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, power_proportions_2indep, proportions_ztest

ALPHA = 0.05
TUNED_FOR = 2000


def sequence_half_width(squared_error, n, alpha):
    rho2 = (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA) + 1)) / TUNED_FOR
    rho = math.sqrt(rho2)
    return math.sqrt(squared_error * n) * math.sqrt(
        2 * (n * rho2 + 1) / (n * rho) ** 2 * math.log(math.sqrt(n * rho2 + 1) / alpha)
    )


def sequence_p_value(effect, squared_error, n):
    """The least alpha whose half-width is below the effect, found by bisection of its logarithm."""
    if abs(effect) <= sequence_half_width(squared_error, n, 1.0):
        return 1.0
    low, high = -700.0, 0.0
    if abs(effect) > sequence_half_width(squared_error, n, math.exp(low)):
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if abs(effect) > sequence_half_width(squared_error, n, math.exp(middle)):
            high = middle
        else:
            low = middle
    return math.exp(high)


def smallest_detectable(rate, n0, n1):
    """The improvement with power 0.8: of the planned look by statsmodels, of the sequence at one look by its formula."""
    if min(n0, n1) < 30:
        return [None, None]
    z80 = stats.norm.ppf(0.8)

    def planned(effect):
        return power_proportions_2indep(effect, rate, n1, ratio=n0 / n1, alpha=ALPHA).power - 0.8

    def sequence(effect):
        squared = rate * (1 - rate) / n0 + (rate + effect) * (1 - rate - effect) / n1
        return effect - sequence_half_width(squared, n0 + n1, ALPHA) - z80 * math.sqrt(squared)

    def solve(function):
        room = 1 - rate - 1e-12
        if room <= 0 or function(room) < 0:
            return None
        return float(brentq(function, 1e-12, room, xtol=1e-14, rtol=1e-13))

    return [solve(planned), solve(sequence)]


def two_proportions(n0, x0, n1, x1):
    with numpy.errstate(all="ignore"):
        z, p = proportions_ztest([x1, x0], [n1, n0])
    low, high = confint_proportions_2indep(x1, n1, x0, n0, method="newcomb", compare="diff", alpha=ALPHA)
    adjusted = sum((x + 1) / (n + 2) * (1 - (x + 1) / (n + 2)) / n for n, x in ((n0, x0), (n1, x1)))
    effect = x1 / n1 - x0 / n0
    return {
        "control": [n0, x0],
        "arm": [n1, x1],
        # Where nobody converted, or everybody, statsmodels divides 0 by 0.
        "z": None if math.isnan(z) else float(z),
        "p": None if math.isnan(p) else float(p),
        "interval": [float(low), float(high)],
        "sequenceHalfWidth": sequence_half_width(adjusted, n0 + n1, ALPHA),
        "sequenceHalfWidthOfThree": sequence_half_width(adjusted, n0 + n1, ALPHA / 3),
        "sequenceP": sequence_p_value(effect, adjusted, n0 + n1),
        "smallestDetectable": smallest_detectable(x0 / n0, n0, n1),
    }


def welch_values(name, control, arm):
    result = stats.ttest_ind(arm, control, equal_var=False)
    interval = result.confidence_interval(0.95)
    squared = numpy.var(control, ddof=1) / len(control) + numpy.var(arm, ddof=1) / len(arm)
    n = len(control) + len(arm)
    return {
        "name": name,
        "control": {"values": control},
        "arm": {"values": arm},
        "t": float(result.statistic),
        "df": float(result.df),
        "p": float(result.pvalue),
        "interval": [float(interval.low), float(interval.high)],
        "sequenceHalfWidth": float(sequence_half_width(squared, n, ALPHA)),
        "sequenceP": sequence_p_value(float(numpy.mean(arm) - numpy.mean(control)), float(squared), n),
    }


def welch_summary(name, control, arm):
    """(players, mean, variance) each."""
    (n0, m0, v0), (n1, m1, v1) = control, arm
    result = stats.ttest_ind_from_stats(m1, math.sqrt(v1), n1, m0, math.sqrt(v0), n0, equal_var=False)
    a, b = v0 / n0, v1 / n1
    freedom = (a + b) ** 2 / (a**2 / (n0 - 1) + b**2 / (n1 - 1))
    half = stats.t.ppf(1 - ALPHA / 2, freedom) * math.sqrt(a + b)
    return {
        "name": name,
        "control": {"players": n0, "mean": m0, "variance": v0},
        "arm": {"players": n1, "mean": m1, "variance": v1},
        "t": float(result.statistic),
        "df": freedom,
        "p": float(result.pvalue),
        "interval": [float(m1 - m0 - half), float(m1 - m0 + half)],
        "sequenceHalfWidth": sequence_half_width(a + b, n0 + n1, ALPHA),
        "sequenceP": sequence_p_value(m1 - m0, a + b, n0 + n1),
    }


def ratio(shares, players):
    total = sum(players)
    result = stats.chisquare(players, [share / sum(shares) * total for share in shares])
    return {"shares": shares, "players": players, "chiSquared": float(result.statistic), "p": float(result.pvalue)}


def power(control, arm, n0, n1):
    result = power_proportions_2indep(arm - control, control, n1, ratio=n0 / n1, alpha=ALPHA)
    return {"control": control, "arm": arm, "n": [n0, n1], "power": float(result.power)}


def main():
    random = numpy.random.default_rng(20240229)
    revenue = lambda n, share, mean: [
        round(float(v), 2) for v in random.exponential(mean, n) * (random.random(n) < share)
    ]
    cases = {
        "description": "What SciPy and statsmodels say; written by statistics.py",
        "versions": {"numpy": numpy.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
        "twoProportions": [
            two_proportions(*case)
            for case in [
                (1000, 100, 1000, 130),
                (1000, 50, 1000, 50),
                (1000, 400, 1000, 461),
                (9000, 450, 1000, 71),
                (1000, 130, 1000, 100),
                (137, 3, 41, 9),
                (1, 0, 1, 1),
                (1, 0, 1, 0),
                (500, 0, 500, 0),
                (500, 500, 500, 500),
                (500, 0, 500, 7),
                (20, 20, 30, 0),
                (100_000, 5_000, 100_000, 5_600),
                (3_000_000, 150_000, 3_000_000, 150_900),
                (1_000_000_000, 50_000_000, 1_000_000_000, 50_030_000),
                (1_000_000_000_000, 500_000_000_000, 1_000_000_000_000, 500_001_000_000),
            ]
        ],
        "welch": [
            welch_values("two each", [1.0, 2.0], [4.0, 8.0]),
            welch_values("one side without spread", [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 2.0, 5.0, 0.0]),
            welch_values("unequal spread", [3.1, 2.9, 3.0, 3.2, 2.8, 3.0], [2.0, 5.5, 1.0, 9.75, 4.25]),
            welch_values("revenue, few pay", revenue(400, 0.06, 12.0), revenue(380, 0.09, 12.0)),
            welch_values("far from zero", [1e9 + v for v in (1.0, 2.5, 3.0, 4.5)], [1e9 + v for v in (2.0, 6.5, 8.0)]),
            welch_values("tiny", [1e-12, 2e-12, 4e-12], [2e-12, 5e-12, 9e-12, 7e-12]),
            welch_summary("a thousand each", (1000, 1.25, 9.5), (1000, 1.75, 12.25)),
            welch_summary("rollout of a hundredth", (99_000, 0.731, 21.7), (1000, 1.2, 40.0)),
            welch_summary("a million", (1_000_000, 0.731, 21.7), (1_000_000, 0.742, 22.1)),
            welch_summary("thirty million", (30_000_000, 0.731, 21.7), (30_000_000, 0.7340, 22.1)),
            welch_summary("a billion", (1_000_000_000, 0.731, 21.7), (1_000_000_000, 0.7316, 22.1)),
        ],
        "sampleRatio": [
            ratio([0.5, 0.5], [1000, 1000]),
            ratio([0.5, 0.5], [1000, 1100]),
            ratio([0.5, 0.5], [10_000, 10_600]),
            ratio([0.9, 0.05, 0.05], [9_011, 480, 525]),
            ratio([0.9, 0.05, 0.05], [9_000, 0, 500]),
            ratio([0.25, 0.25, 0.25, 0.25], [0, 3, 1, 2]),
            ratio([0.5, 0.5], [1_000_000_000, 1_000_100_000]),
        ],
        "holm": [
            {"p": p, "adjusted": [float(v) for v in multipletests(p, method="holm")[1]]}
            for p in [[0.03], [0.01, 0.04, 0.03], [0.2, 0.2, 0.001, 0.9], [1.0, 1.0], [0.0, 0.5, 0.02, 0.02, 0.011]]
        ],
        "power": [
            power(0.05, 0.0773, 1000, 1000),
            power(0.10, 0.138, 1000, 1000),
            power(0.40, 0.461, 1000, 1000),
            power(0.40, 0.339, 1000, 1000),
            power(0.10, 0.11, 9000, 1000),
            power(0.02, 0.021, 50_000, 50_000),
        ],
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(cases, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
