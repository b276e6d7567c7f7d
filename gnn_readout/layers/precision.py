"""Linear layers in half precision, parameters and all else in single."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import haiku as hk
import jmp

from gnn_readout.layers.mlp import Linear

_POLICY = "params=float32,compute=bfloat16,output=float32"


@contextlib.contextmanager
def of_linear_layers(precision: str) -> Iterator[None]:
  """Says how the linear layers that are traced in the block compute.

  With 'bfloat16' they round inputs and parameters to it, and return float32.
  Parameters, their gradients, sums over nodes, statistics and losses stay in
  float32, and so do products that other modules make themselves: those of
  attention, of the potential of Equilibrium Aggregation, and the first layer of
  every block of `gin_blocks`.

  Args:
    precision: 'float32', which changes nothing, or 'bfloat16'.
  """
  with contextlib.ExitStack() as stack:
    if precision != "float32":
      policy = jmp.get_policy(_POLICY)
      for kind in (hk.Linear, Linear):
        stack.enter_context(hk.mixed_precision.push_policy(kind, policy))
    yield
