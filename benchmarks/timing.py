"""Measuring two programs fairly: in one process, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich
from rich.table import Table
from rich.text import Text


class Measurement(NamedTuple):
  """Items per second.

  Attributes:
    median: Median of the runs.
    iqr: Their interquartile range.
    runs: One rate per round.
  """

  median: float
  iqr: float
  runs: list[float]


def alternate(
  functions: Mapping[str, Callable[[], int]],
  rounds: int = 5,
  min_seconds: float = 1.0,
) -> dict[str, Measurement]:
  """Measures functions in turns, so that a slow spell hits all of them.

  Args:
    functions: Each does some work and returns how many items that was. It is
      called once before measuring, so compilation does not count. Work that
      outlives the call, such as on a device, must be waited for inside.
    rounds: Runs of each function.
    min_seconds: A run repeats its function for at least so long.

  Returns:
    Items per second, by name.
  """
  for function in functions.values():
    function()
  rates = {name: [] for name in functions}
  for _ in range(rounds):
    for name, function in functions.items():
      items, start, seconds = 0, time.perf_counter(), 0.0
      while seconds < min_seconds:
        items += function()
        seconds = time.perf_counter() - start
      rates[name].append(items / seconds)
  result = {}
  for name, runs in rates.items():
    low, median, high = np.percentile(runs, [25, 50, 75]).tolist()
    result[name] = Measurement(median, high - low, runs)
  return result


def compare(
  name: str,
  measured: Mapping[str, Measurement],
  unit: str = "graphs/s",
  peer: str = "peer",
  against: str = "",
) -> dict[str, Any]:
  """Returns the record of a measurement of 'ours' and a peer.

  Args:
    name: What was measured.
    measured: From `alternate`.
    unit: Unit of the rates.
    peer: The peer's key in `measured`.
    against: What the peer is called; by default its key.

  Returns:
    `name`, `unit`, `against`, the medians `ours` and `peer`, their `ratio`, and
    by name both `iqr` and `runs`.
  """
  ours, other = measured["ours"], measured[peer]
  alone = without_peer(name, measured, unit)
  return {
    **alone,
    "against": against or peer,
    "peer": other.median,
    "ratio": ours.median / other.median,
    "iqr": {**alone["iqr"], "peer": other.iqr},
    "runs": {**alone["runs"], "peer": other.runs},
  }


def without_peer(
  name: str, measured: Mapping[str, Measurement], unit: str = "graphs/s"
) -> dict[str, Any]:
  """Returns what `compare` does where there is only 'ours'."""
  ours = measured["ours"]
  return {
    "name": name,
    "unit": unit,
    "ours": ours.median,
    "iqr": {"ours": ours.iqr},
    "runs": {"ours": ours.runs},
  }


def compare_all(
  name: str,
  measured: Mapping[str, Measurement],
  lacking: Mapping[str, str],
  unit: str = "graphs/s",
) -> list[dict[str, Any]]:
  """Returns a row of `compare` for each peer.

  Args:
    name: What was measured.
    measured: From `alternate`: 'ours' and any number of peers.
    lacking: Reasons, by peer that could not be measured. The row of such a peer
      has `unavailable` instead of `peer` and `ratio`.
    unit: Unit of the rates.
  """
  peers = [peer for peer in measured if peer != "ours"]
  rows = [compare(name, measured, unit, peer) for peer in peers]
  alone = without_peer(name, measured, unit)
  return rows + [
    {**alone, "against": peer, "unavailable": reason}
    for peer, reason in lacking.items()
  ]


def matrix_rate(rows: int, inner: int, columns: int) -> float:
  """Returns GFLOP/s of float32 products [R, I] [I, C] by themselves."""
  product = jax.jit(lambda x, w: x @ w)
  x = jnp.ones((rows, inner), jnp.float32)
  w = jnp.ones((inner, columns), jnp.float32)

  def some() -> int:
    for _ in range(100):
      result = product(x, w)
    result.block_until_ready()
    return 100

  rate = alternate({"products": some}, rounds=3, min_seconds=0.2)["products"]
  return 2 * rows * inner * columns * rate.median / 1e9


def print_compared(title: str, records: Sequence[Mapping[str, Any]]) -> None:
  """Prints records of `compare` as a table, a row each."""
  rows = [
    [
      record["name"],
      f"{record['ours']:,.0f} ± {record['iqr']['ours']:,.0f}",
      record["against"],
      *_of_peer(record),
    ]
    for record in records
  ]
  unit = records[0]["unit"]
  heads = ["", f"ours, {unit}", "against", f"peer, {unit}", "ratio"]
  print_table(title, heads, rows)
  reasons = {r["against"]: r["unavailable"] for r in records if _lacks(r)}
  for peer, reason in reasons.items():
    rich.print(Text(f"{peer}: {reason}"))


def _lacks(record: Mapping[str, Any]) -> bool:
  return "unavailable" in record


def _of_peer(record: Mapping[str, Any]) -> list[str]:
  if _lacks(record):
    return ["not measured", ""]
  return [
    f"{record['peer']:,.0f} ± {record['iqr']['peer']:,.0f}",
    f"{record['ratio']:.2f}x",
  ]


def print_table(
  title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
  """Prints a table with the first column to the left, the others right."""
  table = Table()
  for i, column in enumerate(columns):
    table.add_column(Text(column), justify="right" if i else "left")
  for row in rows:
    table.add_row(*map(Text, row))
  rich.print(Text(title), table, sep="\n")
