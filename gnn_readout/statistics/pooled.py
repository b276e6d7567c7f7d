"""What the runs of several configurations scatter, taken together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def pooled_deviation(samples: Sequence[Sequence[float]]) -> float | None:
  """Returns sqrt(sum_k (n_k - 1) s_k^2 / sum_k (n_k - 1)).

  Args:
    samples: Values of each configuration; one with a single value adds nothing.

  Returns:
    None if every configuration has a single value.
  """
  freedom = sum(len(sample) - 1 for sample in samples)
  if not freedom:
    return None
  squares = sum(
    (len(sample) - 1) * statistics.variance(sample)
    for sample in samples
    if len(sample) > 1
  )
  return math.sqrt(squares / freedom)
