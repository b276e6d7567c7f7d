"""What `import gnn_readout` gives, as README has it."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys
import gnn_readout
assert "jax" not in sys.modules  # It costs nothing until it is used.
import jax.numpy as jnp
result = gnn_readout.minimise(
  lambda y: ((y - 3) ** 2).sum(axis=1), jnp.zeros((2, 4)), learning_rate=0.1,
  momentum=0.5, num_steps=50,
)
assert abs(result.y - 3).max() < 1e-2, result.y
import gnn_readout.readouts  # Which imports the module of the function.
assert callable(gnn_readout.minimise)
from gnn_readout import minimise
assert minimise is gnn_readout.minimise
for name in gnn_readout.__all__:
  assert getattr(gnn_readout, name) and name in dir(gnn_readout), name
try:
  gnn_readout.minimize
except AttributeError as error:
  print(error)
"""


def test_names_of_the_package():
  done = subprocess.run(
    [sys.executable, "-c", _CODE], capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout == ("module 'gnn_readout' has no attribute 'minimize'\n")
