"""Mosaics: tiles, their shuffling, and a run that puts them back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import mosaics as config_lib
from gnn_readout.runs import settings
from gnn_readout.sweeps import definitions
from gnn_readout.tasks import TASKS, mosaics
from gnn_readout.training import trainer


def config(variant="po_u,digits", **fields):
  config = config_lib.get_config(variant)
  config.update(batch_size=8, num_eval_sets=20)
  config.model.update(channels=3, width=5)
  config.update_from_flattened_dict(fields)
  return config


def images(count=31):
  """Each quarter of an image has its own shade, and a little noise."""
  rng = np.random.default_rng(0)
  shades = np.kron([[40, 100], [160, 220]], np.ones((4, 4)))
  parts = {
    name: (shades + rng.integers(0, 20, (count, 8, 8))).astype(np.uint8)
    for name in ("train", "valid", "test")
  }
  return mosaics.Images(parts, 0.5, 0.25)


def test_tiles_are_squares_row_by_row():
  rng = np.random.default_rng(1)
  whole = rng.integers(0, 256, (2, 6, 6)).astype(np.uint8)
  got = mosaics.cut(jnp.asarray(whole), 3, 0.5, 0.25)
  assert got.shape == (2, 9, 2, 2)
  for place in range(9):
    r, c = divmod(place, 3)
    wanted = whole[:, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
    np.testing.assert_allclose(
      got[:, place], (wanted / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-6
    )
  # 28 pixels are no three tiles: they become 30.
  assert mosaics.cut(jnp.zeros((1, 28, 28)), 3, 0, 1).shape == (1, 9, 10, 10)


def test_shuffled_tiles_are_the_same_tiles():
  target = jnp.arange(7 * 4.0).reshape(7, 4, 1, 1)
  batch = mosaics.shuffled(jax.random.key(0), target)
  np.testing.assert_array_equal(np.sort(batch.tiles, axis=1), target)
  orders = {tuple(row.ravel() % 4) for row in np.asarray(batch.tiles)}
  assert len(orders) > 2


@pytest.mark.parametrize("variant", ["po_u,digits", "po_la,digits"])
def test_gradients_reach_every_parameter(variant):
  task = mosaics.restoration(config(variant), images())
  params = jax.jit(task.init)(jax.random.key(0))
  gradient, _ = jax.jit(jax.grad(task.loss, has_aux=True))(
    params, None, task.sample(jax.random.key(1))
  )
  for x in jax.tree.leaves(gradient):
    assert np.isfinite(x).all() and np.any(x)


def test_a_run_restores_images(tmp_path, monkeypatch):
  monkeypatch.setitem(mosaics.DATASETS, "mnist-sets", lambda *unused: images())
  learned = config(num_steps=150, eval_every=75)
  learned.optimizer.learning_rate = 0.01
  (record,) = trainer.train(learned, tmp_path)
  # One order of 24 is right.
  assert record["test"]["metric"] == "accuracy"
  assert record["test"]["value"] > 0.9


def test_the_sweep():
  _, runs = definitions.read("configs/mosaics.py:tables4", [])
  assert len(runs) == 12
  for run in runs:
    settings.check(run.config)
    mosaics.restoration(run.config, images())


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"side": 1}, "side must be at least 2, got 1"),
    ({"dataset": "mnist"}, "unknown dataset 'mnist'.*'mnist-sets'"),
    ({"model.start": "linea"}, "unknown model.start 'linea'.*'linear'"),
    ({"model.num_steps": -1}, "model.num_steps must be at least 0, got -1"),
  ],
)
def test_tasks_that_cannot_be(fields, message, tmp_path):
  with pytest.raises(ValueError, match=message):
    TASKS["mosaics"](config(**fields).to_dict(), tmp_path)
