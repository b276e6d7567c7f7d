"""Average precision against the loops of the challenge's development kit."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.tasks import average_precision as lib

S, N, P = 7, 5, 2
ATTRIBUTES = (3, 2)


def literal(sets, is_right_of, threshold):
  """One prediction after the other; precision as VOC 2012 interpolates it.

  Args:
    sets: Of each, the confidences, and a function of a prediction to its best
      element and how close it is, None if there is none; and how many elements.
    is_right_of: Whether a closeness is enough for a threshold.
    threshold: That.
  """
  every = [
    (confidence, s, i)
    for s, (confidences, _, _) in enumerate(sets)
    for i, confidence in enumerate(confidences)
  ]
  every.sort(key=lambda x: -x[0])  # Stable.
  taken, hits = set(), []
  for _, s, i in every:
    best = sets[s][1](i)
    hit = best is not None and is_right_of(best[1], threshold)
    hit = hit and (s, best[0]) not in taken
    if hit:
      taken.add((s, best[0]))
    hits.append(hit)
  total = sum(count for *_, count in sets)
  recall = [0.0] + [sum(hits[: k + 1]) / total for k in range(len(hits))] + [1]
  precision = (
    [0.0] + [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))] + [0.0]
  )
  for k in range(len(precision) - 2, -1, -1):
    precision[k] = max(precision[k], precision[k + 1])
  return sum(
    (recall[k] - recall[k - 1]) * precision[k] for k in range(1, len(recall))
  )


def overlap(one, two):
  """Of two boxes, by their sides."""
  width = min(one[2], two[2]) - max(one[0], two[0])
  height = min(one[3], two[3]) - max(one[1], two[1])
  if width <= 0 or height <= 0:
    return 0.0
  areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (one, two))
  return width * height / (areas - width * height)


def box_example(seed):
  rng = np.random.default_rng(seed)
  corners = rng.random((S, N, 2)) * 0.6
  target = np.concatenate([corners, corners + 0.2 + 0.2 * rng.random((S, N, 2)),
                           np.ones((S, N, 1))], -1)  # fmt: skip
  for s, count in enumerate(rng.integers(1, N + 1, S)):
    target[s, count:] = 0
  predicted = target[:, rng.permutation(N)].copy()
  predicted[..., :4] += 0.03 * rng.normal(size=(S, N, 4))
  # Ties of confidence, as a mask that is cut off has them.
  predicted[..., 4] = np.clip(rng.normal(0.6, 0.5, size=(S, N)), 0, 1)
  predicted[:, 0] = predicted[:, 1]  # Duplicates.
  return predicted.astype(np.float32), target.astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_boxes(seed, threshold):
  predicted, target = box_example(seed)
  sets = []
  for own, wanted in zip(predicted, target):
    real = wanted[wanted[:, 4] > 0]

    def best(i, own=own, real=real):
      values = [overlap(own[i], box) for box in real]
      return int(np.argmax(values)), max(values)

    sets.append((own[:, 4], best, len(real)))
  matches = lib.match_boxes(jnp.asarray(predicted), jnp.asarray(target))
  got = lib.average_precision(matches, threshold)
  wanted = literal(sets, lambda x, y: x >= y, threshold)
  assert got == pytest.approx(wanted, abs=1e-6)
  assert 0 < got < 1 or threshold == 0.9


@pytest.mark.parametrize("threshold", [math.inf, 0.6, 0.2])
def test_states(threshold):
  rng = np.random.default_rng(4)
  width = P + sum(ATTRIBUTES)

  def draw():
    one_hot = [np.eye(k)[rng.integers(0, k, (S, N))] for k in ATTRIBUTES]
    x = np.concatenate([rng.normal(size=(S, N, P)), *one_hot], -1)
    mask = rng.random((S, N, 1)) < 0.7
    return np.concatenate([x * mask, mask], -1)

  target = draw()
  predicted = target[:, ::-1] + 0.3 * rng.normal(size=target.shape)
  unit, sets = 3.0, []
  for own, wanted in zip(predicted, target):
    real = [i for i in range(N) if wanted[i, width] > 0]

    def best(i, own=own, wanted=wanted, real=real):
      found = None
      for j in real:
        same = np.argmax(own[i, 2:5]) == np.argmax(wanted[j, 2:5])
        same &= np.argmax(own[i, 5:7]) == np.argmax(wanted[j, 5:7])
        distance = unit * math.dist(own[i, :2], wanted[j, :2])
        if same and (found is None or distance < found[1]):
          found = j, distance
      return found

    sets.append((own[:, width], best, len(real)))
  matches = lib.match_states(
    jnp.asarray(predicted, jnp.float32),
    jnp.asarray(target, jnp.float32),
    ATTRIBUTES,
    unit,
  )
  got = lib.average_precision(matches, -threshold)
  wanted = literal(sets, lambda x, y: x <= y, threshold)
  assert got == pytest.approx(wanted, abs=1e-6)
  assert 0 < got < 1


def test_all_right_and_none():
  _, target = box_example(5)
  target = jnp.asarray(target)
  matches = lib.match_boxes(target, target)
  assert lib.average_precision(matches, 0.99) == pytest.approx(1)
  away = lib.match_boxes(target + 5, target)
  assert lib.average_precision(away, 0.01) == 0
  inside_out = target[..., jnp.array([2, 3, 0, 1, 4])]
  assert lib.average_precision(lib.match_boxes(inside_out, target), 0.01) == 0


def test_what_cannot_be_scored():
  predicted, target = box_example(6)
  predicted[3, 2, 4] = np.nan
  matches = lib.match_boxes(jnp.asarray(predicted), jnp.asarray(target))
  with pytest.raises(ValueError, match="number for prediction 2 of set 3"):
    lib.average_precision(matches, 0.5)
  matches = lib.match_boxes(jnp.asarray(target), jnp.zeros_like(target))
  with pytest.raises(ValueError, match="none of 7 sets has an element"):
    lib.average_precision(matches, 0.5)
