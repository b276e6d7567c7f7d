"""Holm's correction for several tests."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_readout.statistics.t_tests import TTest


def corrected(values: Sequence[float]) -> list[float]:
  """Returns p values for which 5% holds for all tests together.

  Where nothing differs, the smallest is below 0.05 in at most 5% of cases.

  The k-th smallest of K is multiplied by K - k + 1, and is at least what
  became of those before it.

  Args:
    values: The p of each test, in any order, which is kept.

  Reference: Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
  Scandinavian Journal of Statistics 1979.
  """
  result = [0.0] * len(values)
  least = 0.0
  for rank, k in enumerate(sorted(range(len(values)), key=values.__getitem__)):
    least = max(least, min(1.0, (len(values) - rank) * values[k]))
    result[k] = least
  return result


def of_tests(tests: Sequence[TTest | None]) -> list[float | None]:
  """Returns the corrected p of each test, None where there is no test.

  Args:
    tests: What holds for all at once; a missing one does not count.
  """
  found = iter(corrected([test.p for test in tests if test is not None]))
  return [None if test is None else next(found) for test in tests]
