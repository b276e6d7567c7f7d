"""Student's t test of two results, by seeds or by folds.

All tests are two-sided. Where there are fewer than two values to estimate a
deviation from, there is no test.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

LEVEL = 0.05


class TTest(NamedTuple):
  """How far two means are apart.

  Attributes:
    difference: The first mean minus the second.
    low: Where the 95% interval of the difference begins.
    high: Where it ends.
    freedom: Degrees of freedom.
    p: How likely a difference at least as large is where there is none.
  """

  difference: float
  low: float
  high: float
  freedom: float
  p: float


def two_samples(
  first: Sequence[float],
  second: Sequence[float],
  equal_deviations: bool = True,
) -> TTest | None:
  """Tests the means of two samples, such as the scores of two sets of seeds.

  With one standard deviation for both, t = (a - b) / sqrt(s^2 (1/m + 1/n)),
  where s^2 is the pooled variance, with m + n - 2 degrees of freedom: of
  samples of one normal distribution 5% have p < 0.05, however few they are. By
  Welch, t = (a - b) / sqrt(s_a^2/m + s_b^2/n), with the degrees of freedom of
  Welch and Satterthwaite. Of the same samples that calls 3.6% different at
  three against three, 2.4% at two against two; where one standard deviation is
  three times the other, the two tests call 7.5% and 5.2% different at three
  against three.

  Args:
    first: [m].
    second: [n].
    equal_deviations: Whether the standard deviation is taken to be the same, or
      else the test is Welch's.

  Returns:
    None if one of the two has fewer than two values.

  Reference: Welch, "The Generalization of 'Student's' Problem when Several
  Different Population Variances are Involved", Biometrika 1947.
  """
  m, n = len(first), len(second)
  if min(m, n) < 2:
    return None
  a, b = statistics.variance(first), statistics.variance(second)
  freedom: float = m + n - 2
  if equal_deviations:
    square = ((m - 1) * a + (n - 1) * b) / freedom * (1 / m + 1 / n)
  else:
    square = a / m + b / n
    parts = (a / m) ** 2 / (m - 1) + (b / n) ** 2 / (n - 1)
    freedom = square**2 / parts if parts else freedom
  gap = statistics.fmean(first) - statistics.fmean(second)
  return _test(gap, math.sqrt(square), freedom)


def resampled(
  differences: Sequence[float], tested_per_trained: float
) -> TTest | None:
  """Tests the mean difference of two learners over splits of one dataset.

  t = d / sqrt((1/J + n_test/n_train) s^2), with J - 1 degrees of freedom. The
  folds of a cross-validation share most of what they train on, those of two
  repeats also what they test on, so that their differences are correlated and
  the variance of their mean is more than s^2/J. The added term is right for a
  correlation of n_test / (n_test + n_train). Learners that hardly depend on
  what they are trained on have less, and the test then finds fewer
  differences than its level.

  Args:
    differences: [J], score of the first minus that of the second, one for each
      fold of each repeat.
    tested_per_trained: n_test / n_train, 1 / (k - 1) for k folds.

  Returns:
    None if there are fewer than two differences.

  Reference: Nadeau and Bengio, "Inference for the Generalization Error",
  Machine Learning 2003; of repeats of folds Bouckaert and Frank, "Evaluating
  the Replicability of Significance Tests for Comparing Learning Algorithms",
  PAKDD 2004.
  """
  count = len(differences)
  if count < 2:
    return None
  square = (1 / count + tested_per_trained) * statistics.variance(differences)
  return _test(statistics.fmean(differences), math.sqrt(square), count - 1)


def half_width(values: Sequence[float]) -> float | None:
  """Returns half of Student's interval of a mean, at 1 - `LEVEL`.

  Args:
    values: Scores of several seeds.

  Returns:
    None if there are fewer than two.
  """
  count = len(values)
  if count < 2:
    return None
  return _reach(statistics.stdev(values) / math.sqrt(count), count - 1)


def _reach(error: float, freedom: float) -> float:
  """Returns how far an interval reaches from a mean with a standard error."""
  from scipy import special

  return -error * float(special.stdtrit(freedom, LEVEL / 2))


def _test(difference: float, error: float, freedom: float) -> TTest:
  """Returns the test of a difference with a standard error."""
  from scipy import special

  if error:
    p = 2 * float(special.stdtr(freedom, -abs(difference) / error))
  else:
    p = float(difference == 0)
  reach = _reach(error, freedom)
  return TTest(difference, difference - reach, difference + reach, freedom, p)
