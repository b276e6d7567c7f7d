"""Which data a run was made on, and whether those at hand are the same.

What identifies a dataset, its facts, stands in every checkpoint and in every
record. Whoever resumes a run, calls it complete, evaluates it or compares
it with another one checks them against the dataset that is there now.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gnn_readout.data.store import GRAPH_COLUMNS, GraphStore, Schema
from gnn_readout.wording import counted

Facts = Mapping[str, Any]

# How a message calls what a checksum of the facts is of.
_PARTS = {
  "graphs": "the nodes, edges or features of some graphs differ",
  "labels": "some labels differ",
  "splits": "train, valid or test hold different graphs",
}
_MOST_NAMED = 6


def facts(store: GraphStore) -> dict[str, Any]:
  """Returns what identifies a dataset, as plain values.

  Args:
    store: The dataset; without splits their sizes are left out.

  Returns:
    `name`, `num_graphs`, and `num_SPLIT` of every split; `task_names`;
    `description`, how the source was understood; `parts`, a checksum of
    the graphs, of the labels and of the splits; and `fingerprint`, one of all
    that. The name and the description do not count when datasets are compared.
  """
  splits = store.splits.values()
  graphs = _checksum(getattr(store, name) for name in GRAPH_COLUMNS)
  return {
    "name": store.schema.name,
    "num_graphs": store.num_graphs,
    **{f"num_{name}": len(split) for name, split in store.splits.items()},
    "task_names": list(store.schema.task_names),
    "description": store.describe(),
    "parts": {
      "graphs": f"{graphs:08x}",
      "labels": f"{_checksum([store.labels]):08x}",
      "splits": f"{_checksum(splits):08x}",
    },
    "fingerprint": f"{_checksum([store.labels, *splits], graphs):08x}",
  }


def differences(
  there: Facts, here: Facts, places: tuple[str, str] = ("there", "here")
) -> list[str]:
  """Says in which way two datasets differ; nothing if they do not.

  Args:
    there: The facts of a run's dataset; those of an early one may lack all but
      the fingerprint.
    here: The facts of the dataset at hand.
    places: How the two are called.
  """

  def both(first: str, second: str) -> str:
    return f"{first} {places[0]}, {second} {places[1]}"

  words = []
  for name, now in here.items():
    if name.startswith("num_") and there.get(name, now) != now:
      split = name.removeprefix("num_")
      of_split = "" if split == "graphs" else f"{split}: "
      words.append(
        of_split + both(f"{counted(there[name], 'graph')}", f"{now:,}")
      )
  names, now = there.get("task_names"), here["task_names"]
  if names is not None and names != now:
    words.append(f"tasks: {both(_listed(names), _listed(now))}")
  if there["fingerprint"] == here["fingerprint"]:
    return words
  if not words:
    parts = there.get("parts", {})
    words = [
      _PARTS[part]
      for part, now in here["parts"].items()
      if parts.get(part, now) != now
    ]
  prints = (known["fingerprint"] for known in (there, here))
  return [*words, f"fingerprint: {both(*prints)}"]


def without_splits(known: Facts) -> Facts:
  """Returns the facts of a dataset but for what train, valid and test are.

  Args:
    known: As `facts` returns them; those of an early run stay as they are.
  """
  if "parts" not in known:
    return known
  parts = {part: known["parts"][part] for part in ("graphs", "labels")}
  names = ("name", "num_graphs", "task_names", "description")
  return {
    **{name: known[name] for name in names},
    "parts": parts,
    "fingerprint": "-".join(parts.values()),
  }


def feature_difference(there: Schema, here: Schema) -> str:
  """Says how the features of two datasets differ, '' if they do not."""
  for kind in ("node", "edge"):
    tables = [getattr(schema, f"{kind}_sizes") for schema in (there, here)]
    if tables[0] != tables[1]:
      columns = [
        f"column {column} has {counted(old, 'row')} there and {now} here"
        for column, (old, now) in enumerate(zip(*tables, strict=False))
        if old != now
      ]
      columns = columns or [
        f"{counted(len(tables[0]), 'column')} there, {len(tables[1])} here"
      ]
      return (
        f"different {kind} feature tables: {counted(sum(tables[0]), 'row')} in"
        f" all there, {sum(tables[1])} here ({'; '.join(columns)})"
      )
    old, now = (getattr(schema, f"{kind}_dim") for schema in (there, here))
    if old != now:
      return f"another dataset: {kind}_dim is {old} there and {now} here"
  return ""


def of_checkpoint(meta: Mapping[str, Any]) -> list[Facts | None]:
  """Returns the facts of every member's dataset from a checkpoint's document.

  Args:
    meta: The document; an early one has nothing but fingerprints.
  """
  if "datasets" in meta:
    return meta["datasets"]
  prints = meta.get("fingerprints", [])
  return [{"fingerprint": x} if x else None for x in prints]


def check(
  where: str, there: Facts | None, here: Facts | None, remedy: str
) -> None:
  """Raises ValueError unless a run's data are those at hand.

  Args:
    where: What the message begins with, such as a file.
    there: The facts of the run's dataset; None if it draws its examples.
    here: Facts of the dataset at hand, or None likewise.
    remedy: What would be right.
  """
  if there is None or here is None:
    return
  if differ := differences(there, here):
    raise ValueError(
      f"{where} was made with data that differ from those of {here['name']!r}"
      f" now: {'; '.join(differ)}. {remedy}"
    )


def _checksum(columns: Iterable[np.ndarray], start: int = 0) -> int:
  for column in columns:
    start = zlib.crc32(np.ascontiguousarray(column).data, start)
  return start


def _listed(names: list[str]) -> str:
  shown = ", ".join(names[:_MOST_NAMED])
  more = len(names) - _MOST_NAMED
  return f"{shown} and {more} more" if more > 0 else shown
