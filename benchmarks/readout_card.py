"""The card of every readout: what it is, what it costs, what was checked."""

from __future__ import annotations

import json
import os
import pathlib
import platform
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import readouts, timing
from gnn_readout import files
from gnn_readout.graphs import make_sets
from gnn_readout.readouts import READOUTS, make_readout, readout_class

_TOLERANCE = 1e-3  # Of float32 values, relative to the largest.
_LARGE = "tu/REDDIT-BINARY"  # Graphs of up to 3,782 nodes.
_TITLE = "# Readouts"


def write(
  results_dir: str | os.PathLike[str],
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> None:
  """Measures all readouts, prints the table, writes readouts.md.

  Args:
    results_dir: Takes readouts.md and readouts.json.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: Likewise.
  """
  given = readouts.problem(None, data_dir, cache_dir)
  large = readouts.large_problem(_LARGE, data_dir, cache_dir)
  rows = []
  for number, name in enumerate(READOUTS, start=1):
    rows.append(_measure(name, given, large))
    print(f"{number}/{len(READOUTS)} {name}", flush=True)
  base = next(row for row in rows if row["name"] == "sum")
  for row in rows:
    for kind in ("forward", "training"):
      row[f"{kind}_relative"] = row[kind] / base[kind]
  facts = {
    "hardware": _hardware(),
    "jax": jax.__version__,
    "large_nodes": int(large.sizes.sum()),
    "large_largest": int(large.sizes.max()),
    "rows": rows,
  }
  results_dir = pathlib.Path(results_dir)
  text = json.dumps(facts, indent=1)
  files.atomic_write_text(results_dir / "readouts.json", text + "\n")
  files.atomic_write_text(results_dir / "readouts.md", markdown(facts))
  timing.print_table(
    "Readouts, 300 wide, relative to sum",
    ["", "parameters", "forward", "gradient", "MiB", "large, MiB", "checked"],
    [
      [
        row["name"],
        f"{row['parameters']:,}",
        f"{row['forward_relative']:.1f}",
        f"{row['training_relative']:.1f}",
        f"{row['mebibytes']:.0f}",
        f"{row['large_mebibytes']:.0f}",
        ", ".join(k for k, v in row["deviations"].items() if v < _TOLERANCE),
      ]
      for row in rows
    ],
  )


def render(results_dir: str | os.PathLike[str]) -> None:
  """Writes readouts.md again from readouts.json, if that is there.

  Args:
    results_dir: Holds readouts.json.

  Raises:
    ValueError: If it lacks a field.
  """
  path = pathlib.Path(results_dir, "readouts.json")
  if not path.exists():
    return
  try:
    text = markdown(json.loads(path.read_text()))
  except KeyError as error:
    raise ValueError(
      f"{path}: field {error} is missing; measure again:"
      " python -m launch.report readouts"
    ) from error
  files.atomic_write_text(path.with_suffix(".md"), text)


def markdown(facts: dict[str, Any]) -> str:
  """Returns readouts.md."""
  rows = facts["rows"]
  base = next(row for row in rows if row["name"] == "sum")
  lines = [
    _TITLE,
    "",
    "Every readout of the table `READOUTS`, by itself: 256 molecules of"
    " ogbg-molhiv, 300 wide, float32, default arguments. Times are relative to"
    f" `sum`, which takes {base['forward']:.1f} µs forward and"
    f" {base['training']:.1f} µs for the gradient per molecule on"
    f" {facts['hardware']}, jax {facts['jax']}; memory is what the gradient"
    " needs besides its arguments and results, and 'large' the same for 32"
    f" graphs of REDDIT-BINARY, 64 wide, {facts['large_nodes']:,} nodes in all"
    f" and {facts['large_largest']:,} in the largest: no readout lays sets out"
    " side by side. Checked: the values stay the"
    " same, to 1e-3 of the largest in float32, when the elements of a set"
    " change places (order), when a set is alone in its batch (company), and"
    " when there is more padding, filled with NaN (padding). The contract tests"
    " check the same and more in float64. Made by"
    " `python -m launch.report readouts`.",
    "",
    "| readout | formula | parameters | forward | gradient | MiB | large, MiB |"
    " checked | reduces to | reference |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |",
  ]
  for row in rows:
    checked = [k for k, v in row["deviations"].items() if v < _TOLERANCE]
    cells = [
      f"`{row['name']}`",
      row["formula"],
      f"{row['parameters']:,}",
      f"{row['forward_relative']:.1f}",
      f"{row['training_relative']:.1f}",
      f"{row['mebibytes']:.0f}",
      f"{row['large_mebibytes']:.0f}",
      ", ".join(checked),
      row["reduces_to"],
      row["reference"],
    ]
    cells = [cell.replace("|", "\\|") for cell in cells]
    lines.append(f"| {' | '.join(cells)} |")
  return "\n".join(lines) + "\n"


def _measure(
  name: str, given: readouts.Problem, large: readouts.Problem
) -> dict[str, Any]:
  programs = readouts.ours(name, given)
  measured = timing.alternate(
    {"forward": programs.forward, "training": programs.training},
    rounds=3,
    min_seconds=0.2,
  )
  readout = readout_class(name)
  return {
    "name": name,
    "formula": readout.formula(),
    "reference": readout.reference(),
    "reduces_to": readout.reduces_to,
    "parameters": programs.num_parameters,
    "mebibytes": programs.mebibytes,
    "large_mebibytes": readouts.ours(name, large).mebibytes,
    "deviations": deviations(name, given),
    **{kind: 1e6 / rate.median for kind, rate in measured.items()},
  }


def deviations(
  name: str, given: readouts.Problem, num_sets: int = 16
) -> dict[str, float]:
  """Returns how far the values move, relative to the largest.

  Args:
    name: Of the readout.
    given: Where the sets come from.
    num_sets: How many of them.

  Returns:
    By what is changed: 'order', 'company', 'padding'.
  """
  sizes = np.asarray(given.sizes[:num_sets])
  elements = given.elements[: sizes.sum()]
  width = elements.shape[1]
  transformed = hk.transform(
    lambda elements, sets: (
      make_readout(name, output_size=width)(elements, sets).values
    )
  )
  sets = make_sets(sizes, len(elements))
  params = jax.jit(transformed.init)(jax.random.key(0), elements, sets)
  apply = jax.jit(lambda x, sets: transformed.apply(params, None, x, sets))
  expected = np.asarray(apply(elements, sets))
  rng = np.random.default_rng(0)
  starts = np.cumsum(sizes) - sizes
  order = np.concatenate(
    [a + rng.permutation(n) for a, n in zip(starts, sizes, strict=True)]
  )
  alone = np.zeros_like(elements)
  alone[: sizes[0]] = elements[: sizes[0]]
  only = np.where(np.arange(num_sets) == 0, sizes, 0)
  padded = np.full((len(elements) + 13, width), np.nan, np.float32)
  padded[: len(elements)] = elements
  results = {
    "order": apply(elements[order], sets) - expected,
    "company": apply(alone, make_sets(only, len(alone)))[0] - expected[0],
    "padding": apply(padded, make_sets(sizes, len(padded))) - expected,
  }
  largest = np.abs(expected).max()
  return {k: float(jnp.abs(v).max() / largest) for k, v in results.items()}


def _hardware() -> str:
  if jax.default_backend() != "cpu":
    return jax.devices()[0].device_kind
  return f"{os.cpu_count()} cores of a {platform.machine()} CPU"
