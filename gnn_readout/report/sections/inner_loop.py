"""Figures 5 and 6 of the paper: the inner loop of a run during training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gnn_readout.records import Record, group
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, Pair
from gnn_readout.report.figures import inner_loop as figures
from gnn_readout.report.results import molecules

# What is said of a run, by curve.
_SAID = {
  "inner_mean_max_norm": (
    "the max-norm of the last inner gradient (mean over the batch)"
  ),
  "inner_learning_rate": "the learning rate",
  "inner_momentum": "the momentum",
  "inner_regulariser": "the regularisation weight",
}


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
          f"{title}: the last inner gradient and the auxiliary loss",
          figures.convergence(record),
        ),
        Figure(
          f"{name}_inner_parameters",
          f"{title}: the learned parameters of the inner loop",
          figures.inner_parameters(record),
        ),
      ),
      statement(record),
    ]
  intro = (
    "The left figures show whether the inner loop converges (Figure 5 of the"
    " paper), the right ones its learned parameters (Figure 6 of the paper,"
    " Figure C.1 of the supplement). Of several configurations the one with"
    " the best validation score is shown, and of its seeds the lowest."
  )
  return made and [intro, *made]


def statement(record: Record) -> str:
  """Says from where to where the curves of a run go.

  Args:
    record: One that is drawn.
  """
  said = []
  for name, what in _SAID.items():
    (first, start), *_, (last, end) = record["curves"]["diagnostics"][name]
    said.append(f"{what} goes from {start:.2g} to {end:.2g}")
  return (
    f"Between step {first:,} and step {last:,}, {'; '.join(said)}. This is a"
    " single run; others may differ."
  )


def drawn(records: Iterable[Record]) -> list[Record]:
  """Returns the runs that are drawn, sorted by what their titles say.

  Of the configurations with the same dataset, model and readout it is the one
  with the best validation score, of its seeds the lowest with curves; runs of
  less than an epoch are not drawn.

  Args:
    records: Records of all kinds, in any order.
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
