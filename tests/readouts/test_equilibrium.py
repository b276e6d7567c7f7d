"""Equilibrium Aggregation against its listing, and what only it promises."""

from __future__ import annotations

import functools
import logging

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.layers import folded_potential
from gnn_readout.readouts.equilibrium import EquilibriumAggregation
from tests.readouts.equilibrium_listing import equilibrium

WIDTH = 5  # D
SIZES = (7, 0, 1, 13, 2)
NUM_ELEMENTS = 29
SCALARS = ("lambda", "learning_rate", "momentum")

# The listing's shape; a projection at every layer; one output, two layers and a
# clipped y; four layers and no projection; sets that rest in some of the steps.
POTENTIALS = {
  "listing": {"hidden": 5, "potential_outputs": 3},
  "projections": {
    "widths": (11, 7, 3),
    "output_size": 2,
    "square_reduction": "sum",
  },
  "start": {"hidden": 5, "potential_outputs": 3, "start": "learned"},
  "scalar": {"widths": (13, 1), "square_reduction": "none", "clip": 0.2},
  "four layers": {"widths": (10, 10, 10, 10), "aux_reduction": "sum"},
  "resting": {
    "widths": (10, 6, 6, 1),
    "square_reduction": "none",
    "aux_reduction": "sum",
    "gradient_tolerance": 0.6,
  },
}


def readout(is_training=True, **kwargs):
  return hk.without_apply_rng(
    hk.transform(
      lambda elements, sets: EquilibriumAggregation(**kwargs, name="ea")(
        elements, sets, is_training
      )
    )
  )


def initial(transformed, elements, sets, seed=0):
  return jax.jit(transformed.init)(jax.random.key(seed), elements, sets)


def trace(num_steps, **kwargs):
  return hk.without_apply_rng(
    hk.transform(
      lambda elements, sets: EquilibriumAggregation(**kwargs, name="ea").solve(
        elements, sets, num_steps, trace=True
      )
    )
  )


def example(dtype=np.float64, width=WIDTH, sizes=SIZES, padding=6, seed=0):
  rng = np.random.default_rng(seed)
  elements = rng.normal(size=(sum(sizes) + padding, width)).astype(dtype)
  return jnp.asarray(elements), make_sets(np.array(sizes), len(elements))


def parameters(transformed, elements, sets, seed=1):
  """Initial parameters, moved away from zeros and ones."""
  params = initial(transformed, elements, sets, seed)["ea"]
  keys = jax.random.split(jax.random.key(seed + 1), len(params))
  return {
    name: value
    if name in SCALARS
    else value + 0.1 * jax.random.normal(key, value.shape, value.dtype)
    for key, (name, value) in zip(keys, params.items(), strict=True)
  }


def both_ways(kwargs, elements, sets, num_steps=7):
  """Returns loss functions of (params, elements), of the readout and oracle."""
  transformed = readout(num_steps=num_steps, **kwargs)
  params = parameters(transformed, elements, sets)
  widths = kwargs.get("widths") or (
    2 * kwargs["hidden"],
    kwargs["hidden"],
    kwargs["potential_outputs"],
  )
  size = kwargs.get("output_size") or elements.shape[1]
  weights = np.random.default_rng(3).normal(size=(sets.num_segments, size))
  weights = weights.astype(elements.dtype)

  def fast(params, elements):
    result = transformed.apply({"ea": params}, elements, sets)
    return result.values, result.aux_loss

  def literal(params, elements):
    return equilibrium(
      params,
      elements,
      sets.segment_ids,
      sets.sizes,
      widths=widths,
      output_size=size,
      max_iters=num_steps,
      gtol=kwargs.get("gradient_tolerance", 1e-3),
      clip_value=kwargs.get("clip"),
      square_reduction=kwargs.get("square_reduction", "mean"),
      aux_reduction=kwargs.get("aux_reduction", "mean"),
    )

  def loss(function, params, elements):
    values, aux_loss = function(params, elements)
    total = jnp.sum(values * weights) + 2 * jnp.sum(aux_loss)
    return total, (values, aux_loss)

  return params, [
    jax.jit(jax.grad(functools.partial(loss, f), (0, 1), has_aux=True))
    for f in (fast, literal)
  ]


def assert_same(results, tolerance):
  """Compares arrays by the largest difference, relative to what is largest."""
  flat = [jax.tree_util.tree_leaves_with_path(result) for result in results]
  for (path, value), (_, expected) in zip(*flat, strict=True):
    error = np.abs(value - expected).max()
    limit = tolerance * np.abs(expected).max()
    assert error <= limit, (jax.tree_util.keystr(path), error, limit)


