"""Tables E.1 to E.4 of the supplement, beside the published rows.

Runs belong together if they differ in nothing but what is ablated, the learning
rate and the seed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gnn_readout.records import Record, field, metric_name
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Figure, Table
from gnn_readout.report.figures import ablations as figures
from gnn_readout.report.results import molecules, published, significance
from gnn_readout.report.results.selection import Selection, alike, select
from gnn_readout.wording import counted

SWEEP = (
  "python -m launch.sweep --sweep=configs/molpcba.py:{} --workdir=DIR"
  " --records=results/records"
)
_EQUILIBRIUM = "equilibrium"
_PAPER_DATASET = "ogbg-molpcba"
_PAPER_STEPS = published.number("time_steps")  # Of training, in table E.2.


class Ablation(NamedTuple):
  """A table in which one field of the readout varies.

  Attributes:
    table: Its name.
    what: What varies.
    field: Field of the config.
    setting: What `published` and a reader call a value of it.
    sweep: The function of configs/molpcba.py that yields the runs.
    width: What is not reduced, None if it is smaller on purpose.
  """

  table: str
  what: str
  field: str
  setting: Callable[[float], str]
  sweep: str
  width: int | None = molecules.WIDTH


_WEIGHTS = {1e-4: "1e-4", 1e-3: "1e-3", 1e-2: "1e-2", 1e-1: "1e-1", 1.0: "1"}

ABLATIONS = (
  Ablation(
    "E.1",
    "inner steps",
    "model.readout.num_steps",
    lambda steps: counted(steps, "step"),
    "ablation_steps",
  ),
  Ablation(
    "E.3",
    "weight of the auxiliary loss",
    "model.readout.aux_weight",
    lambda weight: f"weight {_WEIGHTS.get(weight, weight)}",
    "ablation_aux",
  ),
  Ablation(
    "E.4",
    "capacity of the potential",
    "model.readout.capacity",
    lambda capacity: f"{capacity:.0%}",
    "ablation_capacity",
    width=None,
  ),
)


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of tables E.1 to E.4."""
  entries = select(molecules.runs(records))
  scored = [entry for entry in entries if molecules.is_scored(entry.record)]
  found = {ablation.table: groups(scored, ablation) for ablation in ABLATIONS}
  times = time_groups(entries)
  if not any(found.values()) and not times:
    return []
  made = {a.table: _blocks(a, found[a.table]) for a in ABLATIONS}
  if found["E.1"]:
    drawn = figures.inner_steps(_lines(found["E.1"]), _published_line())
    caption = (
      "Validation score against the number of inner steps of Equilibrium"
      " Aggregation: our runs above; below, table E.1 of the paper, which has"
      " another dataset and another metric"
    )
    made["E.1"].append(Figure("inner_steps", caption, drawn))
  made["E.2"] = _time_blocks(times)
  intro = (
    f"The paper reports validation scores. {molecules.CAPTION}"
    f" {significance.RULE} In each table the largest value is compared with"
    " the smallest."
  )
  return [intro, *(block for table in sorted(made) for block in made[table])]


def groups(
  entries: Sequence[Selection], ablation: Ablation
) -> list[dict[float, Selection]]:
  """Returns the runs of an ablation that belong together.

  Args:
    entries: From `select`.
    ablation: A row of `ABLATIONS`.

  Returns:
    Groups of at least two, by value, sorted by it.
  """
  varied = [
    entry
    for entry in sorted(entries, key=_order)
    if _readout(entry) == _EQUILIBRIUM and _value(entry, ablation) is not None
  ]
  found = [
    {_value(entry, ablation): entry for entry in group}
    for group in alike(varied, without=ablation.field)
  ]
  return [dict(sorted(group.items())) for group in found if len(group) > 1]


def table_rows(
  ablation: Ablation, its_groups: Sequence[dict[float, Selection]]
) -> list[dict[str, str]]:
  """Returns a table, by column title; last, what has no run.

  Args:
    ablation: A row of `ABLATIONS`.
    its_groups: From `groups`.
  """
  levels = published_scores(ablation.table)
  title = "published (MAP)"
  rows, seen = [], set()
  for value, entry in (item for g in its_groups for item in g.items()):
    record, model = entry.record, molecules.model_name(entry.record)
    key = (model, ablation.setting(value))
    seen.add(key)
    rows.append(
      {
        "dataset": record["dataset"]["name"],
        "message passing": model,
        ablation.what: ablation.setting(value),
        "reduced": molecules.reduced(record, ablation.width),
        "learning rate": molecules.learning_rate(entry),
        "seeds": str(len(entry.runs)),
        "metric": metric_name(entry.metric),
        "valid": markup.plus_minus(*markup.mean_deviation(entry.valids)),
        "test": markup.plus_minus(*markup.mean_deviation(entry.tests)),
        title: f"{levels[key]:.3f}" if key in levels else "",
      }
    )
  titles = rows[0] if rows else ("message passing", ablation.what, title)
  for (model, setting), value in levels.items():
    if (model, setting) not in seen:
      names = {"message passing": model, ablation.what: setting}
      shown = {title: f"{value:.3f}"}
      rows.append(dict.fromkeys(titles, "") | names | shown)
  return rows


def sentence(
  ablation: Ablation, its_groups: Sequence[dict[float, Selection]]
) -> str:
  """Says how the largest value compares with the smallest, on validation.

  Of all pairs it is the one that is chosen without a look at the scores. The
  rule is that of `significance`.

  Args:
    ablation: A row of `ABLATIONS`.
    its_groups: From `groups`.
  """
  said = []
  for group in its_groups:
    small, *_, large = group
    entry = group[large]
    pair = (
      significance.Result(
        f"the model with {ablation.setting(large)}", entry.valids
      ),
      significance.Result(
        f"the one with {ablation.setting(small)}", group[small].valids
      ),
    )
    (compared,) = significance.compare([pair], entry.metric)
    words = [
      entry.record["dataset"]["name"],
      molecules.model_name(entry.record),
    ]
    said.append(f"On {', '.join(words)}, validation: {compared.clause()}.")
  return " ".join(said) or _no_runs(ablation.sweep)


