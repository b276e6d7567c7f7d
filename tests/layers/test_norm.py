"""Batch normalisation of the real rows against PyTorch's of those alone."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers import norm as norm_lib
from gnn_readout.layers.norm import BatchNorm

pytestmark = pytest.mark.usefixtures("double_precision")

N, D = 31, 7


@pytest.fixture(autouse=True, params=["products", "reductions"])
def _column_sums(request, monkeypatch):
  """Sums the columns in each of the two ways."""
  large = 0 if request.param == "reductions" else 1 << 30
  monkeypatch.setattr(norm_lib, "_LARGE", large)


def transformed(**kwargs):
  return hk.without_apply_rng(
    hk.transform_with_state(
      lambda x, mask, is_training: BatchNorm(name="norm", **kwargs)(
        x, mask, is_training
      )
    )
  )


def example(num_real=23, dtype=np.float64, seed=0):
  """Returns rows, real ones scattered among padding, their mask, parameters."""
  rng = np.random.default_rng(seed)
  x = (3 + rng.normal(size=(N, D)) * np.arange(1, D + 1)).astype(dtype)
  mask = np.zeros(N, bool)
  mask[rng.permutation(N)[:num_real]] = True
  params = {
    "norm": {
      "scale": rng.normal(size=D).astype(dtype),
      "offset": rng.normal(size=D).astype(dtype),
    }
  }
  state = {
    "norm": {
      "mean": rng.normal(size=D).astype(dtype),
      "var": rng.uniform(0.5, 2, D).astype(dtype),
    }
  }
  arrays = jax.tree.map(jnp.asarray, (x, params, state))
  return arrays[0], jnp.asarray(mask), *arrays[1:]


def peer(params, state, **kwargs):
  """Returns PyTorch's layer with the same parameters and estimates."""
  import torch

  norm = torch.nn.BatchNorm1d(D, dtype=torch.float64, **kwargs)
  tensor = lambda x: torch.tensor(np.asarray(x))
  with torch.no_grad():
    norm.weight.copy_(tensor(params["norm"]["scale"]))
    norm.bias.copy_(tensor(params["norm"]["offset"]))
    norm.running_mean.copy_(tensor(state["norm"]["mean"]))
    norm.running_var.copy_(tensor(state["norm"]["var"]))
  return norm


def test_starts_as_pytorchs():
  import torch

  norm = torch.nn.BatchNorm1d(D)
  x, mask, *_ = example()
  params, state = transformed().init(None, x, mask, True)
  np.testing.assert_array_equal(params["norm"]["scale"], norm.weight.detach())
  np.testing.assert_array_equal(params["norm"]["offset"], norm.bias.detach())
  _, state = transformed().init(None, x, mask, False)
  np.testing.assert_array_equal(state["norm"]["mean"], norm.running_mean)
  np.testing.assert_array_equal(state["norm"]["var"], norm.running_var)


@pytest.mark.parametrize("num_real", [2, 23, N])
@pytest.mark.parametrize("is_training", [True, False])
def test_values_gradients_and_estimates_are_pytorchs(num_real, is_training):
  import torch

  x, mask, params, state = example(num_real)
  weights = np.random.default_rng(1).normal(size=(N, D)) * mask[:, None]

  def loss(params, x):
    y, new_state = transformed().apply(params, state, x, mask, is_training)
    return jnp.sum(weights * y), (y, new_state)

  (gradient, x_gradient), (y, new_state) = jax.grad(loss, (0, 1), has_aux=True)(
    params, x
  )

  norm = peer(params, state).train(is_training)
  rows = torch.tensor(np.asarray(x)[np.asarray(mask)], requires_grad=True)
  expected = norm(rows)
  expected.backward(torch.tensor(np.asarray(weights)[np.asarray(mask)]))
  close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
  close(y[mask], expected.detach())
  close(x_gradient[mask], rows.grad)
  close(gradient["norm"]["scale"], norm.weight.grad)
  close(gradient["norm"]["offset"], norm.bias.grad)
  close(new_state["norm"]["mean"], norm.running_mean)
  close(new_state["norm"]["var"], norm.running_var)
  np.testing.assert_array_equal(x_gradient[~mask], 0)


def test_rate_and_epsilon():
  import torch

  x, mask, params, state = example()
  y, new_state = transformed(rate=0.3, epsilon=0.7).apply(
    params, state, x, mask, True
  )
  norm = peer(params, state, momentum=0.3, eps=0.7)
  expected = norm(torch.tensor(np.asarray(x)[np.asarray(mask)]))
  np.testing.assert_allclose(y[mask], expected.detach(), rtol=1e-10)
  np.testing.assert_allclose(
    new_state["norm"]["var"], norm.running_var, rtol=1e-10
  )