@pytest.mark.parametrize("name", POTENTIALS)
def test_is_the_listing_in_double_precision(name):
  with jax.enable_x64(True):
    elements, sets = example(sizes=(*SIZES, *range(3, 10)))
    params, functions = both_ways(POTENTIALS[name], elements, sets)
    assert {v.dtype for v in params.values()} == {np.dtype(np.float64)}
    results = [f(params, elements) for f in functions]
    assert_same(results, 1e-11)
    (gradient, _), (values, _) = results[0]
    assert np.abs(gradient["w_0"]).max() > 1e-2
    assert np.abs(values).max() > 1e-2


def test_sets_rest_in_some_of_the_steps_of_the_test_above():
  with jax.enable_x64(True):
    elements, sets = example(sizes=(*SIZES, *range(3, 10)))
    kwargs = POTENTIALS["resting"]
    params = parameters(readout(num_steps=7, **kwargs), elements, sets)
    result = jax.jit(trace(7, **kwargs).apply)({"ea": params}, elements, sets)
    filled = np.asarray(sets.sizes) > 0
    norms = np.asarray(result.trace.max_norm)[:, filled]
    share = np.mean(norms < kwargs["gradient_tolerance"])
    assert 0.1 < share < 0.5


def test_is_the_listing_in_single_precision():
  """At 61 features, a typical molecule's size and the listing's 15 steps."""
  sizes = (23, 29, 11, 31)
  elements, sets = example(np.float32, width=61, sizes=sizes)
  kwargs = {"hidden": 61, "potential_outputs": 31}
  params, functions = both_ways(kwargs, elements, sets, num_steps=15)
  results = [f(params, elements) for f in functions]
  assert_same(results, 1e-5)


def test_energy_and_its_gradient_agree_with_automatic_differentiation():
  with jax.enable_x64(True):
    elements, sets = example()
    params = parameters(readout(widths=(11, 7, 3)), elements, sets)
    folded = folded_potential.fold(
      params,
      elements,
      sets,
      quadratic=jnp.linspace(0.5, 2.0, len(SIZES)),
      linear=jnp.linspace(-1.0, 1.0, len(SIZES)),
      ridge=jnp.linspace(0.1, 0.3, len(SIZES)),
    )
    y = jax.random.normal(jax.random.key(1), (len(SIZES), WIDTH))

    def differentiated(folded, y):
      return jax.grad(lambda y: folded_potential.energy(folded, y).sum())(y)

    # Its own derivative too: in y, and in every part of `folded`.
    def pull(function, first, later, maps, ridge, y):
      moved = folded._replace(first=first, later=later, maps=maps, ridge=ridge)
      result = function(moved, y)
      return jnp.sum(jnp.sin(y + 1) * result), result

    where = (folded.first, folded.later, folded.maps, folded.ridge, y)
    results = [
      jax.jit(
        jax.grad(functools.partial(pull, f), (0, 1, 2, 3, 4), has_aux=True)
      )(*where)
      for f in (folded_potential.gradient, differentiated)
    ]
    assert_same(results, 1e-11)


def molecules(rng):
  """Sets like those of nodes after a BatchNorm."""
  return rng.normal(size=(4, 23, 61))


def numbers(rng):
  """Sets of 100 numbers as for median estimation (D.1)."""
  draws = (
    rng.uniform(0, 1, 100),
    rng.gamma(0.5, 0.2, 100),
    rng.normal(0.5, 0.4, 100),
  )
  return np.stack(draws)[..., None]


def images(rng):
  """Sets of 16 embeddings as for class counting."""
  return rng.normal(size=(4, 16, 256))


# For each task of the paper: its elements, its potential and inner steps, and
# what has to change for the inner loop not to diverge at initialisation.
TASKS = {
  "molecules": (molecules, {"num_steps": 15}, {}),
  "median": (
    numbers,
    {"widths": (256, 256, 1), "square_reduction": "none"}
    | {"num_steps": 5, "output_size": 32},
    {"first_bias_scale": 1.0},
  ),
  "median, squared": (
    numbers,
    {"widths": (256, 256, 1), "square_reduction": "sum"}
    | {"num_steps": 5, "output_size": 32},
    {"first_bias_scale": 1.0, "last_layer_scale": 0.3},
  ),
  "class counting": (
    images,
    {"widths": (512, 512, 32), "square_reduction": "sum", "num_steps": 10},
    {"last_layer_scale": 0.3},
  ),
}


