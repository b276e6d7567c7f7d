"""Equilibrium Aggregation: the readout that minimises a learned energy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.errors import suggest
from gnn_readout.graphs import Sets
from gnn_readout.layers import folded_potential
from gnn_readout.minimisation import Minimum, minimise
from gnn_readout.readouts.base import Aggregate, Readout

# (factor of o^2, factor of o) in F, for K outputs o.
_OUTPUTS = {
  "mean": lambda size: (1 / size, 0.0),
  "sum": lambda size: (1.0, 0.0),
  "none": lambda size: (0.0, 1.0),
}

_STARTS = ("zeros", "learned")


class EquilibriumAggregation(Readout):
  """y = argmin_y E(X, y), a learned energy, by T steps of gradient descent.

  E(X, y) = (softplus(lambda) |y|^2 + sum_i F(x_i, y)) log2(N + 1) / (N + eps)

  for a set of N elements, eps = 1e-8 (eq. C.1). F is the mean of the squared
  outputs of a residual network on [x_i, y] (Listing 1): layers of widths
  [2h, h, 32], all but the last with LayerNorm and tanh. The solver is
  `minimise`, from y = 0, or a learned start, with learned rate and momentum
  (Listing 2). An empty set has energy 0 and stays where it starts.

  `folded_potential` holds the algebra that makes this cheap; in parameters and
  results it is the listing.

  Parameters: `w_k`, `b_k`, `scale_k`, `offset_k` (LayerNorm) and `skip_w_k`,
  `skip_b_k` (where the width changes) for layer k; `lambda`, `learning_rate`
  (before softplus) and `momentum` (before sigmoid); `start` on request.

  Differs from the paper: the text takes the sum of the squared outputs and, in
  eq. 5, of the squared gradient; the listings, which ran, take means, and so
  does this unless `square_reduction` or `aux_reduction` is "sum". The listing
  keeps its scalars in single precision; these have the type of the elements.
  `adjoint="implicit"`, `last_layer_scale` and `first_bias_scale` are options
  of ours.

  Reference: Bartunov et al. 2022, eq. 3, 5 and C.1, Listings 1 and 2.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: EquilibriumAggregation()(x, sets))
    >>> params = jax.jit(pool.init)(jax.random.key(0))
    >>> y, aux_loss, *_ = jax.jit(pool.apply)(params, None)
    >>> y.shape, aux_loss.shape
    ((3, 4), (3,))
  """

  family = "optimisation"
  reduces_to = "sum, mean, max, median, power sums, attention, by potential"
  weighs = True

  def __init__(
    self,
    hidden: int | None = None,
    potential_outputs: int = 32,
    widths: Sequence[int] | None = None,
    capacity: float = 1.0,
    num_steps: int = 15,
    test_num_steps: int | None = None,
    learning_rate: float = 0.125,
    momentum: float = 0.9,
    initial_lambda: float = 0.0,
    square_reduction: str = "mean",
    aux_reduction: str = "mean",
    gradient_tolerance: float = 1e-3,
    clip: float | None = None,
    adjoint: str = "unrolled",
    solver_tolerance: float = 1e-5,
    solver_iterations: int = 50,
    last_layer_scale: float = 1.0,
    first_bias_scale: float = 0.0,
    start: str = "zeros",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      hidden: h of the widths [2h, h, potential_outputs]; D by default.
      potential_outputs: The number of outputs that are squared.
      widths: All widths of the potential, instead of the two above.
      capacity: Factor of all widths but the last, rounded (table E.4).
      num_steps: T.
      test_num_steps: T outside of training; `num_steps` by default.
      learning_rate: The step size at initialisation.
      momentum: Momentum at initialisation, between 0 and 1.
      initial_lambda: lambda at initialisation; |y|^2 weighs softplus(lambda).
      square_reduction: 'mean' or 'sum' of the squared outputs; 'none' takes a
        single output as it is.
      aux_reduction: 'mean' or 'sum' over features in the auxiliary loss.
      gradient_tolerance: Sets whose largest |g_d| is below it rest.
      clip: Largest |y_d|, or None.
      adjoint: 'unrolled' or 'implicit', see `minimise`.
      solver_tolerance: Relative residual of the implicit solve.
      solver_iterations: Most iterations of the implicit solve.
      last_layer_scale: Factor of the initial weights of the last layer and
        its skip connection. Below 1 it flattens the energy, for potentials
        whose inner loop would not converge at initialisation.
      first_bias_scale: Standard deviation of the first layer's initial bias.
        LayerNorm divides by the size of [x, y] W + b, at the start that of
        x W: where elements are close to 0, as single numbers may be, the
        energy is as steep as they are small unless there is a b.
      start: y at the first step: "zeros", or "learned", the same for all sets
        and 0 at initialisation.
      output_size: M, the width of y; D by default.
      name: Haiku's name of the module.

    Raises:
      ValueError: if an argument is out of range or unknown.
    """
    super().__init__(output_size, name)
    for label, steps in (
      ("num_steps", num_steps),
      ("test_num_steps", test_num_steps or 0),
    ):
      if steps < 0:
        raise ValueError(f"{label} must not be negative, got {steps}.")
    if learning_rate <= 0:
      raise ValueError(f"learning_rate must be positive, got {learning_rate}.")
    if first_bias_scale < 0:
      raise ValueError(
        f"first_bias_scale must not be negative, got {first_bias_scale}."
      )
    if not 0 < momentum < 1:
      raise ValueError(f"momentum must be between 0 and 1, got {momentum}.")
    if square_reduction not in _OUTPUTS:
      raise ValueError(
        f"Unknown square_reduction {square_reduction!r}."
        f"{suggest(square_reduction, _OUTPUTS)}"
      )
    if start not in _STARTS:
      raise ValueError(
        f"start must be one of {', '.join(_STARTS)}, got {start!r}."
      )
    self._is_start_learned = start == "learned"
    self._hidden = hidden
    self._potential_outputs = potential_outputs
    self._widths = None if widths is None else tuple(widths)
    self._capacity = capacity
    self._num_steps = num_steps
    self._test_num_steps = (
      num_steps if test_num_steps is None else test_num_steps
    )
    self._learning_rate = learning_rate
    self._momentum = momentum
    self._initial_lambda = initial_lambda
    self._square_reduction = square_reduction
    self._last_layer_scale = last_layer_scale
    self._first_bias_scale = first_bias_scale
    self._minimise = functools.partial(
      minimise,
      aux_reduction=aux_reduction,
      gradient_tolerance=gradient_tolerance,
      clip=clip,
      adjoint=adjoint,
      solver_tolerance=solver_tolerance,
      solver_iterations=solver_iterations,
    )

  def solve(
    self, elements: Array, sets: Sets, num_steps: int, trace: bool = False
  ) -> Minimum:
    """Minimises the energy, and on request records every step.

    Args:
      elements: [N, D], zero where they are padding.
      sets: Which set each element belongs to.
      num_steps: T.
      trace: Whether to record the energy and the gradient at every step.

    Returns:
      y [S, M], its auxiliary loss, and the trace.
    """
    params, folded = self._parameters(elements), self._energy(elements, sets)
    size = self._output_size or elements.shape[1]  # M
    return self._minimise(
      functools.partial(folded_potential.energy, folded),
      jnp.broadcast_to(self._start(elements), (sets.num_segments, size)),
      learning_rate=jax.nn.softplus(params["learning_rate"]),
      momentum=jax.nn.sigmoid(params["momentum"]),
      num_steps=num_steps,
      gradient_fn=functools.partial(folded_potential.gradient, folded),
      trace=trace,
    )

  def _energy(self, elements: Array, sets: Sets) -> folded_potential.Folded:
    """Returns the energy of the sets as a function of y alone."""
    params = self._parameters(elements)
    sizes = sets.sizes.astype(elements.dtype)  # [S]
    factor = jnp.log2(sizes + 1) / (sizes + 1e-8)  # [S]
    square, linear = _OUTPUTS[self._square_reduction](self.widths(elements)[-1])
    return folded_potential.fold(
      params,
      elements,
      sets,
      quadratic=2 * square * factor,
      linear=linear * factor,
      ridge=2 * jax.nn.softplus(params["lambda"]) * factor,
    )

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns y [S, M], its auxiliary loss, how well it converged, weights.

    An element weighs |dF(x_i, y)/dy| at the y reached, divided by the sum of
    that over its set: its share in the gradient of the energy.
    """
    steps = self._num_steps if is_training else self._test_num_steps
    minimum = self.solve(elements, sets, steps)
    params = self._parameters(elements)
    filled = sets.sizes > 0  # [S]
    # Nothing moves an empty set: its H is 0 and not to be solved with.
    y = jnp.where(filled[:, None], minimum.y, self._start(elements))  # [S, M]
    count = jnp.maximum(jnp.sum(filled), 1)
    diagnostics = {
      "inner_aux_loss": jnp.sum(minimum.aux_loss) / count,
      "inner_max_norm": jnp.max(minimum.max_norm, initial=0),
      "inner_mean_max_norm": jnp.sum(minimum.max_norm) / count,
      "inner_learning_rate": jax.nn.softplus(params["learning_rate"]),
      "inner_momentum": jax.nn.sigmoid(params["momentum"]),
      "inner_regulariser": jax.nn.softplus(params["lambda"]),
    }
    return Aggregate(
      y,
      minimum.aux_loss,
      jax.lax.stop_gradient(diagnostics),
      folded_potential.shares(self._energy(elements, sets), y),
    )

  def _start(self, elements: Array) -> Array:
    """Returns y at the first step [M]."""
    size = self._output_size or elements.shape[1]
    if not self._is_start_learned:
      return jnp.zeros(size, elements.dtype)
    return hk.get_parameter("start", (size,), elements.dtype, jnp.zeros)

  def widths(self, elements: Array) -> tuple[int, ...]:
    """Returns the widths of the potential's layers."""
    hidden = elements.shape[1] if self._hidden is None else self._hidden
    widths = self._widths or (2 * hidden, hidden, self._potential_outputs)
    widths = (
      *(round(self._capacity * width) for width in widths[:-1]),
      widths[-1],
    )
    if len(widths) < 2 or min(widths) < 1:
      raise ValueError(
        "The potential needs at least two layers of positive width, got "
        f"{list(widths)}."
      )
    if self._square_reduction == "none" and widths[-1] != 1:
      raise ValueError(
        "square_reduction 'none' needs a potential with one output, got "
        f"{widths[-1]}."
      )
    return widths

  def _parameters(self, elements: Array) -> dict[str, Array]:
    """Creates (or fetches) all parameters, as `hk.Linear` would draw them."""
    get = functools.partial(hk.get_parameter, dtype=elements.dtype)
    constant = hk.initializers.Constant
    params = {
      "lambda": get("lambda", (), init=constant(self._initial_lambda)),
      "learning_rate": get(
        "learning_rate",
        (),
        init=constant(math.log(math.expm1(self._learning_rate))),
      ),
      "momentum": get(
        "momentum",
        (),
        init=constant(math.log(self._momentum / (1 - self._momentum))),
      ),
    }
    zeros = constant(0.0)
    first_bias = hk.initializers.RandomNormal(self._first_bias_scale)
    widths = self.widths(elements)
    size = elements.shape[1] + (self._output_size or elements.shape[1])
    for k, width in enumerate(widths):
      hidden = k < len(widths) - 1
      scale = (1.0 if hidden else self._last_layer_scale) / math.sqrt(size)
      fan_in = hk.initializers.TruncatedNormal(stddev=scale)
      shapes: dict[str, tuple[tuple[int, ...], Callable[..., Array]]] = {
        f"w_{k}": ((size, width), fan_in),
        f"b_{k}": ((width,), zeros if k else first_bias),
      }
      if hidden:
        shapes[f"scale_{k}"] = (width,), jnp.ones
        shapes[f"offset_{k}"] = (width,), zeros
      if size != width:
        shapes[f"skip_w_{k}"] = (size, width), fan_in
        shapes[f"skip_b_{k}"] = (width,), zeros
      params |= {
        label: get(label, shape, init=init)
        for label, (shape, init) in shapes.items()
      }
      size = width
    return params
