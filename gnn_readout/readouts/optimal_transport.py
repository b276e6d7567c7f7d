"""The mean under an optimal transport between elements and features."""

from __future__ import annotations

from collections.abc import Collection

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from gnn_readout import segments, transport
from gnn_readout.errors import suggest
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import initialisers
from gnn_readout.readouts.base import Aggregate, Readout

_PRIORS = ("attention", "uniform")


class OptimalTransport(Readout):
  """y_d = D sum_n X_nd P_nd with a transport plan P of the elements' features.

  P [n, D] >= 0 with sum_nd P_nd = 1 maximises

    <X, P> + a0 <C_n P C_d, P> - a1 R(P)
      - a2 KL(P^T 1 || p0) - a3 KL(P 1 || q0)

  approximately, by K iterations of `gnn_readout.transport`: Sinkhorn's scaling,
  by itself or within proximal steps, or Bregman ADMM, with R the negative
  entropy or the sum of squares, p0 = 1/D, and q0 = 1/n or
  softmax_n(w . tanh(W x_n)). The weights a_k = softplus(raw_k), and rho, are
  learned, one per iteration or one for all.

  It is the mean where a1, a2 and a3 are large; attention where q0 is and a3 is
  larger still; the maximum where a1 and a3 go to 0 and a2 is large. The empty
  set gives 0.

  C_n = V V^T and C_d = X^T X, with V = X W_V of width R, are similarities of
  the elements and of the features of a set, divided by the mean of their
  diagonals. The term needs 4 R passes over [N, D] for each use.

  Differs from the paper: the mass is 1 for all solvers; ADMM's marginals are
  not variables of their own (both: see `transport`); V = X there, which costs D
  columns (`gromov_rank=None`). The program that came with the paper divides C_d
  by the size of the batch's largest set, draws Sinkhorn's plan towards q0 p0
  with another weight of 1, and puts fixed weights through the softplus.

  Reference: Xu and Cheng 2023, "Regularized Optimal Transport Layers for
  Generalized Global Pooling Operations", the ROTP layer (a0 = 0: UOTP) and its
  two algorithms; Wang and Banerjee 2014, "Bregman Alternating Direction Method
  of Multipliers".

  Example:
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 0, 3]), 5)
    >>> f = hk.transform(lambda: OptimalTransport()(x, sets).values)
    >>> f.apply(f.init(jax.random.key(0)), None).shape
    (3, 3)
  """

  family = "optimisation"
  reduces_to = "mean, attention, max, by weights"
  weighs = True

  def __init__(
    self,
    solver: str = "badmm_entropic",
    num_iterations: int = 4,
    prior: str = "uniform",
    a0: float | None = 0.0,
    a1: float | None = None,
    a2: float | None = None,
    a3: float | None = None,
    rho: float | None = None,
    gromov_rank: int | None = 4,
    ties_weights: bool = False,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      solver: `badmm_entropic`, `badmm_quadratic`, or, both entropic, `sinkhorn`
        or `sinkhorn_proximal`, whose iterations are 5 rounds of the former.
      num_iterations: K.
      prior: q0: `uniform`, or learned `attention`.
      a0: Weight of the Gromov-Wasserstein term; 0 leaves it out, None learns
        it.
      a1: Weight of the regulariser; None learns it, as of those below.
      a2: Weight of the features' divergence from p0.
      a3: Weight of the elements' divergence from q0.
      rho: Penalty of ADMM, and weight of the proximal term, 1 in the program
        that came with the paper; `sinkhorn` has none.
      gromov_rank: R, the width of the elements' description V; None for V = X,
        as in the paper.
      ties_weights: Whether a learned weight is the same in all iterations.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a name is unknown or a number out of range.
    """
    super().__init__(output_size, name)
    _check_name("solver", solver, transport.SOLVERS)
    _check_name("prior", prior, _PRIORS)
    for key, count in (
      ("num_iterations", num_iterations),
      ("gromov_rank", gromov_rank),
    ):
      if count is not None and count < 1:
        raise ValueError(f"{key} must be positive, got {count}.")
    for key, value in (("a1", a1), ("rho", rho)):
      if value is not None and not value > 0:
        raise ValueError(f"{key} must be positive or None, got {value}.")
    for key, value in (("a0", a0), ("a2", a2), ("a3", a3)):
      if value is not None and not value >= 0:
        raise ValueError(f"{key} must be 0, positive or None, got {value}.")
    self._solver = solver
    self._num_iterations = num_iterations
    self._prior = prior
    self._fixed = {"a0": a0, "a1": a1, "a2": a2, "a3": a3, "rho": rho}
    if solver == "sinkhorn":
      self._fixed["rho"] = 1.0  # Not read, so not to be learned.
    self._gromov_rank = gromov_rank
    self._ties_weights = ties_weights

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D], D P [N, D], and as diagnostics the marginals' errors."""
    width, dtype = elements.shape[1], elements.dtype
    log_q0 = self._log_prior(elements, sets)  # [N]
    weights = transport.Weights(
      **{name: self._weight(name, dtype) for name in self._fixed}
    )
    coupling = None
    if self._fixed["a0"] != 0:
      v = elements  # [N, R]
      if self._gromov_rank is not None:
        v = _linear("describe", elements, self._gromov_rank)
      coupling = transport.gromov(elements, v, sets)
    solve = transport.SOLVERS[self._solver]
    plan = solve(elements, log_q0, sets, weights, coupling)  # [N, D]
    values = width * segments.sum(elements * plan, sets)  # [S, D]
    errors = transport.marginal_errors(
      jax.lax.stop_gradient(plan), jax.lax.stop_gradient(log_q0), sets
    )
    filled = jnp.maximum(jnp.sum(sets.sizes > 0), 1).astype(dtype)
    of_elements, of_features = (jnp.sum(error) / filled for error in errors)
    return Aggregate(
      values,
      jnp.zeros(sets.num_segments, dtype),
      {
        "element_marginal_error": of_elements,
        "feature_marginal_error": of_features,
      },
      width * plan,
    )

  def _log_prior(self, elements: Array, sets: Sets) -> Array:
    """Returns log q0 [N]."""
    logits = jnp.zeros(elements.shape[0], elements.dtype)
    if self._prior == "attention":
      hidden = jnp.tanh(_linear("hidden", elements, 2 * elements.shape[1]))
      logits = _linear("score", hidden, 1)[:, 0]
    return logits - segments.broadcast(segments.logsumexp(logits, sets), sets)

  def _weight(self, name: str, dtype: DTypeLike) -> Array:
    """Returns a weight, fixed or learned, [K]."""
    shape, fixed = (self._num_iterations,), self._fixed[name]
    if fixed is not None:
      return jnp.full(shape, fixed, dtype)
    init = hk.initializers.RandomNormal(0.1)
    own = (1,) if self._ties_weights else shape
    weight = jax.nn.softplus(hk.get_parameter(name, own, dtype, init))
    return jnp.broadcast_to(weight, shape)


def _linear(name: str, inputs: Array, size: int) -> Array:
  """Returns x W, without a bias."""
  shape = (inputs.shape[1], size)
  init, _ = initialisers("pytorch", *shape)
  return inputs @ hk.get_parameter(name, shape, inputs.dtype, init)


def _check_name(argument: str, value: str, known: Collection[str]) -> None:
  if value not in known:
    raise ValueError(
      f"{argument} must be one of {', '.join(known)}, got {value!r}."
      f"{suggest(value, known)}"
    )
