"""Table 2 of the paper: readouts on ogbg-mol*, beside the published rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gnn_readout.records import Record, metric_name
from gnn_readout.report import markup
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results import molecules, published, significance
from gnn_readout.report.results.selection import Selection, alike, select

_PAPER_DATASET = "ogbg-molpcba"

_MODELS = ("gcn", "gin", "equilibrium")
_EQUILIBRIUM = "equilibrium"
# The readouts of the table with the paper's arguments; a record of before an
# argument was there has its default, which is the paper's.
_READOUTS: dict[str, dict[str, Any]] = {
  "sum": {},
  "attention": {"num_heads": 4},
  "pna": {},
  _EQUILIBRIUM: {
    "num_steps": 15,
    "aux_weight": 1.0,
    "capacity": 1.0,
    "hidden": None,
    "adjoint": "unrolled",
    "gradient": "unrolled",  # What `adjoint` was called in older records.
    "test_num_steps": None,
  },
}
_PUBLISHED = "published (MAP)"


def make(records: Sequence[Record]) -> list[Block]:
  """Makes the section of Table 2, OGB's own models first."""
  runs = filter(molecules.is_scored, molecules.runs(records))
  entries = select(runs)
  base, ours = baselines(entries), members(entries)
  if not base and not ours:
    return []
  blocks: list[Block] = [f"{molecules.CAPTION} {significance.RULE}"]
  if base:
    rows = [_baseline_cells(entry) for entry in base]
    blocks.append(Table("OGB's own models, mean readout", rows))
    blocks.append(baseline_sentence(base))
  caption = (
    f"Table 2; the published numbers are test scores on {_PAPER_DATASET}"
  )
  return [*blocks, Table(caption, table_rows(ours)), sentence(ours)]


def baselines(entries: Iterable[Selection]) -> list[Selection]:
  """Returns the runs of models that OGB published, sorted."""
  return sorted((e for e in entries if _ogb(e)), key=_order)


def members(entries: Iterable[Selection]) -> list[Selection]:
  """Returns the runs of rows of Table 2, on any dataset, sorted."""
  return sorted((e for e in entries if _is_member(e.record)), key=_order)


def table_rows(entries: Sequence[Selection]) -> list[dict[str, str]]:
  """Returns Table 2, by column title; last, the rows of which no run is there.

  Args:
    entries: From `members`.
  """
  rows, seen = [], set()
  for entry in entries:
    model, readout = _model_readout(entry)
    seen.add((model, readout))
    rows.append({**_cells(entry), _PUBLISHED: _published(model, readout)})
  empty = dict.fromkeys(rows[0] if rows else _TITLES, "")
  for model in _MODELS:
    for readout in _READOUTS:
      level = _published(model, readout)
      if level and (model, readout) not in seen:
        names = {"message passing": model, "readout": readout}
        rows.append(empty | names | {_PUBLISHED: level})
  return rows


def sentence(entries: Sequence[Selection]) -> str:
  """Says how equilibrium compares, where only the readout differs.

  The rule is that of `significance`, with a correction for the number of
  readouts that are compared with it.

  Args:
    entries: From `members`.
  """
  said = []
  for group in alike(entries, without="model.readout"):
    equilibrium = [e for e in group if _model_readout(e)[1] == _EQUILIBRIUM]
    others = [e for e in group if e not in equilibrium]
    if equilibrium and others:
      said.append(_comparisons(equilibrium[0], others))
  return " ".join(said) or ("There is no equilibrium run to compare with.")


def baseline_sentence(entries: Sequence[Selection]) -> str:
  """Says how far OGB's models are from the published means.

  Args:
    entries: From `baselines`.
  """
  said = []
  for entry in entries:
    level, (mean, _) = _ogb(entry), markup.mean_deviation(entry.tests)
    away = (mean - level.value) / level.deviation
    dataset = entry.record["dataset"]["name"]
    said.append(f"{_model_readout(entry)[0]} on {dataset} {away:+.1f}")
  return (
    "Our mean minus the published one, divided by the published standard"
    f" deviation over seeds: {', '.join(said)}."
  )


