"""Counting squares: what is drawn, what models make of it, and a run."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

from configs import counting as config_lib
from gnn_readout.tasks import TASKS, counting
from gnn_readout.training import trainer
from tests.layers.test_counting import literal_iou


def small(variant="module", **fields):
  config = config_lib.get_config(variant)
  config.update(batch_size=5, chunk_size=0, num_eval_sets=7, set_size=6)
  if "width" in config.model:
    config.model.update(width=8, element_widths=(7,), head_widths=())
  config.update_from_flattened_dict(fields)
  return config


@pytest.mark.parametrize(("side", "noise"), [(0.3, 0.0), (0.5, 0.7)])
def test_scores_are_overlaps_and_noise(side, noise):
  batch = counting.draw_squares(jax.random.key(1), 31, 6, side, noise)
  scores, boxes, number = (np.asarray(x, np.float64) for x in batch)
  np.testing.assert_allclose(boxes[..., 2:] - boxes[..., :2], side, rtol=1e-5)
  assert boxes.min() >= 0 and boxes.max() <= 1
  left = []
  for a, b, c in zip(scores, boxes, number.astype(int)):
    for i in range(6):
      overlap = max([literal_iou(b[i], b[j]) for j in range(c)], default=0)
      left.append(a[i] - (1 - noise) * overlap)
  if noise:
    law = stats.uniform(0, noise).cdf
    assert stats.kstest(left, law).pvalue > 0.01
  else:
    np.testing.assert_allclose(left, 0, atol=1e-5)
  assert ((scores >= 0) & (scores <= 1)).all()


def test_all_counts_are_equally_likely():
  batch = counting.draw_squares(jax.random.key(2), 3001, 6, 0.2, 0.0)
  counts = np.bincount(batch.count, minlength=7)
  assert len(counts) == 7 and stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("variant", ["module", "score_sum"])
def test_squares_of_no_side_are_counted_without_training(variant):
  config = small(variant, side=0.0, set_size=10, batch_size=64)
  task = TASKS["counting"](config.to_dict())
  params = jax.jit(task.init)(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  assert jax.jit(task.evaluate)(params, batch)["accuracy"] == 1


@pytest.mark.parametrize("variant", ["module", "score_sum", "sum", "pna"])
def test_gradients_reach_every_parameter(variant):
  task = TASKS["counting"](small(variant, batch_size=37, noise=0.3).to_dict())
  params = jax.jit(task.init)(jax.random.key(0))
  gradient, scalars = jax.jit(jax.grad(task.loss, has_aux=True))(
    params, jax.random.key(1), task.sample(jax.random.key(2))
  )
  assert 0 <= scalars["accuracy"] <= 1
  for x in jax.tree.leaves(gradient):
    assert np.isfinite(x).all() and np.any(x)


def test_what_is_learned_is_in_the_record(tmp_path):
  config = small(num_steps=3, eval_every=2, chunk_size=1)
  (record,) = trainer.train(config, tmp_path)
  assert (record["problem"], record["test"]["metric"]) == (
    "counting",
    "accuracy",
  )
  functions = np.array(record["describe"]["functions"])
  assert functions.shape == (8, 17)
  np.testing.assert_allclose(functions[:, [0, -1]], [[0, 1]] * 8)
  line = np.linspace(0, 1, 17)
  assert 0 < np.abs(functions - line).max() < 0.1  # Three steps from there.


def test_without_the_module_nothing_is_described():
  task = TASKS["counting"](small("score_sum").to_dict())
  assert counting.describe(jax.eval_shape(task.init, jax.random.key(0))) == {}


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"set_size": 0}, "set_size must be at least 1, got 0"),
    ({"side": 1.1}, r"side must lie in \[0, 1\], got 1.1"),
    ({"noise": -0.1}, r"noise must lie in \[0, 1\], got -0.1"),
    ({"model.name": "modul"}, "unknown model.name 'modul'.*'module'"),
  ],
)
def test_tasks_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["counting"](small(**fields).to_dict())


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"model.width": 0}, "model.width must be at least 1, got 0"),
    ({"model.readout.name": "summ"}, "Did you mean 'sum'"),
  ],
)
def test_readouts_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["counting"](small("sum", **fields).to_dict())