@pytest.mark.parametrize("task", TASKS)
def test_inner_loop_at_initialisation(task):
  """Energy falls and y stays small; not so with the paper's own settings."""
  draw, literal, change = TASKS[task]
  sets_of = draw(np.random.default_rng(5)).astype(np.float32)
  elements = jnp.asarray(sets_of.reshape(-1, sets_of.shape[-1]))
  sets = make_sets(np.full(len(sets_of), sets_of.shape[1]), len(elements))

  def descend(num_seeds, num_steps, **kwargs):
    transformed = trace(num_steps, **kwargs)
    init, apply = jax.jit(transformed.init), jax.jit(transformed.apply)
    for seed in range(num_seeds):
      params = init(jax.random.key(seed), elements, sets)
      result = apply(params, elements, sets)
      yield result.trace.energy, np.abs(result.y).max()

  for energy, largest in descend(3, **literal, **change):
    assert (energy[-1] < energy[0]).all()
    assert largest < 10
  if change:
    ((energy, _),) = descend(1, **literal)
    assert (energy[-1] > 10 * np.abs(energy[0])).any()


def test_energy_never_rises_for_a_small_rate():
  elements, sets = example(np.float32, width=17)
  transformed = trace(60, learning_rate=0.01, momentum=0.1)
  params = initial(transformed, elements, sets, 2)
  result = jax.jit(transformed.apply)(params, elements, sets)
  rise = np.diff(result.trace.energy, axis=0).max()
  assert rise <= 1e-6
  assert result.trace.steps_taken[1] == 0  # The empty set.


def test_no_steps_give_zero():
  elements, sets = example(np.float32)
  transformed = readout(num_steps=0)
  params = initial(transformed, elements, sets)
  result = jax.jit(transformed.apply)(params, elements, sets)
  np.testing.assert_array_equal(result.values, 0)
  np.testing.assert_array_equal(result.aux_loss, 0)


def test_steps_of_training_and_testing_differ():
  elements, sets = example(np.float32)
  arguments = {"num_steps": 2, "test_num_steps": 9}
  params = initial(readout(**arguments), elements, sets)
  for is_training, steps in ((True, 2), (False, 9)):
    result = jax.jit(readout(is_training, **arguments).apply)(
      params, elements, sets
    )
    expected = jax.jit(readout(num_steps=steps).apply)(params, elements, sets)
    np.testing.assert_array_equal(result.values, expected.values)


def test_alone_as_in_a_batch_of_64():
  rng = np.random.default_rng(4)
  sizes = rng.integers(0, 11, size=64)
  elements, sets = example(np.float32, sizes=sizes, padding=13)
  transformed = readout()
  params = initial(transformed, elements, sets)
  apply = jax.jit(transformed.apply)
  together = apply(params, elements, sets)
  ends = np.cumsum(sizes)
  for i in (0, 5, 31, 63):
    own = jnp.full((16, WIDTH), np.nan)  # Garbage in the padding.
    own = own.at[: sizes[i]].set(elements[ends[i] - sizes[i] : ends[i]])
    alone = apply(params, own, make_sets(sizes[i : i + 1], 16))
    np.testing.assert_allclose(
      alone.values[0], together.values[i], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
      alone.aux_loss[0], together.aux_loss[i], rtol=1e-4, atol=1e-7
    )


def loss_of(kwargs, elements, sets):
  transformed = readout(**kwargs)

  def loss(params):
    result = transformed.apply({"ea": params}, elements, sets)
    return jnp.sum(jnp.sin(result.values + 1)), result

  return loss


def test_implicit_gradient_is_the_unrolled_one_at_convergence():
  """With a regulariser that makes the energy strongly convex."""
  with jax.enable_x64(True):
    elements, sets = example()
    common = {"learning_rate": 0.005, "momentum": 0.8, "num_steps": 600}
    common |= {"initial_lambda": 20.0, "gradient_tolerance": 0.0}
    implicit = {"adjoint": "implicit", "solver_tolerance": 1e-11}
    params = parameters(readout(**common), elements, sets)
    gradients = []
    for extra in ({}, implicit):
      loss = loss_of(common | extra, elements, sets)
      gradient, result = jax.jit(jax.grad(loss, has_aux=True))(params)
      assert result.diagnostics["inner_max_norm"] < 1e-9
      gradients.append(
        {k: v for k, v in gradient.items() if k not in SCALARS[1:]}
      )
    assert_same(gradients, 1e-9)


def _memory(num_steps, differentiate, **kwargs):
  elements, sets = example(np.float32)
  transformed = readout(num_steps=num_steps, **kwargs)
  params = initial(transformed, elements, sets)

  def loss(params):
    return jnp.sum(transformed.apply(params, elements, sets).values)

  function = jax.grad(loss) if differentiate else loss
  compiled = jax.jit(function).lower(params).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def test_memory():
  """What is kept for a backward pass, and when nothing is."""
  assert _memory(200, False) <= _memory(10, False) + 64
  implicit = {"adjoint": "implicit"}
  assert _memory(200, True, **implicit) <= _memory(10, True, **implicit) + 64


