"""The auto-encoders, written out in numpy, and what they must not depend on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers import featurewise_sort
from gnn_readout.readouts import Aggregate
from gnn_readout.tasks import set_autoencoder

S, N, D, K, WIDTH = 3, 5, 2, 7, 4
FSPOOL = {"name": "fspool", "num_knots": K, "temperature": 0.7}


def config(decoder="fspool", **changes):
  return {
    "width": WIDTH,
    "latent_size": 3,
    "latent_value": None,
    "readout": FSPOOL,
    "decoder": decoder,
    **changes,
  }


def points():
  rng = np.random.default_rng(0)
  return rng.normal(size=(S, N, D)).astype(np.float32)


def built(model):
  """The parameters, biases and all, away from where they start, and f."""
  autoencoder = set_autoencoder.build_autoencoder(model)
  shapes = jax.eval_shape(autoencoder.init, jax.random.key(0), points(), True)
  rng = np.random.default_rng(1)
  params = jax.tree.map(
    lambda x: rng.normal(size=x.shape).astype(np.float32), shapes
  )
  return params, lambda params, x: autoencoder.apply(params, None, x, False)


def layers(params, name, x):
  """Linear-ReLU-...-Linear, as many as the parameters of that name."""
  count = sum(key.startswith(f"{name}/~/") for key in params)
  for i in range(count):
    linear = params[f"{name}/~/linear_{i}"]
    x = (np.maximum(x, 0) if i else x) @ linear["w"] + linear["b"]
  return x


def neural_sort(s, tau):
  n = len(s)
  spread = np.abs(s[:, None] - s).sum(1)
  logits = ((n - 1 - 2 * np.arange(n))[:, None] * s - spread) / tau
  weights = np.exp(logits - logits.max(1, keepdims=True))
  return weights / weights.sum(1, keepdims=True)


def rank_weights(knots):
  """[N, D]: f at r = 0, 1 / (N - 1), ..., 1."""
  at, r = np.linspace(0, 1, len(knots)), np.linspace(0, 1, N)
  return np.stack([np.interp(r, at, w) for w in knots.T], -1)


def literal(params, x, decoder, readout):
  """One set of points [N, D] in double precision."""
  x = layers(params, "element_encoder", x.astype(np.float64))
  if readout == "sum":
    pooled = x.sum(0)
  else:
    knots = rank_weights(params["~"]["fspool_knots"])
    sorts = [neural_sort(s, FSPOOL["temperature"]) for s in x.T]
    pooled = np.array([w @ p @ s for w, p, s in zip(knots.T, sorts, x.T)])
  latent = layers(params, "encoder", pooled)
  y = layers(params, "decoder", latent)
  if decoder == "mlp":
    return y.reshape(N, D)
  knots = rank_weights(params["~"]["fsunpool_knots"])
  y = np.stack([p.T @ w * v for p, w, v in zip(sorts, knots.T, y)], -1)
  return layers(params, "element_decoder", y)


@pytest.mark.parametrize(
  ("decoder", "readout"),
  [("fspool", FSPOOL), ("mlp", FSPOOL), ("mlp", {"name": "sum"})],
)
def test_against_numpy(decoder, readout):
  params, apply = built(config(decoder, readout=readout))
  got, aux_loss = jax.jit(apply)(params, points())
  wanted = [literal(params, x, decoder, readout["name"]) for x in points()]
  np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
  assert np.ptp(wanted, axis=0).max() > 0.05  # It does see its input.
  np.testing.assert_array_equal(aux_loss, np.zeros(S))


def test_the_reconstruction_comes_in_the_order_of_the_input():
  params, apply = built(config())
  order = np.random.default_rng(2).permutation(N)
  apply = jax.jit(apply)
  there, _ = apply(params, points()[:, order])
  here, _ = apply(params, points())
  np.testing.assert_allclose(there, here[:, order], rtol=1e-4, atol=1e-5)
  assert np.abs(there - here).max() > 0.01


def test_unpooling_undoes_the_sort_of_pooling():
  elements = points()
  knots = jnp.linspace(1, 0, K)[:, None].repeat(D, 1)  # Falling with the rank.

  @jax.jit
  def sort_and_unsort(elements):
    _, permutation = featurewise_sort.relaxed_fspool(elements, knots, 1e-6)
    return featurewise_sort.relaxed_fsunpool(
      jnp.ones((S, D)), knots, permutation
    )

  unpooled = np.asarray(sort_and_unsort(elements))
  np.testing.assert_array_equal(
    np.argsort(unpooled, axis=1), np.argsort(elements, axis=1)
  )
  # And what stands there are the weights of the ranks.
  weights = np.sort(unpooled, axis=1)
  np.testing.assert_allclose(weights[0, :, 0], np.linspace(0, 1, N), atol=1e-6)


def gradient_at_zero_biases(latent_value):
  params, apply = built(config(latent_value=latent_value))
  params = {
    name: {k: 0 * x if k == "b" else x for k, x in part.items()}
    for name, part in params.items()
  }

  @jax.jit
  @jax.grad
  def gradient(params):
    return jnp.square(apply(params, points())[0] - points()).mean()

  return gradient(params)


def test_a_given_latent_value_cuts_the_encoder_off():
  gradient = gradient_at_zero_biases(1.0)
  for name, part in gradient.items():
    if name.startswith("encoder"):
      assert not any(np.any(x) for x in part.values())
  # The permutation, which the decoder reads, is that of the elements.
  assert np.any(gradient["element_encoder/~/linear_0"]["w"])


def test_a_latent_vector_of_zeros_starts_where_nothing_can_be_learned():
  # Without biases the decoder is 0, where the ReLU lets no gradient through.
  gradient = gradient_at_zero_biases(0.0)
  assert np.any(gradient["element_decoder/~/linear_1"].pop("b"))
  assert not any(np.any(x) for x in jax.tree.leaves(gradient))


def test_the_auxiliary_loss_of_a_readout_is_weighted(monkeypatch):
  def readout(name, output_size):
    def pool(elements, sets, is_training):
      assert is_training
      return Aggregate(jnp.zeros((S, output_size)), jnp.full(S, 3.0), {})

    return pool

  monkeypatch.setattr(set_autoencoder, "make_readout", readout)
  model = config("mlp", readout={"name": "sum", "aux_weight": 0.5})
  autoencoder = set_autoencoder.build_autoencoder(model)
  init = jax.jit(autoencoder.init, static_argnums=2)
  params = init(jax.random.key(0), points(), True)
  _, aux_loss = autoencoder.apply(params, None, points(), True)
  np.testing.assert_array_equal(aux_loss, np.full(S, 1.5))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"decoder": "fspol"}, "unknown model.decoder 'fspol'.*'fspool'"),
    ({"readout": {"name": "summ"}}, "Unknown readout 'summ'.*'sum'"),
    ({"readout": {"name": "sum"}}, "order found by the readout 'fspool'"),
    ({"width": 0}, "model.width must be at least 1, got 0"),
    ({"latent_size": 0}, "model.latent_size must be at least 1, got 0"),
    (
      {"readout": FSPOOL | {"num_knots": 1}},
      "model.readout.num_knots must be at least 2, got 1",
    ),
    (
      {"readout": FSPOOL | {"temperature": 0.0}},
      "model.readout.temperature must be positive, got 0.0",
    ),
  ],
)
def test_impossible_models_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    set_autoencoder.build_autoencoder(config(**changes))
