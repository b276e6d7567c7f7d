"""The contract every readout keeps.

A readout maps the elements of each set to one vector:
`readout(elements [N, D], sets, is_training) -> Aggregate`. Its result does not
depend on the order of the elements, on padding, or on the other sets of the
batch; it is finite, with a finite gradient, for empty and one-element sets.
An element that is infinite or NaN shows in its own set and in no other.
The sets may be the nodes of graphs (a readout) or the messages that reach each
node (a local aggregation): the same code serves both.
"""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

import haiku as hk
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout import segments, signatures
from gnn_readout.graphs import Sets
from gnn_readout.wording import counted

# In the order of the tables that are made of them. Those of sequences depend on
# the order of the elements, those of graphs look at their edges.
FAMILIES = (
  "moments",
  "learned means",
  "order statistics",
  "attention",
  "networks",
  "optimisation",
  "combinations",
  "sequences",
  "graphs",
)


class Aggregate(NamedTuple):
  """What a readout returns.

  Attributes:
    values: [S, D_out], one vector per set.
    aux_loss: [S], a loss of the readout's own, to be weighted and added to
      the task's; zero for most.
    diagnostics: Named scalars worth logging.
    weights: [N, H], how much each element counts in its set, for each of H
      heads or features; 0 for padding. None where the readout has no such
      weights. Where nothing reads them they are not computed.
  """

  values: Array
  aux_loss: Array
  diagnostics: dict[str, Array]
  weights: Array | None = None


class Readout(hk.Module):
  """Base of all readouts: checks the input, cleans padding, sizes the output.

  A subclass implements `aggregate`. If its natural width is not `output_size`
  a linear map follows. What else is known of a readout it says itself: its
  formula is the first paragraph of its docstring, the paper the one that starts
  with "Reference:", and the arguments of `__init__` are fields of a config.

  Attributes:
    family: One of `FAMILIES`.
    reduces_to: What it becomes for special parameters or arguments, in words;
      its test has these limits.
    carries_faults: Whether the arithmetic of `aggregate` itself takes an
      element that is infinite or NaN into the values of its set and of no
      other. If not, such elements are taken out before, and the values of
      their set are NaN.
    weighs: Whether it returns weights of the elements.
    columnwise: Whether it has no parameters, and each column of its values is
      made of that column of the elements alone. What is side by side can then
      be pooled apart.
  """

  family: str
  reduces_to: str = ""
  carries_faults: bool = False
  weighs: bool = False
  columnwise: bool = False

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
  def arguments(cls) -> dict[str, signatures.Argument]:
    """Returns the readout's own arguments, by name."""
    return signatures.arguments(cls.__init__, ("self", "output_size", "name"))

  @classmethod
  def formula(cls) -> str:
    """Returns the first paragraph of the docstring, as one line."""
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())

  @classmethod
  def reference(cls) -> str:
    """Returns the paper, as one line."""
    pattern = r"^Reference: (.*?)(\n\n|\Z)"
    found = re.search(pattern, inspect.getdoc(cls) or "", re.M | re.S)
    return " ".join(found[1].split()) if found else ""

  @classmethod
  def arguments_from_data(cls, sizes: np.ndarray) -> dict[str, float]:
    """Returns the arguments that are measured on the data unless given.

    Args:
      sizes: [S], the number of elements of each training set.

    Returns:
      Their values, by name; the same names whatever the sizes.
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
      One vector per set, its auxiliary loss, diagnostics, and the weights of
      the elements if there are any.

    Raises:
      ValueError: if the shapes do not fit.
    """
    check_elements(elements, sets)
    if self.carries_faults:
      elements, faulty = segments.masked(elements, sets), None
    else:
      elements, faulty = segments.without_faults(elements, sets)
    result = self.aggregate(elements, sets, is_training)
    if not isinstance(result, Aggregate):
      result = without_loss(result)
    size = self._output_size
    if size is not None and result.values.shape[-1] != size:
      values = hk.Linear(size, name="output")(result.values)
      result = result._replace(values=values)
    if faulty is not None:
      result = result._replace(
        values=jnp.where(faulty[:, None], jnp.nan, result.values),
        aux_loss=jnp.where(faulty, jnp.nan, result.aux_loss),
      )
      if result.weights is not None:
        own = segments.broadcast(faulty, sets)[:, None]  # [N, 1]
        weights = jnp.where(own, jnp.nan, result.weights)
        result = result._replace(weights=weights)
    return result


def without_loss(values: Array, weights: Array | None = None) -> Aggregate:
  """Returns an aggregate without auxiliary loss and diagnostics.

  Args:
    values: [S, D_out].
    weights: [N, H], if the readout weighs its elements.
  """
  zero = jnp.zeros(values.shape[0], values.dtype)
  return Aggregate(values, zero, {}, weights)


def check_elements(elements: Array, sets: Sets) -> None:
  """Raises ValueError unless elements are [N, D] for the N of `sets`."""
  if elements.ndim != 2:
    raise ValueError(f"elements must have shape [N, D], got {elements.shape}.")
  if elements.shape[0] != sets.segment_ids.shape[0]:
    raise ValueError(
      f"elements has {counted(elements.shape[0], 'row')} but sets describe "
      f"{counted(sets.segment_ids.shape[0], 'element')}."
    )
  if not jnp.issubdtype(elements.dtype, jnp.floating):
    raise ValueError(f"elements must be real numbers, got {elements.dtype}.")
