# SPDX-License-Identifier: BSD-3-Clause
"""ratios.py - two that are compared in pairs, whose ratios say how one stands to the other."""
import math
import statistics


def interval(ratios):
    """Of the typical ratio: the lower end of its 98 % confidence interval, itself, and the upper end.

    Wilcoxon's interval, from the means of all two of them, in order; of logarithms, for of two that are alike
    either ratio is as likely as its inverse. Of less than eight it is all that there are: five say with 97 %
    on one side, and with 94 % on both.
    """
    n = len(ratios)
    logs = [math.log(r) for r in ratios]
    means = sorted((a + b) / 2 for i, a in enumerate(logs) for b in logs[i:])
    out = max(int(len(means) / 2 - 2.33 * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)), 0)
    return tuple(math.exp(x) for x in (means[out], statistics.median(means), means[-1 - out]))