def test_estimates_over_several_steps():
  import torch

  _, _, params, state = example()
  norm = peer(params, state)
  for seed, num_real in enumerate((23, 5, 2, 31)):
    x, mask, *_ = example(num_real, seed=seed)
    _, state = transformed().apply(params, state, x, mask, True)
    norm(torch.tensor(np.asarray(x)[np.asarray(mask)]))
  np.testing.assert_allclose(state["norm"]["mean"], norm.running_mean)
  np.testing.assert_allclose(state["norm"]["var"], norm.running_var)


@pytest.mark.parametrize("num_real", [0, 1])
def test_batch_of_no_or_one_real_row(num_real):
  x, mask, params, state = example(num_real)

  def loss(params, x):
    y, new_state = transformed().apply(params, state, x, mask, True)
    return jnp.sum(jnp.where(mask[:, None], y, 0)), (y, new_state)

  gradients, (y, new_state) = jax.grad(loss, (0, 1), has_aux=True)(params, x)
  for leaf in jax.tree.leaves((gradients, y, new_state)):
    assert np.isfinite(leaf).all()
  mean, var = state["norm"]["mean"], state["norm"]["var"]
  if num_real:
    # A single row is its own mean, and has no unbiased variance: 0 here.
    np.testing.assert_allclose(
      y[mask], params["norm"]["offset"][None], atol=1e-12
    )
    np.testing.assert_allclose(gradients[1], 0, atol=1e-12)
    mean, var = 0.9 * mean + 0.1 * x[mask][0], 0.9 * var
  np.testing.assert_allclose(new_state["norm"]["mean"], mean)
  np.testing.assert_allclose(new_state["norm"]["var"], var)


@pytest.mark.parametrize(
  "garbage",
  [
    1e3,
    1e30,
  ],
)
def test_padding_does_not_matter(garbage):
  x, mask, params, state = example(dtype=np.float32)
  run = lambda x: transformed().apply(params, state, x, mask, True)
  expected, expected_state = run(x)
  y, new_state = run(jnp.where(mask[:, None], x, garbage).astype(x.dtype))
  np.testing.assert_allclose(y[mask], expected[mask], rtol=1e-5, atol=1e-6)
  for leaf, other in zip(
    jax.tree.leaves(new_state), jax.tree.leaves(expected_state), strict=True
  ):
    np.testing.assert_allclose(leaf, other, rtol=1e-5)


def test_one_real_row_through_many_layers():
  """Its variance is 0, so that every layer scales padding up by 1/sqrt(eps)."""
  x, mask, _, state = example(1, np.float32)
  params = {"norm": {"scale": jnp.ones(D), "offset": jnp.zeros(D)}}
  params = jax.tree.map(lambda a: a.astype(jnp.float32), params)
  run = jax.jit(lambda x: transformed().apply(params, state, x, mask, True))
  for _ in range(11):
    x, new_state = run(x)
    assert np.isfinite(x[mask]).all()
    assert np.isfinite(new_state["norm"]["mean"]).all()


def test_columns_far_from_zero_in_single_precision():
  """The variance is taken about the mean: E[x^2] - E[x]^2 would give noise."""
  x, mask, params, state = example(dtype=np.float64)
  shifted = (x + 1e4).astype(jnp.float32)
  single = jax.tree.map(lambda a: a.astype(jnp.float32), (params, state))
  y, _ = transformed().apply(*single, shifted, mask, True)
  assert y.dtype == jnp.float32
  expected, _ = transformed().apply(
    params, state, shifted.astype(jnp.float64), mask, True
  )
  np.testing.assert_allclose(y[mask], expected[mask], atol=5e-3)


def test_evaluation_leaves_the_estimates_alone():
  x, mask, params, state = example()
  _, new_state = transformed().apply(params, state, x, mask, False)
  jax.tree.map(np.testing.assert_array_equal, new_state, state)


def test_vmap_over_members():
  """Populations train in one program: each member its own statistics."""
  x, mask, params, state = example()
  other, _, other_params, other_state = example(seed=3)
  stack = lambda *trees: jax.tree.map(lambda *a: jnp.stack(a), *trees)

  def gradients(params, state, x):
    def loss(params, x):
      y, new_state = transformed().apply(params, state, x, mask, True)
      return jnp.sum(jnp.where(mask[:, None], jnp.sin(y), 0)), new_state

    return jax.grad(loss, (0, 1), has_aux=True)(params, x)

  both = jax.jit(jax.vmap(gradients))(
    stack(params, other_params), stack(state, other_state), stack(x, other)
  )
  one = jax.jit(gradients)
  alone = one(params, state, x), one(other_params, other_state, other)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11),
    both,
    stack(*alone),
  )
