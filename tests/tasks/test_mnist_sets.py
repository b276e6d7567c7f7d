"""Digits as sets: their points, what models make of them, and a run."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from configs import mnist_sets as config_lib
from gnn_readout.data.sources import mnist
from gnn_readout.readouts import READOUTS
from gnn_readout.runs import settings
from gnn_readout.sweeps import definitions
from gnn_readout.tasks import TASKS, mnist_sets
from gnn_readout.training import trainer


def config(variant="sum", **fields):
  config = config_lib.get_config(variant).unlock()
  config.update(batch_size=3)
  config.model.update(width=5, latent_size=4)
  config.update_from_flattened_dict(fields)
  return config


def digits(count, seed):
  """Images of 5x5 pixels; the digit is the row in which ink lies, times 2."""
  rng = np.random.default_rng(seed)
  labels = 2 * rng.integers(0, 5, count)
  images = np.zeros((count, 5, 5), np.uint8)
  for image, label in zip(images, labels):
    image[label // 2, : rng.integers(1, 6)] = rng.integers(34, 255)
    image[(label // 2 + 1) % 5, 0] = 33  # Below the mean: no point.
  return mnist.Digits(images, labels.astype(np.int32))


PARTS = {
  name: digits(count, seed)
  for seed, (name, count) in enumerate(
    [("train", 61), ("valid", 7), ("test", 11)]
  )
}


def test_points_are_the_bright_pixels():
  images = PARTS["train"].images
  numbers, sizes = mnist_sets.pixel_numbers(images)
  points, mask = mnist_sets.as_points(numbers, sizes, 5)
  assert numbers.shape == (61, sizes.max())
  for image, own, real in zip(images, np.asarray(points), np.asarray(mask)):
    wanted = np.argwhere(image / 255 > 0.1307) / 4
    np.testing.assert_allclose(own[real], wanted, rtol=1e-6)
    assert real.sum() == len(wanted)


def test_noise_has_its_deviation():
  task = mnist_sets.classification(config(noise=0.05, batch_size=101), PARTS)
  clean = mnist_sets.classification(config(noise=0.0, batch_size=101), PARTS)
  one, other = (t.sample(jax.random.key(3)) for t in (task, clean))
  np.testing.assert_array_equal(one.labels, other.labels)
  added = np.asarray(one.points - other.points)[np.asarray(one.mask)]
  np.testing.assert_allclose(added.std(), 0.05, rtol=0.1)
  assert abs(added.mean()) < 0.01
  rows = np.asarray(other.points)[..., 0] * 8
  mask = np.asarray(other.mask)
  wanted = np.asarray(other.labels)[:, None] + 0 * rows
  np.testing.assert_allclose(rows[mask], wanted[mask], atol=1e-5)


def test_the_model_is_that_of_the_thesis():
  """As many parameters as 20 knots make; and the sum, layer by layer."""
  task = mnist_sets.classification(config_lib.get_config("fspool"), PARTS)
  params = jax.eval_shape(task.init, jax.random.key(0))
  assert sum(x.size for x in jax.tree.leaves(params)) == 3818
  task = mnist_sets.classification(config("sum", noise=0.0), PARTS)
  params = task.init(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  losses = []
  for points, real, label in zip(*map(np.asarray, batch)):

    def layers(name, x):
      for k in range(2):
        layer = params[f"{name}/~/linear_{k}"]
        x = np.maximum(x, 0) if k else x
        x = x @ np.float64(layer["w"]) + np.float64(layer["b"])
      return x

    pooled = layers("element_encoder", points[real]).sum(axis=0)
    logits = layers("classifier", layers("encoder", pooled))
    losses.append(np.log(np.exp(logits).sum()) - logits[label])
  got, _ = task.loss(params, jax.random.key(2), batch)
  np.testing.assert_allclose(got, np.mean(losses), rtol=1e-5)


def test_padding_does_not_matter():
  task = mnist_sets.classification(config("mean"), PARTS)
  params = task.init(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  other = batch._replace(
    points=np.where(batch.mask[..., None], batch.points, 1e6)
  )
  results = [task.evaluate(params, x)["cross_entropy"] for x in (batch, other)]
  np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_every_digit_is_scored_once():
  task = mnist_sets.classification(config(), PARTS)
  exam = task.exam([task], ["valid", "test"])
  for batch, name in zip(exam.batches, ("valid", "test")):
    assert batch.labels.shape == (1, len(PARTS[name].labels))
    np.testing.assert_array_equal(batch.labels[0], PARTS[name].labels)
  few = mnist_sets.classification(
    config(num_eval_sets=150), PARTS | {"test": digits(399, 9)}
  )
  (batch,) = few.exam([few], ["test"]).batches
  assert batch.labels.shape == (2, 100)


def test_a_run_learns(tmp_path, monkeypatch):
  monkeypatch.setattr(mnist, "load", lambda *unused: PARTS)
  learned = config("mean", noise=0.0, num_steps=400, eval_every=200)
  learned.update(batch_size=16)
  learned.model.update(width=16, latent_size=8)
  learned.optimizer.learning_rate = 0.02
  (record,) = trainer.train(learned, tmp_path)
  assert record["test"]["metric"] == "accuracy"
  # Five of ten digits are there: the row alone tells which.
  assert record["test"]["value"] > 0.9


@pytest.mark.parametrize("variant", sorted(READOUTS))
def test_every_readout_can_be_trained(variant):
  whole = config_lib.get_config(variant)
  settings.check(whole)
  task = mnist_sets.classification(whole, PARTS)
  batch = jax.eval_shape(task.sample, jax.random.key(0))
  params = jax.eval_shape(task.init, jax.random.key(0))
  loss, scalars = jax.eval_shape(task.loss, params, jax.random.key(0), batch)
  assert loss.shape == scalars["accuracy"].shape == ()


def test_what_a_readout_measures_is_measured_on_the_training_sets():
  task = mnist_sets.classification(config("pna"), PARTS)
  sizes = (PARTS["train"].images > 33).sum(axis=(1, 2))
  given = READOUTS["pna"].arguments_from_data(sizes)["delta"]
  other = mnist_sets.classification(
    config("pna", **{"model.readout.delta": float(given)}), PARTS
  )
  params = task.init(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  one, two = (t.evaluate(params, batch) for t in (task, other))
  assert one["cross_entropy"] == two["cross_entropy"]


def test_the_sweeps():
  _, runs = definitions.read("configs/mnist_sets.py:readouts", [])
  assert {r.config.model.readout.name for r in runs} == {*READOUTS}
  _, runs = definitions.read("configs/mnist_sets.py:ten_epochs", [])
  assert len(runs) == 8


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"noise": -0.1}, "noise must be at least 0, got -0.1"),
    ({"model.width": 0}, "model.width must be at least 1, got 0"),
    ({"model.readout.name": "summ"}, "Did you mean 'sum'"),
  ],
)
def test_tasks_that_cannot_be(fields, message, tmp_path):
  with pytest.raises(ValueError, match=message):
    TASKS["mnist_sets"](config(**fields), tmp_path)
