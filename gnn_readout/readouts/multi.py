"""Several readouts of the same sets, side by side or mixed."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

# For use when called: the table, which holds the class below, is not yet made.
from gnn_readout import readouts, segments
from gnn_readout.graphs import Sets, make_sets
from gnn_readout.readouts.base import Aggregate, Readout


class Multi(Readout):
  """y = [f_1(X), ..., f_K(X)], or a mixture of them, for any readouts f_k.

  With one member it is that member. With `output_size` a linear map of the
  concatenation follows: PyTorch Geometric's MultiAggregation in the modes 'cat'
  and 'proj'. Auxiliary losses add up.

  "mixed" is sum_k c_k f_k(X) with learned c = softmax(l), l_K = 0; "gated" has
  l_k = sum_i w_k . x_i, of each set. Of "mean" and "max" these are mixed and
  gated pooling. The combination may be a readout in its turn, of the set of all
  f_k(X): with `optimal_transport` poolings are solved one on another.

  Arguments that are otherwise measured on the data, such as PNA's delta, have
  to be given here.

  Reference: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph
  Nets", section 2; Lee et al. 2016, "Generalizing Pooling Functions in
  Convolutional Neural Networks: Mixed, Gated, and Tree", section 3.1.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> members = ["sum", {"name": "attention", "num_heads": 2}]
    >>> pool = hk.transform(lambda: Multi(members)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 8)
  """

  family = "combinations"
  reduces_to = "its member, if it has one"
  carries_faults = True

  def __init__(
    self,
    members: Sequence[str | Mapping[str, Any]] = ("mean", "max", "min", "std"),
    combination: str | Mapping[str, Any] = "concat",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      members: Each the name of a readout, or a mapping of `name` and the
        arguments of `make_readout`. They may be `multi` again.
      combination: "concat", "mixed", "gated", or a readout as of `members`.
      output_size: D_out, or None for the width of the combination.
      name: Haiku's name of the module.

    Raises:
      ValueError: if there is no member, or one has no name or an unknown one.
    """
    super().__init__(output_size, name)
    if isinstance(members, str) or not members:
      raise ValueError(
        f"members must be a sequence of at least one readout, got {members!r}."
      )
    self._members = [_named("members must each", member) for member in members]
    self._combination = combination
    if combination not in ("concat", *_WEIGHTS):
      self._combination = _named("combination must", combination)

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns what the members combine to, all losses and diagnostics."""
    # Haiku numbers modules of the same name: each member has its parameters.
    results = [
      readouts.make_readout(**member)(elements, sets, is_training)
      for member in self._members
    ]
    aux_loss = functools.reduce(jnp.add, [x.aux_loss for x in results])
    diagnostics = {
      f"{member['name']}_{k}_{label}": value
      for k, (member, result) in enumerate(
        zip(self._members, results, strict=True)
      )
      for label, value in result.diagnostics.items()
    }
    found = [x.weights for x in results if x.weights is not None]
    weights = jnp.concatenate(found, axis=1) if found else None
    values = [result.values for result in results]  # K times [S, D_k]
    if self._combination == "concat":
      vectors = jnp.concatenate(values, axis=1)
      return Aggregate(vectors, aux_loss, diagnostics, weights)
    widths = [value.shape[1] for value in values]
    if len(set(widths)) > 1:
      raise ValueError(
        f"members must have one width to be combined by {self._combination!r},"
        f" got {widths}: set their output_size."
      )
    stacked = jnp.stack(values, axis=1)  # [S, K, D]
    if isinstance(self._combination, str):
      logits = _WEIGHTS[self._combination](elements, sets, len(values) - 1)
      logits = jnp.pad(logits, [(0, 0), (0, 1)])
      shares = jax.nn.softmax(logits, axis=1)  # [S, K] or [1, K]
      mixture = jnp.sum(shares[..., None] * stacked, axis=1)
      return Aggregate(mixture, aux_loss, diagnostics, weights)
    count = jnp.full(sets.num_segments, len(values), jnp.int32)
    of_values = make_sets(count, sets.num_segments * len(values))
    rows = stacked.reshape(-1, widths[0])  # [S K, D]
    result = readouts.make_readout(**self._combination)(
      rows, of_values, is_training
    )
    diagnostics |= {
      f"combination_{label}": value
      for label, value in result.diagnostics.items()
    }
    aux_loss += result.aux_loss
    return Aggregate(result.values, aux_loss, diagnostics, weights)


def _named(subject: str, readout: str | Mapping[str, Any]) -> dict[str, Any]:
  """Returns a readout's name and arguments, checked."""
  given = {"name": readout} if isinstance(readout, str) else dict(readout)
  if "name" not in given:
    raise ValueError(f"{subject} have a name, got {given}.")
  readouts.readout_class(given["name"])
  return given


def _mixed(elements: Array, sets: Sets, count: int) -> Array:
  """Returns logits [1, K - 1], the same for all sets."""
  del sets
  return hk.get_parameter("mix", (1, count), elements.dtype, jnp.zeros)


def _gated(elements: Array, sets: Sets, count: int) -> Array:
  """Returns logits [S, K - 1]."""
  shape = elements.shape[1], count
  gate = hk.get_parameter("gate", shape, elements.dtype, jnp.zeros)
  return segments.sum(elements @ gate, sets)


# How members are weighed, by the name of the combination.
_WEIGHTS = {"mixed": _mixed, "gated": _gated}
