"""Tables 5.1-5.3 and Figure 5.7 of the FSPool thesis, beside ours.

Runs that differ in nothing but the seed are one cell.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from gnn_readout.records import Record
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, Table
from gnn_readout.report.figures import fspool
from gnn_readout.report.results import published
from gnn_readout.wording import counted

# The thesis' tables, by the loss they hold.
TABLES = {
  "direct": "Direct mean squared error (table 5.1)",
  "chamfer": "Chamfer loss (table 5.2)",
  "hungarian": "Hungarian loss (table 5.3)",
}
# What differs from the variant itself, by field of the model.
_CHANGES = {
  "latent_value": (None, "latent vector always {}"),
  "temperature": (1.0, "temperature {}"),
}


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of the polygons."""
  runs = [r for r in records if r.get("problem") == "polygons"]
  scored = [record for record in runs if record["test"]]
  if not scored:
    return []
  seeds = sorted({record["seed"] for record in scored})
  commands = list(dict.fromkeys(record["command"] for record in scored))
  text = (
    "Losses of reconstructed polygons, in hundredths, on newly drawn"
    " rotations and for sets of n points: means over points and coordinates,"
    f" then over {counted(len(seeds), 'seed')}. Each run is tested at the step"
    " with the best Hungarian loss on validation, of"
    f" {counted(scored[0]['steps'], 'training step')} with batches of"
    f" {counted(scored[0]['config']['batch_size'], 'set')}. `random` is the"
    " loss of the same polygon in another rotation. The direct loss is"
    " meaningless for a decoder that does not keep the order. Commands such"
    f" as {markup.code(commands[0])} make these runs."
  )
  blocks: list[Block] = [text]
  blocks += [
    Table(f"{title}, hundredths", table(scored, metric))
    for metric, title in TABLES.items()
  ]
  blocks += _statement(scored)
  knots = _knots(scored)
  if knots:
    title = (
      "Learned weights of FSPool by rank (Figure 5.7 of the thesis), one"
      " panel per feature; the weights are initialised from a standard normal"
      " distribution, which is most of what is seen here"
    )
    drawn = fspool.rank_weights(knots)
    blocks.append(Figure("polygons_rank_weights", title, drawn))
  return blocks


def table(records: Sequence[Record], metric: str) -> list[dict[str, str]]:
  """Returns a row for each variant, and one for what the thesis has of it.

  Args:
    records: Records with a score.
    metric: A key of `TABLES`.
  """
  cells: dict[str, dict[int, list[float]]] = {}
  for record in records:
    by_size = cells.setdefault(_label(record["config"]), {})
    value = 100 * record["test"]["scores"][metric]
    by_size.setdefault(record["config"]["num_points"], []).append(value)
  sizes = sorted({size for by_size in cells.values() for size in by_size})
  rows = []
  for label in sorted(cells):
    if metric == "direct" and not label.startswith("fspool"):
      continue
    values = [cells[label].get(size) for size in sizes]
    rows.append(_row(label, "ours", sizes, [_mean(x) for x in values]))
    rows.append(_published(label, metric, sizes))
  rows.append(_published("random", metric, sizes))
  return [row for row in rows if row]


def _statement(records: Sequence[Record]) -> list[str]:
  """Returns a sentence on what the tables support, if they support one."""
  values: dict[tuple[bool, int], dict[str, list[float]]] = {}
  for record in records:
    label, size = _label(record["config"]), record["config"]["num_points"]
    if label in ("fspool,direct", "mlp,chamfer", "mlp,hungarian"):
      key = label.startswith("fspool"), size
      scores = values.setdefault(key, {}).setdefault(label, [])
      scores.append(record["test"]["value"])
  factors = []
  for (is_fspool, size), by_label in values.items():
    if is_fspool and (False, size) in values:
      worst = max(by_label["fspool,direct"])
      best = min(min(scores) for scores in values[False, size].values())
      factors.append(best / worst)
  if not factors:
    return []
  return [
    "The Hungarian loss of the worst seed of FSPool with FSUnpool is"
    f" {min(factors):,.0f} to {max(factors):,.0f} times lower than that of the"
    f" best seed of an MLP, over {counted(len(factors), 'set size')}."
  ]


def _published(
  label: str, metric: str, sizes: Sequence[int]
) -> dict[str, str] | None:
  values = [published.polygon_loss(metric, label, size) for size in sizes]
  if not any(value is not None for value in values):
    return None
  cells = ["" if x is None else f"{100 * x:.3f}" for x in values]
  return _row(label, "thesis", sizes, cells)


def _row(
  label: str, source: str, sizes: Sequence[int], cells: Sequence[str]
) -> dict[str, str]:
  columns = [f"n = {size}" for size in sizes]
  by_column = dict(zip(columns, cells, strict=True))
  return {"model, loss": label, "source": source, **by_column}


def _mean(values: Sequence[float] | None) -> str:
  if not values:
    return ""
  std = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
  return f"{statistics.fmean(values):.4f}{std}"


def _label(config: Mapping) -> str:
  """Returns such as 'mlp,chamfer', the variant and what was changed of it."""
  model = config["model"]
  fields = {**model["readout"], **model}
  label = f"{model['decoder']},{config['loss']}"
  if model["readout"]["name"] != "fspool":
    label += f",{model['readout']['name']}"
  changes = [
    text.format(f"{fields[name]:g}")
    for name, (usual, text) in _CHANGES.items()
    if fields.get(name, usual) != usual
  ]
  return "; ".join([label, *changes])


def _knots(records: Sequence[Record]) -> list[list[float]] | None:
  """Returns w [D, k] of the usual auto-encoder with the most points."""
  usual = [
    record
    for record in records
    if _label(record["config"]) == "fspool,direct"
    and record["describe"].get("fspool_knots")
  ]
  if not usual:
    return None
  return max(usual, key=lambda r: (r["config"]["num_points"], -r["seed"]))[
    "describe"
  ]["fspool_knots"]