def _comparisons(first: Selection, others: Sequence[Selection]) -> str:
  """What the test scores say, and validation if it says something else."""
  tests, valids = (
    significance.compare(
      [
        (
          significance.Result(_EQUILIBRIUM, scores(first)),
          significance.Result(_model_readout(other)[1], scores(other)),
        )
        for other in others
      ],
      first.metric,
    )
    for scores in (lambda e: e.tests, lambda e: e.valids)
  )
  clauses = []
  for test, valid in zip(tests, valids, strict=True):
    clauses.append(test.clause())
    if test.verdict != valid.verdict:
      clauses[-1] += f" (on validation: {significance.VERDICTS[valid.verdict]})"
  words = [first.record["dataset"]["name"], _model_readout(first)[0]]
  if molecules.reduced(first.record):
    words.append(molecules.reduced(first.record))
  return f"On {', '.join(words)}: {'; '.join(clauses)}."


def _is_member(record: Record) -> bool:
  readout = record["config"]["model"]["readout"]
  arguments = _READOUTS.get(readout["name"])
  return (
    arguments is not None
    and molecules.model_name(record) in _MODELS
    and all(readout.get(k, v) == v for k, v in arguments.items())
  )


def _model_readout(entry: Selection) -> tuple[str, str]:
  record = entry.record
  return molecules.model_name(record), molecules.readout_name(record)


def _ogb(entry: Selection) -> published.Published | None:
  """OGB's number for the same model, whatever its width here."""
  model, readout = _model_readout(entry)
  if readout != "mean":
    return None
  dataset = entry.record["dataset"]["name"]
  return published.find(
    dataset, model, readout, molecules.WIDTH, entry.metric, "test"
  )


def published_score(entry: Selection) -> float | None:
  """Returns the MAP of the same row of Table 2, None if it has none."""
  return _level(*_model_readout(entry))


def _level(model: str, readout: str) -> float | None:
  found = published.find(
    _PAPER_DATASET, model, readout, molecules.WIDTH, "ap", "test"
  )
  return None if found is None else found.value


def _published(model: str, readout: str) -> str:
  level = _level(model, readout)
  return "" if level is None else f"{level:.3f}"


def _cells(entry: Selection) -> dict[str, str]:
  record, (model, readout) = entry.record, _model_readout(entry)
  return {
    "dataset": record["dataset"]["name"],
    "message passing": model,
    "readout": readout,
    "reduced": molecules.reduced(record),
    "learning rate": molecules.learning_rate(entry),
    "seeds": str(len(entry.runs)),
    "metric": metric_name(entry.metric),
    "valid": markup.plus_minus(*markup.mean_deviation(entry.valids)),
    "test": markup.plus_minus(*markup.mean_deviation(entry.tests)),
  }


_TITLES = (
  "dataset", "message passing", "readout", "reduced", "learning rate", "seeds",
  "metric", "valid", "test", _PUBLISHED,
)  # fmt: skip


def _baseline_cells(entry: Selection) -> dict[str, str]:
  level = _ogb(entry)
  cells = _cells(entry)
  del cells["readout"]
  shown = markup.plus_minus(level.value, level.deviation)
  return {**cells, "published": f"{shown} ({level.source})"}


def _order(entry: Selection) -> tuple[Any, ...]:
  record, (model, readout) = entry.record, _model_readout(entry)
  known, models = list(_READOUTS), list(_MODELS)
  return (
    record["dataset"]["name"],
    models.index(model) if model in models else len(models),
    model,
    -record["config"]["model"]["message_passing"]["width"],
    -record["epochs"],
    known.index(readout) if readout in known else len(known),
    record["command"],
  )
