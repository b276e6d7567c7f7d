"""Wilcoxon's signed-rank test, of pairs that are independent.

Such as datasets. The folds of one cross-validation are not: they share most of
what they train on, see `t_tests.resampled`.

The test is two-sided: differences as likely to be up as down have p > 0.05 in
19 of 20 cases.
"""

from __future__ import annotations

from collections.abc import Sequence

# With fewer pairs no outcome has a p below 0.05: 2 / 2^5 = 0.0625.
MIN_PAIRS = 6


def signed_rank(differences: Sequence[float]) -> float:
  """Returns the two-sided p of Wilcoxon's signed-rank test.

  Args:
    differences: One for each pair. Zeros are left out, as Wilcoxon does; if
      all are zero, p is 1.
  """
  # What is equal on paper differs in the last bit, and would not be a tie.
  differences = [round(d, 9) for d in differences]
  if not any(differences):
    return 1.0
  from scipy import stats

  return float(stats.wilcoxon(differences).pvalue)
