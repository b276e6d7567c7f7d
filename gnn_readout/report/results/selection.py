"""Selection of one learning rate of several, by validation scores."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gnn_readout.records import Record, field, group

_RATE = "optimizer.learning_rate"


class Selection(NamedTuple):
  """The runs of a configuration with its best learning rate.

  Attributes:
    runs: They have a score and differ in the seed only; sorted by it.
    rates: How many learning rates ran.
    failed: How many runs of any learning rate were given up.
  """

  runs: Sequence[Record]
  rates: int
  failed: int

  @property
  def record(self) -> Record:
    """The first run."""
    return self.runs[0]

  @property
  def best(self) -> Record:
    """The run with the best validation score."""
    return min(self.runs, key=lambda run: _sign(run) * run["best"]["valid"])

  @property
  def learning_rate(self) -> float:
    """The selected learning rate."""
    return field(self.record, _RATE)

  @property
  def metric(self) -> str:
    """Name of the metric, such as 'rocauc'."""
    return self.record["test"]["metric"]

  @property
  def tests(self) -> list[float]:
    """Test scores."""
    return [run["test"]["value"] for run in self.runs]

  @property
  def merits(self) -> list[float]:
    """Test scores, negative if lower is better: the larger, the better."""
    return [-_sign(self.record) * value for value in self.tests]

  @property
  def valids(self) -> list[float]:
    """Best validation scores."""
    return [run["best"]["valid"] for run in self.runs]

  @property
  def rank(self) -> float:
    """Sorts the best mean validation score first."""
    return _sign(self.record) * statistics.fmean(self.valids)


def select(records: Iterable[Record]) -> list[Selection]:
  """Chooses the learning rate of each configuration.

  It is the one with the best mean validation score over the seeds that ran; a
  learning rate with a run that failed counts only if there is no other.

  Args:
    records: Records of runs, in any order.

  Returns:
    Those that have a score.
  """
  by_seed = sorted(records, key=operator.itemgetter("seed"))
  found = []
  for runs in group(by_seed, [_RATE]):
    by_rate = group(runs)
    failed = sum(bool(run["failure"]) for run in runs)
    scored = [run for run in min(by_rate, key=_rank) if run["test"]]
    if scored:
      found.append(Selection(scored, len(by_rate), failed))
  return found


def alike(
  selections: Iterable[Selection], without: str
) -> list[list[Selection]]:
  """Groups what is the same but for the learning rate and one field.

  Args:
    selections: From `select`.
    without: The field of the config, with dots.
  """
  by = operator.attrgetter("record")
  return group(selections, [_RATE, without], record=by)


def _rank(runs: Sequence[Record]) -> tuple[int, float, float]:
  """Sorts the learning rate that counts first."""
  valids = [_sign(run) * run["best"]["valid"] for run in runs if run["test"]]
  valid = statistics.fmean(valids) if valids else math.inf
  failed = sum(bool(run["failure"]) for run in runs)
  # Of equals the lower rate, whatever the order of the records.
  return failed, valid, field(runs[0], _RATE)


def _sign(record: Record) -> int:
  return 1 if record["lower_is_better"] else -1