def test_an_implicit_solve_that_fails_is_reported(caplog):
  elements, sets = example(np.float32)
  for iterations in (1, 100):
    kwargs = {"adjoint": "implicit", "solver_iterations": iterations}
    loss = loss_of(kwargs, elements, sets)
    convex = readout(initial_lambda=20.0, learning_rate=0.005)
    params = parameters(convex, elements, sets)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
      jax.block_until_ready(jax.jit(jax.grad(loss, has_aux=True))(params))
      jax.effects_barrier()
    # The empty set needs no solve.
    assert ("of 4 of 5 sets" in caplog.text) == (iterations == 1)
    assert bool(caplog.text) == (iterations == 1)


def test_initial_parameters():
  elements, sets = example(np.float32, width=61)
  transformed = readout(last_layer_scale=0.1)
  params = initial(transformed, elements, sets)["ea"]
  widths = {"w_0": (122, 122), "w_1": (122, 61), "w_2": (61, 32)}
  skips = {"skip_w_1": (122, 61), "skip_w_2": (61, 32)}
  for name, shape in (widths | skips).items():
    assert params[name].shape == shape
    scale = (0.1 if name.endswith("2") else 1.0) / np.sqrt(shape[0])
    # Truncated at two standard deviations, as `hk.Linear` draws.
    assert 0.8 * scale < params[name].std() < 0.95 * scale
    assert np.abs(params[name]).max() < 2.3 * scale
  assert "skip_w_0" not in params  # [x, y] is as wide as 2 h.
  result = jax.jit(transformed.apply)({"ea": params}, elements, sets)
  expected = {"learning_rate": 0.125, "momentum": 0.9, "regulariser": np.log(2)}
  for name, value in expected.items():
    np.testing.assert_allclose(
      result.diagnostics[f"inner_{name}"], value, rtol=1e-5
    )


def test_capacity_scales_all_but_the_outputs():
  elements, sets = example(np.float32, width=10)
  params = initial(readout(capacity=1.3), elements, sets)["ea"]
  assert [params[f"b_{k}"].size for k in range(3)] == [26, 13, 32]


def test_diagnostics_leave_out_empty_sets():
  elements, sets = example(np.float32)
  transformed = readout(num_steps=3)
  params = initial(transformed, elements, sets)
  result = jax.jit(transformed.apply)(params, elements, sets)
  more = make_sets(np.array((*SIZES, 0, 0)), elements.shape[0])
  same = jax.jit(transformed.apply)(params, elements, more)
  for name, value in result.diagnostics.items():
    np.testing.assert_allclose(same.diagnostics[name], value, rtol=1e-5)
  np.testing.assert_allclose(
    result.diagnostics["inner_aux_loss"], result.aux_loss.sum() / 4, rtol=1e-5
  )


@pytest.mark.parametrize(
  ("wrong", "message"),
  [
    ({"num_steps": -1}, "num_steps must not be negative, got -1"),
    ({"test_num_steps": -2}, "test_num_steps must not be negative, got -2"),
    ({"widths": (10, 0, 3)}, r"positive width, got \[10, 0, 3\]"),
    ({"hidden": 0}, "positive width"),
    ({"widths": (3,)}, "at least two layers"),
    ({"hidden": 5, "capacity": 0.01}, "positive width"),
    ({"adjoint": "unroled"}, "Did you mean 'unrolled'"),
    ({"square_reduction": "men"}, "Did you mean 'mean'"),
    ({"square_reduction": "none"}, "one output, got 32"),
    ({"aux_reduction": "summ"}, "Did you mean 'sum'"),
    ({"learning_rate": 0.0}, "learning_rate must be positive"),
    ({"momentum": 1.0}, "momentum must be between 0 and 1"),
    ({"first_bias_scale": -1.0}, "first_bias_scale must not be negative"),
    ({"adjoint": "implicit", "clip": 1.0}, "clip 1.0 is not supported"),
  ],
)
def test_bad_arguments(wrong, message):
  elements, sets = example(np.float32)
  with pytest.raises(ValueError, match=message):
    initial(readout(**wrong), elements, sets)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_elements_that_are_not_finite_show_without_jit_too(bad):
  elements, sets = example(np.float32)
  params = initial(readout(), elements, sets)
  elements = elements.at[9, 2].set(bad)
  result = readout().apply(params, elements, sets)
  of_set = np.arange(sets.num_segments) == sets.segment_ids[9]
  for value in result[:2]:
    finite = np.isfinite(np.asarray(value).reshape(len(of_set), -1)).all(axis=1)
    np.testing.assert_array_equal(finite, ~of_set)
