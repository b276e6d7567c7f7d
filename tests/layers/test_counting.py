"""The counting module against loops over boxes, and what it promises."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.layers import counting

pytestmark = pytest.mark.usefixtures("double_precision")

N = 7
IDENTITY = np.ones((8, 16))
count = jax.jit(counting.count)


def literal_iou(one, two):
  width = min(one[2], two[2]) - max(one[0], two[0])
  height = min(one[3], two[3]) - max(one[1], two[1])
  common = max(width, 0) * max(height, 0)
  areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, two)]
  return common / (sum(areas) - common)


def literal_f(w, x):
  """Equation 3.1 as it is printed."""
  d, w = len(w), np.abs(w)
  return sum(
    max(0, 1 - abs(d * x - i)) * w[:i].sum() / w.sum() for i in range(1, d + 1)
  )


def literal(a, b, weights):
  """The count and the features, (3.2) to (3.12), one number at a time."""
  n = len(a)
  at = range(n)
  f = [None, *(lambda x, w=w: literal_f(w, x) for w in weights)]
  relevance = [[a[i] * a[j] for j in at] for i in at]
  distance = [[1 - literal_iou(b[i], b[j]) for j in at] for i in at]
  x = [[f[4](relevance[i][j]) * f[5](distance[i][j]) for j in at] for i in at]
  s = []
  for i in at:
    alike = [f[3](1 - abs(a[i] - a[j])) for j in at]
    for j in at:
      for k in at:
        alike[j] *= f[3](1 - abs(x[i][k] - x[j][k]))
    s.append(1 / sum(alike))
  total = sum(s[i] * f[1](a[i] ** 2) for i in at)
  for i in at:
    for j in at:
      edge = f[1](relevance[i][j]) * f[2](distance[i][j])
      total += edge * s[i] * s[j]
  c = total**0.5
  doubt = np.mean([abs(f[6](x) - 0.5) for x in a])
  doubt += np.mean([abs(f[7](x) - 0.5) for row in distance for x in row])
  near = min(c, n)
  o = [max(0, 1 - abs(near - i)) for i in range(n + 1)]
  return c, f[8](doubt) * np.array(o)


def example(seed=0, n=N, side=0.4):
  rng = np.random.default_rng(seed)
  corners = rng.random((n, 2)) * (1 - side)
  return rng.random(n), np.concatenate([corners, corners + side], 1)


def weights(seed=1):
  return np.random.default_rng(seed).normal(size=(8, 16))


@pytest.mark.parametrize("seed", range(3))
def test_against_loops(seed):
  scores, boxes = example(seed)
  got = count(scores, boxes, weights(seed))
  c, features = literal(scores, boxes, weights(seed))
  np.testing.assert_allclose(got.count, c, rtol=1e-12)
  np.testing.assert_allclose(got.features, features, rtol=1e-11, atol=1e-12)


def test_functions_are_monotone_from_0_to_1():
  x = np.linspace(0, 1, 101)
  for w in weights():
    got = np.asarray(counting.monotone(x, w))
    np.testing.assert_allclose(got, [literal_f(w, t) for t in x], atol=1e-14)
    assert got[0] == 0 and abs(got[-1] - 1) < 1e-15
    assert (np.diff(got) >= -1e-15).all()
  np.testing.assert_allclose(counting.monotone(x, np.ones(16)), x, atol=1e-15)


@pytest.mark.parametrize("side", [0.1, 1e-6, 0.0])
@pytest.mark.parametrize("seed", range(3))
def test_duplicates_are_not_counted(side, seed):
  """Any number of any of the boxes, relevant or not, however small."""
  rng = np.random.default_rng(seed)
  n, objects = 23, 9
  corner = np.stack(np.divmod(rng.permutation(16)[:objects], 4), 1) / 4
  boxes = np.concatenate([corner, corner + side], axis=1)
  which = rng.integers(0, objects, n)
  relevant = rng.integers(0, 2, objects)
  got = count(1.0 * relevant[which], boxes[which], IDENTITY)
  wanted = len({w for w in which if relevant[w]})
  np.testing.assert_allclose(got.count, wanted, rtol=1e-12, atol=1e-12)
  assert np.argmax(got.features) == wanted
  in_single = count(
    jnp.float32(relevant[which]),
    jnp.float32(boxes[which]),
    jnp.float32(IDENTITY),
  )
  np.testing.assert_allclose(in_single.count, wanted, atol=1e-4)


def test_scores_of_disjoint_boxes_add_up():
  """As far as f_3 takes none of them for the same: it is 0 below 15/16."""
  scores = np.random.default_rng(3).permutation(np.linspace(0.1, 1, N))
  corners = np.stack([np.arange(N) / N, np.zeros(N)], 1)
  boxes = np.concatenate([corners, corners + 0.5 / N], 1)
  steep = IDENTITY.copy()
  steep[2, :-1] = 0
  got = count(scores, boxes, steep).count
  np.testing.assert_allclose(got, scores.sum(), rtol=1e-12)


def test_order_and_padding_do_not_matter():
  scores, boxes = example()
  wanted = count(scores, boxes, weights())
  order = np.random.default_rng(4).permutation(N)
  turned = count(scores[order], boxes[order], weights())
  np.testing.assert_allclose(turned.features, wanted.features, atol=1e-12)
  filler = np.tile([0.2, 0.1, 0.9, 0.8], (3, 1))
  padded = count(
    np.concatenate([scores, [0.9, 0.1, 0.5]]),
    np.concatenate([boxes, filler]),
    weights(),
    np.arange(N + 3) < N,
  )
  np.testing.assert_allclose(padded.count, wanted.count, rtol=1e-12)
  np.testing.assert_allclose(
    padded.features, np.pad(wanted.features, (0, 3)), atol=1e-12
  )
  empty = count(scores, boxes, weights(), np.zeros(N, bool))
  assert empty.count == 0 and not np.any(empty.features)


def test_gradients_are_finite_where_nothing_is_counted():
  scores, boxes = example()

  def loss(scores, boxes, weights, mask):
    result = counting.count(scores, boxes, weights, mask)
    return result.count + jnp.sum(result.features**2)

  slope = jax.jit(jax.grad(loss, (0, 1, 2)))
  everything = np.ones(N, bool)
  for a, mask in ((0 * scores, everything), (scores, ~everything)):
    for part in slope(a, boxes, weights(), mask):
      assert np.isfinite(part).all()
  # And everywhere else they are the slope.
  direction = np.random.default_rng(5).normal(size=(8, 16))
  steps = [
    jax.jit(loss)(scores, boxes, weights() + e * direction, everything)
    for e in (1e-6, -1e-6)
  ]
  got = np.sum(slope(scores, boxes, weights(), everything)[2] * direction)
  np.testing.assert_allclose(got, (steps[0] - steps[1]) / 2e-6, rtol=1e-6)


def test_the_module_takes_the_highest_scores():
  scores, boxes = example(n=11)
  mask = np.arange(11) != np.argmax(scores)
  module = hk.without_apply_rng(
    hk.transform(lambda *x: counting.Counting(4)(*x))
  )
  apply = jax.jit(module.apply)
  params = jax.jit(module.init)(jax.random.key(0), scores, boxes)
  assert sum(x.size for x in jax.tree.leaves(params)) == 128
  for used, given in ((scores, ()), (np.where(mask, scores, -1), (mask,))):
    got = apply(params, scores, boxes, *given)
    best = np.argsort(-used)[:4]
    wanted = count(scores[best], boxes[best], IDENTITY)
    np.testing.assert_allclose(got.features, wanted.features, atol=1e-12)
  few = apply(params, scores[:2], boxes[:2])
  assert few.features.shape == (5,) and not few.features[3:].any()


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda a, b: (a + 0.5, b), r"scores must lie in \[0, 1\], got 1\.\d+ at"),
    (lambda a, b: (a * np.nan, b), r"scores must lie in .* got nan at \[0\]"),
    (lambda a, b: (a, b[:, [2, 1, 0, 3]]), r"x1 <= x2, got .* at \[0\]"),
    (lambda a, b: (a, b[:, [0, 3, 2, 1]]), r"y1 <= y2, got .* at \[0\]"),
    (lambda a, b: (a[1:], b), r"shape \[6, 4\], .* got \[7, 4\]"),
  ],
)
def test_proposals_that_are_none(change, message):
  with pytest.raises(ValueError, match=message):
    counting.count(*change(*example()), IDENTITY)


def test_no_proposals_are_wanted():
  with pytest.raises(ValueError, match="num_proposals must be positive, got 0"):
    hk.transform(lambda: counting.Counting(0)).init(None)
