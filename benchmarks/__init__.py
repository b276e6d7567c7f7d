"""Benchmarks: the speed of one part of the project against a peer.

A benchmark is a row of `BENCHMARKS` and a module of its name with a function
`run`, whose arguments are the flags that it takes; it returns a mapping whose
`rows` say what was measured. `timing` measures sides in turns, `steps` makes
what all train on, `peers` holds the other sides, `load` looks for other
programs on the machine, and `recording` writes the record. They may import
all of `gnn_readout`, which imports none of them.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gnn_readout.errors import suggest

BENCHMARKS = {
  "all": "every figure of speed of which there is to be a record",
  "data": "converting, opening, batching and scoring a dataset",
  "devices": "a training step on one device, against one for each CPU core",
  "inner_steps": "what the inner steps of equilibrium aggregation cost",
  "population": "members trained together, against one after another",
  "profile": "the dearest operations of a training step of a config",
  "readout": "a training step with one readout, against its peers",
  "readout_card": "every readout by itself: time, memory and what it keeps",
  "readouts": "every readout by itself, against PyTorch Geometric's",
  "sets": "a training step of DSPN or PO-U, against the authors' layout",
  "train": "a training step of a config, against peers or another readout",
}


def run(
  words: Sequence[str], values: Mapping[str, Any], given: Collection[str]
) -> dict[str, Any]:
  """Runs a benchmark and returns what it measured.

  Args:
    words: Its name, and that of the readout if it is about one.
    values: Values of all flags that a benchmark may take.
    given: The flags that were given.

  Raises:
    ValueError: If there is no such benchmark, or it takes no such flag.
  """
  name, *subject = words or ["none"]
  if name not in BENCHMARKS:
    raise ValueError(f"unknown benchmark {name!r}.{suggest(name, BENCHMARKS)}")
  function = importlib.import_module(f"benchmarks.{name}").run
  taken = inspect.signature(function).parameters
  if len(subject) != ("readout" in taken):
    wants = "the name of a readout" if "readout" in taken else "no argument"
    got = " ".join(subject) or "none"
    raise ValueError(f"benchmark {name!r} takes {wants}, got {got}.")
  for flag in sorted(given):
    if flag not in taken:
      raise ValueError(f"benchmark {name!r} takes no --{flag}.")
  values = {**values, **dict.fromkeys(["readout"], *subject)}
  return function(**{k: v for k, v in values.items() if k in taken})
