"""Equilibrium readouts with more inner steps in testing than in training."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_readout.records import Record, field, metric_name
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results.selection import Selection, alike, select
from gnn_readout.statistics import holm
from gnn_readout.statistics.t_tests import LEVEL, TTest, two_samples

_FIELD = "model.readout.test_num_steps"


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of runs that differ in the inner steps of testing."""
  runs = [
    r
    for r in records
    if r["kind"] == "run"
    and field(r, "model.readout.name") == "equilibrium"
    and r["test"]
  ]
  groups = [
    sorted(group, key=_steps)
    for group in alike(select(runs), without=_FIELD)
    if len({_steps(row) for row in group}) > 1
  ]
  pairs = [
    (_as_trained(group), row)
    for group in groups
    for row in group
    if _as_trained(group) not in (None, row)
  ]
  if not pairs:
    return []
  tests = [two_samples(row.merits, base.merits) for base, row in pairs]
  p_values = holm.of_tests(tests)
  rows = [
    {
      "task": _task(row),
      "steps in training": str(field(row.record, "model.readout.num_steps")),
      "in testing": str(_steps(row)),
      "metric": metric_name(row.metric),
      "test": markup.plus_minus(*markup.mean_deviation(row.tests)),
      "as in training": markup.plus_minus(*markup.mean_deviation(base.tests)),
      "p": "" if p is None else f"{p:.2g}",
      "seeds": str(len(row.tests)),
    }
    for (base, row), p in zip(pairs, p_values, strict=True)
  ]
  return [_sentence(tests, p_values), Table("Scores", rows)]


def _sentence(
  tests: Sequence[TTest | None], p_values: Sequence[float | None]
) -> str:
  significant = [
    test.difference
    for test, p in zip(tests, p_values, strict=True)
    if test is not None and p is not None and p < LEVEL
  ]
  better = sum(gain > 0 for gain in significant)
  return (
    "The same models tested with more inner steps than they were trained with:"
    f" significantly better in {better} and significantly worse in"
    f" {len(significant) - better} of {len(tests)} comparisons, by Student's t"
    f" test of the seeds with p < {LEVEL} after Holm's correction. Scores are"
    " the mean and sample standard deviation over the seeds."
  )


def _steps(row: Selection) -> int:
  """Returns the inner steps of testing."""
  return field(row.record, _FIELD) or field(
    row.record, "model.readout.num_steps"
  )


def _as_trained(group: Sequence[Selection]) -> Selection | None:
  """Returns the row that is tested with the steps of its training."""
  own = [
    r for r in group if _steps(r) == field(r.record, "model.readout.num_steps")
  ]
  return own[0] if own else None


def _task(row: Selection) -> str:
  dataset = row.record.get("dataset")
  name = dataset["name"] if dataset else row.record["problem"]
  width = field(row.record, "model.message_passing.width")
  return name if width is None else f"{name}, {width} wide"
