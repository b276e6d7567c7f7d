"""Where the tests keep compiled programs from one session to the next."""

from __future__ import annotations

import pathlib
from collections.abc import MutableMapping

from gnn_readout.runs import compiled

ROOT = pathlib.Path(__file__).parents[1]
SWITCH = "GNN_READOUT_TEST_CACHE"


def use(environment: MutableMapping[str, str]) -> None:
  """Makes JAX keep what it compiles, here and in the processes started here.

  To be called before JAX is imported. Nothing is changed if
  `GNN_READOUT_TEST_CACHE=0`, or if JAX was already told of a folder.
  Processes may share the folder: JAX compiles anew what it cannot read.

  Args:
    environment: The variables of this process.
  """
  if environment.get(SWITCH) != "0":
    compiled.use(ROOT / ".cache" / compiled.here(), environment)
