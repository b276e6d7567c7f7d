"""Noisy digits: models and losses a set at a time, and a run."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import denoising as config_lib
from gnn_readout.data.sources import mnist
from gnn_readout.runs import settings
from gnn_readout.sweeps import definitions
from gnn_readout.tasks import TASKS, denoising
from gnn_readout.tasks.set_losses import chamfer
from gnn_readout.training import trainer


def config(variant="fspool,fspool", **fields):
  config = config_lib.get_config(variant).unlock()
  config.update(batch_size=3)
  config.model.update(width=5, latent_size=4, decoder_width=6)
  config.update_from_flattened_dict(fields)
  return config


def digits(count, seed):
  rng = np.random.default_rng(seed)
  images = (255 * (rng.random((count, 5, 5)) < 0.4)).astype(np.uint8)
  images[0] = 0  # No point at all.
  return mnist.Digits(images, np.zeros(count, np.int32))


PARTS = {
  name: digits(count, count)
  for name, count in (("train", 31), ("valid", 7), ("test", 11))
}


def literal_chamfer(one, other):
  def half(one, other):
    return np.mean([min(np.mean((a - b) ** 2) for b in other) for a in one])

  return half(one, other) + half(other, one)


def test_the_chamfer_loss_of_sets_of_several_sizes():
  rng = np.random.default_rng(0)
  sizes, x, y = [1, 4, 3], *rng.normal(size=(2, 3, 5, 2))
  mask = np.arange(5) < np.array(sizes)[:, None]
  got = chamfer(jnp.asarray(x), jnp.asarray(y), mask=jnp.asarray(mask))
  wanted = [literal_chamfer(a[:n], b[:n]) for a, b, n in zip(x, y, sizes)]
  np.testing.assert_allclose(got, wanted, rtol=1e-5)
  slope = jax.grad(lambda x: jnp.sum(chamfer(x, y, mask=mask)))(jnp.asarray(x))
  assert not slope[~mask].any() and np.isfinite(slope).all()
  assert not chamfer(x, y, mask=np.zeros_like(mask)).any()


def test_the_sets_go_in_noisy_and_come_out_clean():
  task = denoising.reconstruction(config(noise=0.05, batch_size=101), PARTS)
  batch = task.sample(jax.random.key(1))
  known = {
    frozenset(map(tuple, np.argwhere(image))) for image in PARTS["train"].images
  }
  for clean, mask in zip(np.asarray(batch.clean), np.asarray(batch.mask)):
    points = np.round(4 * clean[mask]).astype(int)
    assert frozenset(map(tuple, points)) in known
  gaps = np.asarray(batch.noisy - batch.clean)[np.asarray(batch.mask)]
  assert abs(gaps.std() - 0.05) < 0.003 and abs(gaps.mean()) < 0.003
  still = denoising.reconstruction(config(noise=0.0), PARTS)
  batch = still.sample(jax.random.key(1))
  np.testing.assert_array_equal(batch.noisy, batch.clean)


def mlp(params, name, x, layers):
  for k in range(layers):
    own = params[f"{name}/~/linear_{k}"]
    x = np.asarray(x) @ own["w"] + own["b"]
    x = np.maximum(x, 0) if k < layers - 1 else x
  return x


def interpolated(knots, size):
  """f(j / (n - 1), w_d) for every place of a set, [n, D]."""
  at = np.linspace(0, 1, size) if size > 1 else [0.0]
  places = np.linspace(0, 1, len(knots))
  return np.stack([np.interp(at, places, w) for w in np.asarray(knots).T], -1)


def test_fspool_and_fsunpool_a_set_at_a_time():
  task = denoising.reconstruction(config(noise=0.05), PARTS)
  params = jax.jit(task.init)(jax.random.key(0))
  params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
  batch = task.sample(jax.random.key(2))
  loss, _ = jax.jit(task.loss)(params, None, batch)
  losses, distances = [], []
  for noisy, clean, mask in zip(*map(np.asarray, batch)):
    if not mask.any():
      losses.append(0), distances.append(0)
      continue
    x = mlp(params, "element_encoder", noisy[mask], 2)  # [n, D]
    order = np.argsort(-x, axis=0)
    own = interpolated(params["~"]["fspool_knots"], len(x))
    pooled = (own * np.take_along_axis(x, order, 0)).sum(0)
    latent = mlp(params, "encoder", pooled, 2)
    values = mlp(params, "decoder", latent, 2)
    spread = interpolated(params["~"]["fsunpool_knots"], len(x)) * values
    unsorted = np.zeros_like(spread)
    np.put_along_axis(unsorted, order, spread, 0)
    found = mlp(params, "element_decoder", unsorted, 2)
    losses.append(np.mean((found - clean[mask]) ** 2))
    distances.append(literal_chamfer(found, clean[mask]))
  np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-4)
  scores = jax.jit(task.evaluate)(params, batch)
  np.testing.assert_allclose(scores["chamfer"], np.mean(distances), rtol=1e-4)
  np.testing.assert_allclose(scores["direct"], loss, rtol=1e-5)


@pytest.mark.parametrize("variant", config_lib.PUBLISHED)
def test_gradients_reach_every_weight(variant):
  task = denoising.reconstruction(config(variant), PARTS)
  params = jax.jit(task.init)(jax.random.key(0))
  batch = task.sample(jax.random.key(3))
  gradient = jax.jit(jax.grad(task.loss, has_aux=True))
  slopes, _ = gradient(params, jax.random.key(4), batch)
  leaves = jax.tree.leaves(slopes)
  assert all(np.isfinite(x).all() for x in leaves)
  reached = sum(bool(np.any(x)) for x in leaves)
  # An LSTM's inputs are 0, so nothing reaches one part of its weights.
  assert reached >= len(leaves) - variant.endswith("lstm")


def test_a_run_learns(tmp_path, monkeypatch):
  monkeypatch.setattr(mnist, "load", lambda name, data_dir: PARTS)
  learned = config(num_steps=150, eval_every=150, noise=0.0)
  learned.model.update(width=16, latent_size=16)
  learned.optimizer.learning_rate = 1e-2
  (record,) = trainer.train(learned, tmp_path)
  assert record["test"]["metric"] == "chamfer"
  # Points anywhere in the square are about 0.1 off.
  assert record["test"]["value"] < 0.05


def test_the_sweep():
  _, runs = definitions.read("configs/denoising.py:table5_4", [])
  for run in runs:
    settings.check(run.config)
    task = denoising.reconstruction(run.config.to_dict(), PARTS)
    batch = jax.eval_shape(task.sample, jax.random.key(0))
    jax.eval_shape(task.init, jax.random.key(0))
    assert batch.noisy.shape == batch.clean.shape
  assert len(runs) == 10  # Of three seeds each.


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"noise": -0.1}, "noise must be at least 0, got -0.1"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"model.decoder": "mpl"}, "unknown model.decoder 'mpl'.*'mlp'"),
    ({"model.width": 0}, "model.width must be at least 1, got 0"),
    ({"model.readout.name": "sum"}, "'fspool' takes the order.*'sum'"),
  ],
)
def test_tasks_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["denoising"](config(**fields).to_dict())
