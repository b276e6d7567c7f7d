"""Measures every readout for its card, which a report makes of the record."""

from __future__ import annotations

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import readouts, steps, timing
from gnn_readout.graphs import make_sets
from gnn_readout.readouts import READOUTS, make_readout, readout_class

_LARGE = "tu/REDDIT-BINARY"  # Graphs of up to 3,782 nodes.


def run(
  rounds: int = 5, data_dir: str | None = None, cache_dir: str | None = None
) -> dict[str, Any]:
  """Measures all readouts, of which a report makes the card.

  Args:
    rounds: Runs of each readout.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows` what was measured of each, in `given` and `large` on what.
  """
  given = readouts.problem(None, data_dir, cache_dir)
  large = readouts.large_problem(_LARGE, data_dir, cache_dir)
  rows = []
  for number, name in enumerate(READOUTS, start=1):
    rows.append(_measure(name, given, large, rounds))
    print(f"{number}/{len(READOUTS)} {name}", flush=True)
  return {
    "name": "readout_card",
    "given": _facts(steps.DATASET, given),
    "large": _facts(_LARGE, large),
    "rows": rows,
  }


def _facts(dataset: str, given: readouts.Problem) -> dict[str, Any]:
  """Returns what a reader has to know of the sets that are measured."""
  return {
    "dataset": dataset,
    "graphs": len(given.sizes),
    "width": given.elements.shape[1],
    "dtype": str(given.elements.dtype),
    "nodes": int(given.sizes.sum()),
    "largest": int(given.sizes.max()),
  }


def _measure(
  name: str, given: readouts.Problem, large: readouts.Problem, rounds: int
) -> dict[str, Any]:
  programs = readouts.ours(name, given)
  measured = timing.alternate(
    {"forward": programs.forward, "training": programs.training},
    rounds,
    min_seconds=0.2,
  )
  readout = readout_class(name)
  return {
    "name": name,
    "formula": readout.formula(),
    "reduces_to": readout.reduces_to,
    "reference": readout.reference(),
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
    name: Name of the readout.
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
