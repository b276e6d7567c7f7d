"""Principal neighbourhood aggregation over the elements."""

from __future__ import annotations

import haiku as hk
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Readout


class PNA(Readout):
  """y = W [(1, log(n+1)/delta, delta/log(n+1)) x (mean, max, min, std)] + b.

  n is the number of elements; delta = mean of log(n+1) over the training sets.
  std = sqrt(var + 1e-5), 0 for one element. The empty set gives b: all twelve
  aggregates are 0 there.

  Differs from the paper: there n is the degree of a node and the aggregation
  local; as a readout the n is the number of nodes.

  Reference: Corso et al. 2020, eq. 5-8; Bartunov et al. 2022, section 5.3.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> measured = PNA.arguments_from_data(sets.sizes)
    >>> pool = hk.transform(lambda: PNA(**measured)(x, sets))
    >>> pool.apply(pool.init(jax.random.key(0)), None).values.shape
    (3, 4)
  """

  family = "combinations"
  reduces_to = "mean, max, min, std, by its linear map"
  carries_faults = True

  def __init__(
    self,
    delta: float = 3.0,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      delta: Mean of log(n+1) over the training sets; may be traced, so that
        the members of a population can each have their own.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `delta` is not positive.
    """
    super().__init__(output_size, name)
    if isinstance(delta, (int, float)) and not delta > 0:
      raise ValueError(f"delta must be positive, got {delta}.")
    self._delta = delta

  @classmethod
  def arguments_from_data(cls, sizes: np.ndarray) -> dict[str, float]:
    """Returns delta, measured on the sizes of the training sets."""
    delta = float(np.mean(np.log(np.asarray(sizes, np.float64) + 1)))
    return {"delta": delta if delta > 0 else 1.0}

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    aggregates = jnp.concatenate(
      [
        segments.mean(elements, sets),
        segments.max(elements, sets),
        segments.min(elements, sets),
        segments.std(elements, sets),
      ],
      axis=-1,
    )  # [S, 4D]
    log_size = jnp.log1p(sets.sizes.astype(elements.dtype))[:, None]  # [S, 1]
    amplify = log_size / self._delta
    attenuate = self._delta / jnp.where(log_size > 0, log_size, 1)
    scaled = jnp.concatenate(
      [aggregates, amplify * aggregates, attenuate * aggregates], axis=-1
    )  # [S, 12D]
    size = self._output_size or elements.shape[-1]
    return hk.Linear(size, name="project")(scaled)
