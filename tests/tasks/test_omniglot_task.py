"""Class counting: how sets are drawn, and what is made of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from configs import omniglot as config_lib
from gnn_readout.tasks import TASKS, omniglot

# Characters, drawings, sets, images of a set, most classes.
C, K, S, M, CLASSES = 13, 17, 1009, 11, 7


@pytest.fixture(scope="module")
def drawn():
  """Sets of the numbers of drawings, d + K c, [S, M], and their classes [S]."""
  numbers = jnp.arange(C * K).reshape(C, K)
  draw = jax.jit(omniglot.draw_sets, static_argnums=(2, 3, 4))
  return jax.tree.map(
    np.asarray, draw(jax.random.key(0), numbers, S, M, CLASSES)
  )


def test_the_label_is_the_number_of_characters(drawn):
  assert drawn.images.shape == (S, M)
  found = [len(np.unique(characters)) for characters in drawn.images // K]
  np.testing.assert_array_equal(found, drawn.num_classes)


def test_no_image_is_in_a_set_twice(drawn):
  assert all(len(np.unique(images)) == M for images in drawn.images)


def test_all_numbers_of_classes_are_equally_likely(drawn):
  counts = np.bincount(drawn.num_classes, minlength=CLASSES + 1)
  assert counts[0] == 0 and len(counts) == CLASSES + 1
  assert stats.chisquare(counts[1:]).pvalue > 1e-3


def test_all_drawings_are_equally_likely(drawn):
  # Of a set of few classes the characters are far from independent draws.
  many = drawn.num_classes >= CLASSES - 1
  counts = np.bincount(drawn.images[many].ravel(), minlength=C * K)
  assert stats.chisquare(counts).pvalue > 1e-3


def test_further_images_are_of_any_class_alike(drawn):
  of_two = drawn.images[drawn.num_classes == 2] // K
  further = np.sum(of_two[:, 2:] == of_two[:, :1], axis=1)
  expected = stats.binom(M - 2, 0.5)
  error = expected.std() / np.sqrt(len(further))
  assert abs(further.mean() - expected.mean()) < 4 * error
  assert 0.6 < further.var() / expected.var() < 1.6


def tiny(readout="sum", **fields):
  """A config of a network of a few numbers, on sets of 5 images."""
  config = config_lib.get_config(f"{readout},small").unlock()
  config.sets.update(set_size=5, num_classes=3)
  config.model.encoder.update(channels=(3,), width=7)
  config.model.output.widths = (5,)
  if readout == "equilibrium":
    config.model.encoder.channels = ()  # Convolutions take long to compile.
    config.model.readout.update(widths=(11, 5, 3), num_steps=3, aux_weight=0.5)
  config.update_from_flattened_dict(fields)
  return config


def parts(num_characters=3, num_drawings=5):
  """Grey images of 8x8 pixels, of every part in another range of 50."""
  rng = np.random.default_rng(0)
  shape = num_characters, num_drawings, 8, 8
  return {
    name: (rng.integers(0, 50, shape) + 50 * i).astype(np.uint8)
    for i, name in enumerate(("train", "valid", "test"))
  }


def test_evaluation_of_a_sum():
  task = omniglot.class_counting(tiny(), parts())
  params = task.init(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  evaluate = jax.jit(task.evaluate)

  zeros = evaluate(jax.tree.map(jnp.zeros_like, params), batch)
  np.testing.assert_allclose(zeros["cross_entropy"], np.log(3), rtol=1e-6)
  # All classes are equally likely, and the first of them is one.
  expected = np.mean(np.asarray(batch.num_classes) == 1)
  np.testing.assert_allclose(zeros["accuracy"], expected)
  assert 0 < expected < 1

  result = evaluate(params, batch)
  order = np.random.default_rng(0).permutation(5)
  turned = batch._replace(images=batch.images[:, order])
  moved = jax.tree.map(lambda x: x[::-1], turned)
  for same in (turned, moved):
    np.testing.assert_allclose(
      evaluate(params, same)["cross_entropy"],
      result["cross_entropy"],
      rtol=1e-5,
    )
  wrong = batch._replace(images=batch.images[::-1])
  difference = evaluate(params, wrong)["cross_entropy"]
  assert abs(difference - result["cross_entropy"]) > 1e-3


def test_every_part_has_its_own_images():
  task = omniglot.class_counting(tiny(), parts())
  samplers = task.sample, task.sample_valid, task.sample_test
  for i, sample in enumerate(samplers):
    images, num_classes = sample(jax.random.key(2))
    assert images.shape == (8, 5, 8, 8) and images.dtype == jnp.uint8
    assert (images // 50 == i).all()
    assert set(num_classes.tolist()) <= {1, 2, 3}
  assert task.metric == "accuracy" and not task.lower_is_better


def test_training_an_equilibrium():
  task = omniglot.class_counting(tiny("equilibrium"), parts())
  optimizer = optax.adam(1e-2)
  batch = task.sample(jax.random.key(3))

  @jax.jit
  def step(params, state):
    (loss, scalars), gradient = jax.value_and_grad(task.loss, has_aux=True)(
      params, jax.random.key(0), batch
    )
    updates, state = optimizer.update(gradient, state)
    return optax.apply_updates(params, updates), state, loss, scalars

  params = task.init(jax.random.key(4))
  state, losses = optimizer.init(params), []
  for _ in range(40):
    params, state, loss, scalars = step(params, state)
    assert scalars["aux_loss"] > 0 and "inner_max_norm" in scalars
    np.testing.assert_allclose(
      loss, scalars["cross_entropy"] + 0.5 * scalars["aux_loss"], rtol=1e-6
    )
    losses.append(float(loss))
  assert losses[-1] < 0.7 * losses[0]


def test_what_a_readout_measures_is_measured_on_the_size_of_sets():
  def program(**fields):
    task = omniglot.class_counting(tiny("pna", **fields), parts())
    params = jax.eval_shape(task.init, jax.random.key(0))
    batch = jax.eval_shape(task.sample, jax.random.key(0))
    return str(jax.make_jaxpr(task.evaluate)(params, batch))

  # PNA's delta is the mean of log(size + 1).
  expected = program(**{"model.readout.delta": float(np.log(6))})
  assert program() == expected
  assert program(**{"model.readout.delta": 2.0}) != expected


@pytest.mark.parametrize(
  ("fields", "shape", "words"),
  [
    ({"batch_size": 0}, (3, 5), "batch_size must be at least 1, got 0"),
    ({"sets.num_classes": 0}, (3, 5), "from 1 to sets.set_size = 5, got 0"),
    ({"sets.num_classes": 6}, (9, 5), "from 1 to sets.set_size = 5, got 6"),
    ({}, (2, 5), "train: 2 characters with 5 drawings each, but sets of 5"),
    ({}, (3, 4), "train: 3 characters with 4 drawings each, but sets of 5"),
    ({"model.readout.name": "summ"}, (3, 5), "Did you mean 'sum'"),
  ],
)
def test_an_impossible_config_is_refused(fields, shape, words):
  with pytest.raises(ValueError, match=words):
    omniglot.class_counting(tiny(**fields), parts(*shape))


def test_a_missing_dataset_says_how_to_get_it(tmp_path):
  with pytest.raises(FileNotFoundError, match="--dataset=omniglot-small"):
    TASKS["omniglot"](tiny(), tmp_path, tmp_path)


def test_the_real_images(data_dir, tmp_path):
  config = config_lib.get_config("sum,small")
  task = TASKS["omniglot"](config, data_dir, tmp_path)
  for sample in (task.sample, task.sample_valid, task.sample_test):
    batch = jax.eval_shape(sample, jax.random.key(0))
    assert batch.images.shape == (8, 16, 32, 32)
    assert batch.num_classes.shape == (8,)
