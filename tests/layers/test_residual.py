"""The residual network against the listing, and as a linear map."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers.residual import ResidualMLP
from tests.readouts.equilibrium_listing import super_mlp

N, D = 7, 5


def network(**kwargs):
  return hk.without_apply_rng(
    hk.transform(lambda z: ResidualMLP(name="net", **kwargs)(z))
  )


def random_parameters(transformed):
  """Moved away from zeros and ones."""
  shapes = jax.eval_shape(transformed.init, jax.random.key(0), jnp.ones((N, D)))
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes
  )


def test_is_the_listing():
  widths = (5, 11, 3)
  transformed = network(widths=widths)
  params = random_parameters(transformed)
  names = {"layer": "", "skip": "skip_"}
  listing = {}
  for path, values in params.items():
    kind, k = path.removeprefix("net/").split("_")
    for name, value in values.items():
      listing[f"{names.get(kind, '')}{name}_{k}"] = value
  assert "skip_w_0" not in listing and "skip_w_1" in listing
  z = jnp.asarray(np.random.default_rng(1).normal(size=(N, D)), jnp.float32)
  expected = super_mlp(listing, z, widths)
  np.testing.assert_allclose(
    transformed.apply(params, z), expected, rtol=1e-5, atol=1e-5
  )


def test_is_affine_without_norm_and_activation():
  transformed = network(widths=(3, 2), activation=lambda u: u, layer_norm=False)
  params = random_parameters(transformed)
  a, b = np.random.default_rng(2).normal(size=(2, N, D)).astype(np.float32)

  def f(z):
    return np.asarray(transformed.apply(params, z))

  np.testing.assert_allclose(
    f(a + b) - f(b), f(a) - f(0 * a), rtol=1e-4, atol=1e-4
  )
  assert np.abs(f(a) - f(b)).max() > 1


@pytest.mark.parametrize(
  ("widths", "words"), [((), "at least one"), ((3, 0), "be positive")]
)
def test_impossible_widths(widths, words):
  with pytest.raises(ValueError, match=f"widths must .*{words}"):
    network(widths=widths).init(jax.random.key(0), jnp.ones((N, D)))
