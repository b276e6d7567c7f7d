"""Median estimation: what is drawn, and what the model makes of it."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
import scipy.stats

from configs.median import get_config
from gnn_readout.tasks import TASKS, median

LAWS = {
  "uniform": scipy.stats.uniform(0, 1),
  "gamma": scipy.stats.gamma(0.5, scale=0.2),
  "normal": scipy.stats.norm(0.5, 0.4),
}


def _small(variant="sum", **fields):
  config = get_config(variant)
  config.update(batch_size=5, set_size=11, num_eval_sets=7)
  config.model.width = 8
  with config.unlocked():
    if config.model.element_widths:
      config.model.element_widths = (13,)
    config.model.update_from_flattened_dict(fields)
  return config.to_dict()


@pytest.mark.parametrize("name", LAWS)
def test_numbers_are_of_their_distribution(name):
  """Kolmogorov and Smirnov, with a p-value for this seed."""
  u = jax.random.uniform(jax.random.key(5), (20_000,))
  z = jax.scipy.special.ndtri(u)
  numbers = median.DISTRIBUTIONS[name](u, z)
  assert scipy.stats.kstest(np.asarray(numbers), LAWS[name].cdf).pvalue > 0.1
  for other in LAWS:
    if other != name:
      law = LAWS[other].cdf
      assert scipy.stats.kstest(np.asarray(numbers), law).pvalue < 1e-9


def test_sets_are_of_one_distribution_each_in_equal_shares():
  batch = median.draw_sets(jax.random.key(2), 211, 1009)
  pvalues = np.array(
    [
      scipy.stats.kstest(np.asarray(batch.numbers), law.cdf, axis=1).pvalue
      for law in LAWS.values()
    ]
  )  # [3, S]
  # Of a set's own law the p-value is uniform; of the other two it is tiny.
  own, second = -np.sort(-pvalues, axis=0)[:2]
  assert own.min() > 1e-4
  assert second.max() < 1e-2
  shares = np.bincount(pvalues.argmax(axis=0), minlength=3)
  assert scipy.stats.chisquare(shares).pvalue > 0.05

  # All sets together: the mixture, in which no draw is used twice.
  def mixture(x):
    return np.mean([law.cdf(x) for law in LAWS.values()], axis=0)

  assert np.unique(batch.numbers).size > 0.99 * batch.numbers.size
  whole = scipy.stats.kstest(np.asarray(batch.numbers).ravel(), mixture)
  assert whole.statistic < 0.05


@pytest.mark.parametrize("size", [7, 10])
def test_the_label_is_numpys_median(size):
  batch = median.draw_sets(jax.random.key(3), 13, size)
  assert batch.numbers.shape == (13, size)
  assert batch.numbers.dtype == np.float32
  expected = np.median(np.asarray(batch.numbers, np.float64), axis=1)
  np.testing.assert_allclose(batch.median, expected, rtol=1e-6)


def test_draws_follow_from_the_key():
  draws = [
    median.draw_sets(jax.random.key(seed), 3, 5).numbers for seed in (1, 1, 2)
  ]
  np.testing.assert_array_equal(draws[0], draws[1])
  assert np.abs(draws[0] - draws[2]).min() > 0
  with jax.enable_x64(True):
    draw = functools.partial(median.draw_sets, num_sets=3, set_size=5)
    assert jax.eval_shape(draw, jax.random.key(1)).median.dtype == np.float64


@pytest.mark.parametrize("variant", ["sum", "equilibrium,squared"])
def test_loss_and_gradient(variant):
  """The loss is the squared error of one number per set, whatever the order."""
  task = TASKS["median"](_small(variant))
  batch = task.sample(jax.random.key(1))
  params = jax.jit(task.init)(jax.random.key(0))
  gradient = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
  (loss, scalars), grads = gradient(params, jax.random.key(2), batch)
  weight = _small(variant)["model"]["readout"]["aux_weight"]
  np.testing.assert_allclose(
    loss, scalars["mse"] + weight * scalars["aux_loss"], rtol=1e-6
  )
  assert (scalars["aux_loss"] > 0) == variant.startswith("equilibrium")
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(grads))
  assert sum(np.abs(x).max() > 0 for x in jax.tree.leaves(grads)) > 10
  order = np.random.default_rng(4).permutation(11)
  turned = batch._replace(numbers=batch.numbers[:, order])
  (same, _), _ = gradient(params, jax.random.key(2), turned)
  np.testing.assert_allclose(same, loss, rtol=1e-3)
  evaluate = jax.jit(task.evaluate)
  np.testing.assert_allclose(
    evaluate(params, batch)["mse"], scalars["mse"], rtol=1e-5
  )
  # Moved labels: mean (f - m + d)^2 = mean (f - m)^2 + 2 d mean (f - m) + d^2.
  lower, middle, upper = (
    evaluate(params, batch._replace(median=batch.median + d))["mse"]
    for d in (-1.0, 0.0, 1.0)
  )
  np.testing.assert_allclose(lower + upper - 2 * middle, 2, rtol=1e-3)


def test_widths_are_those_of_the_paper():
  shapes = {}
  for variant in ("sum", "equilibrium"):
    config = get_config(variant)
    config.model.width = 24
    params = jax.eval_shape(
      TASKS["median"](config.to_dict()).init, jax.random.key(0)
    )
    shapes[variant] = {
      f"{module}/{name}": x.shape
      for module, values in params.items()
      for name, x in values.items()
    }
  output = {
    f"output_net/layer_{k}/w": shape
    for k, shape in enumerate([(24, 24), (24, 128), (128, 1)])
  }
  layers = {
    f"element_net/layer_{k}/w": shape
    for k, shape in enumerate([(1, 256), (256, 256), (256, 24)])
  }
  assert (output | layers).items() <= shapes["sum"].items()
  potential = {
    f"equilibrium_aggregation/w_{k}": shape
    for k, shape in enumerate([(25, 256), (256, 256), (256, 1)])
  }
  assert (output | potential).items() <= shapes["equilibrium"].items()
  assert not any(name.startswith("element") for name in shapes["equilibrium"])


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"set_size": 0}, "set_size must be at least 1, got 0"),
    ({"batch_size": -1}, "batch_size must be at least 1, got -1"),
    ({"num_eval_sets": 0}, "num_eval_sets must be at least 1, got 0"),
  ],
)
def test_numbers_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["median"](_small() | fields)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"width": 0}, "model.width must be at least 1, got 0"),
    ({"element_widths": (13, 0)}, "model.element_widths must be positive"),
    ({"head_widths": (-1,)}, "model.head_widths must be positive"),
    ({"readout.name": "summ"}, "Unknown readout 'summ'. Did you mean 'sum'"),
  ],
)
def test_models_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["median"](_small(**fields))


def test_what_a_readout_measures_is_the_size_of_the_sets():
  task = TASKS["median"](_small("pna"))
  assert jax.eval_shape(task.init, jax.random.key(0))
