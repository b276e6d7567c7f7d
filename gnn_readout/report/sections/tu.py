"""Cross-validation on the TU collection, beside table 5.10 of Zhang 2020."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_readout.records import Record
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, File, Table
from gnn_readout.report.figures import tu as figures
from gnn_readout.report.results import crossvals, published
from gnn_readout.report.results.crossvals import BASE, FSPOOL, label, setting
from gnn_readout.report.results.folds import Paired, compare
from gnn_readout.statistics import holm
from gnn_readout.statistics.t_tests import LEVEL
from gnn_readout.statistics.wilcoxon import MIN_PAIRS, signed_rank
from gnn_readout.wording import counted

_INTERVAL = f"{1 - LEVEL:.0%} confidence interval"
_CELLS = dict.fromkeys(
  ("repeats x folds", "folds won / tied / lost by the second",
   "mean difference", _INTERVAL, "p", "p, corrected", "finding"), ""
)  # fmt: skip


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the TU collection."""
  runs = crossvals.runs(records)
  if not runs:
    return []
  found = crossvals.rows(runs)
  blocks: list[Block] = [
    "Test accuracy in percent: mean and sample standard deviation over the"
    " repeats or, where the protocol has a single repeat, over the folds. The"
    " published numbers are those of table 5.10 of Zhang 2020 (thesis); those"
    f" of GIN-0 are from Xu et al. 2019, as quoted there. {BASE} pools with"
    " the mean on social networks and with the sum elsewhere. Rows selected"
    " on the test folds are optimistic; do not compare them with the others."
    " `reduced` lists the settings that are smaller than in the published"
    " runs."
  ]
  if any(row["metric"] == "accuracy" for row in found):
    blocks.append(
      Figure(
        "tu_accuracy",
        "Test accuracy of readouts, with sample standard deviations where"
        " there are several repeats; diamonds are the published numbers",
        figures.accuracies(found),
      )
    )
  blocks.append(
    Table("Cross-validation", [crossvals.display(row) for row in found])
  )
  compared = pair_rows(runs)
  if compared:
    blocks += [
      "Readouts are compared in pairs by the corrected resampled t test"
      " (Nadeau and Bengio 2003) on the test scores of the folds, which are"
      " the same for both. The correction accounts for the overlap between"
      " the training sets of the folds and, across repeats, between their"
      f" test sets. Two readouts differ significantly if p < {LEVEL} after"
      " Holm's correction over all pairs of a dataset, model and protocol;"
      " the confidence interval is that of a single pair, without Holm's"
      " correction.",
      Table("Paired comparison over folds", compared),
    ]
  return [
    *blocks,
    across_datasets(runs),
    File("tu.csv", markup.csv_table(found)),
  ]


def pair_rows(records: Sequence[Record]) -> list[dict[str, str]]:
  """Compares the readouts of a dataset, two by two.

  Only what differs in nothing but the readout is compared: model, protocol,
  grid and epochs are the same, and the folds.

  Args:
    records: From `crossvals.runs`.

  Returns:
    What a reader sees, by column title.
  """
  pairs = crossvals.pairs(records)
  found = [compare(*pair) for pair in pairs]
  families: dict[tuple[str, str], list[int]] = {}
  for k, (first, _) in enumerate(pairs):
    if found[k].test is not None:
      family = (first["dataset"]["name"], setting(first))
      families.setdefault(family, []).append(k)
  corrected = {
    k: p
    for family in families.values()
    for k, p in zip(
      family, holm.corrected([found[k].test.p for k in family]), strict=True
    )
  }
  return [
    {
      "dataset": first["dataset"]["name"].removeprefix("tu/"),
      "model, protocol": setting(first),
      "second": label(second),
      "first": label(first),
      **_paired_cells(first, second, found[k], corrected.get(k)),
    }
    for k, (first, second) in enumerate(pairs)
  ]


def across_datasets(records: Sequence[Record]) -> str:
  """Says whether FSPool differs from GIN-Base over datasets.

  A dataset is one pair of means in Wilcoxon's signed-rank test, as in section
  5.6.5 of the thesis.

  Args:
    records: From `crossvals.runs`.

  Returns:
    A sentence for each model and protocol.
  """
  found: dict[str, dict[str, float]] = {}
  for first, second in crossvals.pairs(records):
    if (label(first), label(second)) == (BASE, FSPOOL):
      gap = second["test"]["value"] - first["test"]["value"]
      found.setdefault(setting(first), {})[first["dataset"]["name"]] = gap
  if not found:
    return f"Across datasets: no dataset has both {BASE} and {FSPOOL}."
  return " ".join(
    f"Across datasets, {name}: " + _across(list(gaps.values()))
    for name, gaps in sorted(found.items())
  )


def _paired_cells(
  first: Record, second: Record, found: Paired, p: float | None
) -> dict[str, str]:
  """Returns the cells of a pair; p is corrected for the number of pairs."""
  test = found.test
  if test is None:
    why = (
      "a single fold"
      if found.repeats
      else "the splits of the two are not the same"
    )
    return _CELLS | {"finding": f"not compared: {why}"}
  ahead, behind = label(second), label(first)
  if test.difference < 0:
    ahead, behind = behind, ahead
  differ = p < LEVEL
  finding = (
    f"{ahead} is ahead of {behind}" if differ else "no significant difference"
  )
  if found.repeats < found.of:
    finding += (
      "; the splits differ in"
      f" {counted(found.of - found.repeats, 'more repeat')}"
    )
  scale = 100 if first["test"]["metric"] == "accuracy" else 1
  return {
    "repeats x folds": f"{found.repeats} x {first['protocol']['num_folds']}",
    "folds won / tied / lost by the second": (
      f"{found.wins} / {found.ties} / {found.losses}"
    ),
    "mean difference": f"{scale * test.difference:+.2f}",
    _INTERVAL: f"[{scale * test.low:+.2f}, {scale * test.high:+.2f}]",
    "p": f"{test.p:.3f}",
    "p, corrected": f"{p:.3f}",
    "finding": finding,
  }


def _across(gaps: Sequence[float]) -> str:
  ahead = sum(gap > 0 for gap in gaps)
  text = (
    f"{FSPOOL} is ahead of {BASE} on {ahead} of {counted(len(gaps), 'dataset')}"
  )
  if len(gaps) < MIN_PAIRS:
    return (
      f"{text}. Fewer than {MIN_PAIRS} datasets are too few for a test:"
      f" no outcome could have p < {LEVEL}."
    )
  ahead, of, p = map(
    published.number, ("wilcoxon_ahead", "wilcoxon_datasets", "wilcoxon_p")
  )
  return (
    f"{text}, p = {signed_rank(gaps):.3f} (the thesis reports {ahead:.0f} of"
    f" {of:.0f}, p = {p:.2f})."
  )
