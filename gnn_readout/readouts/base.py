"""The contract every readout keeps.

A readout maps the elements of each set to one vector:
`readout(elements [N, D], sets, is_training) -> Aggregate`. Its result does not
depend on the order of the elements, on padding, or on the other sets of the
batch; it is finite, with a finite gradient, for empty and one-element sets.
The sets may be the nodes of graphs (a readout) or the messages that reach each
node (a local aggregation): the same code serves both.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

import haiku as hk
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets


class Aggregate(NamedTuple):
  """What a readout returns.

  Attributes:
    values: [S, D_out], one vector per set.
    aux_loss: [S], a loss of the readout's own, to be weighted and added to
      the task's; zero for most.
    diagnostics: Named scalars worth logging.
  """

  values: Array
  aux_loss: Array
  diagnostics: dict[str, Array]


class Readout(hk.Module):
  """Base of all readouts: checks the input, cleans padding, sizes the output.

  A subclass implements `aggregate`. If its natural width is not `output_size`
  a linear map follows.
  """

  def __init__(self, output_size: int | None = None, name: str | None = None):
    """Creates the readout.

    Args:
      output_size: D_out, or None for the readout's natural width.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    if output_size is not None and output_size < 1:
      raise ValueError(f"output_size must be positive, got {output_size}.")
    self._output_size = output_size

  @classmethod
  def arguments(cls) -> tuple[str, ...]:
    """Returns the names of the readout's own arguments."""
    names = inspect.signature(cls.__init__).parameters
    return tuple(n for n in names if n not in ("self", "output_size", "name"))

  @classmethod
  def data_defaults(cls, sizes: np.ndarray) -> dict[str, float]:
    """Returns arguments to be measured on the data, by name.

    Args:
      sizes: The number of elements of each training set.
    """
    del sizes
    return {}

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Array | Aggregate:
    """Returns [S, D'] or a whole Aggregate; padding elements are 0 here."""
    raise NotImplementedError

  def __call__(
    self, elements: Array, sets: Sets, is_training: bool = False
  ) -> Aggregate:
    """Aggregates each set.

    Args:
      elements: [N, D], sorted by set.
      sets: Which set each element belongs to.
      is_training: Whether this is a training step.

    Returns:
      One vector per set, its auxiliary loss, and diagnostics.

    Raises:
      ValueError: if the shapes do not fit.
    """
    check_elements(elements, sets)
    result = self.aggregate(segments.masked(elements, sets), sets, is_training)
    if not isinstance(result, Aggregate):
      zero = jnp.zeros(sets.num_segments, result.dtype)
      result = Aggregate(result, zero, {})
    size = self._output_size
    if size is not None and result.values.shape[-1] != size:
      values = hk.Linear(size, name="output")(result.values)
      result = result._replace(values=values)
    return result


def check_elements(elements: Array, sets: Sets) -> None:
  """Raises ValueError unless elements are [N, D] for the N of `sets`."""
  if elements.ndim != 2:
    raise ValueError(f"elements must have shape [N, D], got {elements.shape}.")
  if elements.shape[0] != sets.segment_ids.shape[0]:
    raise ValueError(
      f"elements has {elements.shape[0]} rows but sets describe "
      f"{sets.segment_ids.shape[0]} elements."
    )
  if not jnp.issubdtype(elements.dtype, jnp.floating):
    raise ValueError(f"elements must be real numbers, got {elements.dtype}.")