def time_groups(entries: Sequence[Selection]) -> list[list[Selection]]:
  """Returns the runs of table E.2 that belong together.

  They have the paper's batches and differ in the readout alone: sum, and
  equilibrium with some numbers of steps.

  Args:
    entries: From `select`.
  """
  timed = [
    entry
    for entry in sorted(entries, key=_order)
    if field(entry.record, "batching.mode") == "paper"
    and _readout(entry) in ("sum", _EQUILIBRIUM)
  ]
  return [
    sorted(group, key=_steps)
    for group in alike(timed, without="model.readout")
    if {_readout(entry) for entry in group} == {"sum", _EQUILIBRIUM}
  ]


def time_rows(
  its_groups: Sequence[Sequence[Selection]],
) -> list[dict[str, str]]:
  """Returns table E.2, by column title; last, what has no run.

  Args:
    its_groups: From `time_groups`.
  """
  levels = published.training_hours()
  rows, seen = [], set()
  for group in its_groups:
    base = _hours(group[0])
    for entry in group:
      record, key = entry.record, (_readout(entry), _steps(entry))
      seen.add(key)
      rows.append(
        {
          "dataset": record["dataset"]["name"],
          "message passing": molecules.model_name(record),
          "readout": key[0],
          "inner steps": str(key[1] or ""),
          "hardware": str(record["hardware"].get("device", "")),
          "hours": f"{_hours(entry):.1f}",
          "relative to sum": f"{_hours(entry) / base:.2f}",
          **_hour_cells(levels, key),
        }
      )
  titles = rows[0] if rows else ("readout", "inner steps")
  for key in levels:
    if key not in seen:
      names = {"readout": key[0], "inner steps": str(key[1] or "")}
      cells = _hour_cells(levels, key)
      rows.append(dict.fromkeys(titles, "") | names | cells)
  return rows


def _blocks(
  ablation: Ablation, its_groups: Sequence[dict[float, Selection]]
) -> list[Block]:
  caption = (
    f"Table {ablation.table}: {ablation.what}; the published numbers are"
    f" validation scores on {_PAPER_DATASET}"
  )
  rows = table_rows(ablation, its_groups)
  return [Table(caption, rows), sentence(ablation, its_groups)]


def _time_blocks(its_groups: Sequence[Sequence[Selection]]) -> list[Block]:
  caption = f"Table E.2: hours of training for {_PAPER_STEPS:,.0f} steps"
  table = Table(caption, time_rows(its_groups))
  if not its_groups:
    return [table, _no_runs("ablation_time")]
  said = []
  for group in its_groups:
    last = group[-1]
    said.append(
      f"On {last.record['dataset']['name']}, a training step with"
      f" {counted(_steps(last), 'inner step')} takes"
      f" {_hours(last) / _hours(group[0]):.1f} times as long as one of the sum"
      " readout."
    )
  return [table, " ".join(said)]


def _no_runs(sweep: str) -> str:
  return (
    "There are no runs of ours yet; this command makes them:"
    f" `{SWEEP.format(sweep)}`"
  )


def published_scores(table: str) -> dict[tuple[str, str], float]:
  """Returns the paper's validation scores, by message passing and setting.

  Args:
    table: Number of the table, such as 'E.1'.
  """
  return {
    (row.model, row.setting): row.value
    for row in published.molecules()
    if row.source == f"Bartunov et al. 2022, {table}"
  }


def _hour_cells(
  levels: dict[tuple[str, int], float], key: tuple[str, int]
) -> dict[str, str]:
  hours = levels.get(key)
  return {
    "published hours": "" if hours is None else f"{hours:.1f}",
    "published, relative to sum": (
      "" if hours is None else f"{hours / levels['sum', 0]:.2f}"
    ),
  }


def _lines(
  its_groups: Sequence[dict[float, Selection]],
) -> list[figures.Line]:
  """Ours, for the figure of E.1."""
  lines = []
  for group in its_groups:
    entry = next(iter(group.values()))
    metric = metric_name(entry.metric)
    name = (
      f"{entry.record['dataset']['name']}, {molecules.model_name(entry.record)}"
    )
    points = {
      steps: markup.mean_deviation(e.valids) for steps, e in group.items()
    }
    lines.append(figures.Line(name, metric, points))
  return lines


def _published_line() -> figures.Line:
  points = {
    int(setting.split()[0]): (value, None)
    for (_, setting), value in published_scores("E.1").items()
  }
  return figures.Line(f"{_PAPER_DATASET}, gcn, published", "MAP", points)


def _readout(entry: Selection) -> str:
  return molecules.readout_name(entry.record)


def _value(entry: Selection, ablation: Ablation) -> float | None:
  return field(entry.record, ablation.field)


def _steps(entry: Selection) -> int:
  return field(entry.record, "model.readout.num_steps") or 0


def _hours(entry: Selection) -> float:
  rate = statistics.fmean(run["steps_per_second"] for run in entry.runs)
  return _PAPER_STEPS / rate / 3600


def _order(entry: Selection) -> tuple[Any, ...]:
  record = entry.record
  return (
    record["dataset"]["name"],
    molecules.model_name(record),
    -record["config"]["model"]["message_passing"]["width"],
    -record["epochs"],
    record["command"],
  )
