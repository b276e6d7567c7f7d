"""Figures 5 and 6 of the paper: how the inner loop of a run fares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gnn_readout.records import Record, group
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, Pair
from gnn_readout.report.figures import inner_loop as figures
from gnn_readout.report.results import molecules


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section: two figures for each dataset, model and readout.

  Raises:
    ValueError: If two runs that are drawn have the same name.
  """
  made: list[Block] = []
  names: dict[str, str] = {}
  for record in drawn(records):
    name, title = record["name"], figures.title(record)
    if name in names:
      raise ValueError(
        f"name must differ between configurations, got {name!r} in the records"
        f" of {names[name]!r} and {title!r}; rename one"
      )
    names[name] = title
    made += [
      f"**{title}**, seed {record['seed']}, {record['steps']:,} steps:"
      f" {markup.code(record['command'])}",
      Pair(
        Figure(
          f"{name}_convergence",
          f"convergence of {name}",
          figures.convergence(record),
        ),
        Figure(
          f"{name}_inner_parameters",
          f"inner parameters of {name}",
          figures.inner_parameters(record),
        ),
      ),
    ]
  intro = (
    "Left, does the inner loop converge (Figure 5 of the paper); right, its"
    " learned parameters (Figure 6 there, C.1 in the supplement). Of several"
    " configurations the best on validation, of several seeds the lowest."
  )
  return made and [intro, *made]


def drawn(records: Iterable[Record]) -> list[Record]:
  """Returns the runs that are drawn, sorted by what their titles say.

  Of the configurations with the same dataset, model and readout it is the one
  with the best validation score, of its seeds the lowest with curves; runs of
  less than an epoch are not drawn.

  Args:
    records: Of all kinds, in any order.
  """
  shown = [
    record
    for record in molecules.runs(records)
    if record["test"]
    and molecules.is_scored(record)
    and figures.has_curves(record)
  ]
  shown.sort(key=lambda record: record["seed"])
  lowest = [seeds[0] for seeds in group(shown)]
  best: dict[str, Record] = {}
  for record in sorted(lowest, key=_rank):
    best.setdefault(figures.title(record), record)
  return [record for _, record in sorted(best.items())]


def _rank(record: Record) -> tuple[float, str]:
  """Sorts the best validation score first."""
  sign = 1 if record["lower_is_better"] else -1
  return sign * record["best"]["valid"], record["name"]
