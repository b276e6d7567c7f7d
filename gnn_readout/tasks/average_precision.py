"""Average precision of sets that were predicted with confidences.

Letters: S sets, n predictions of a set and as many slots of its target, d
features.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), sections 6.5.2 and 6.5.3; Everingham and Winn 2012, "The
PASCAL Visual Object Classes Challenge 2012 Development Kit", section 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.layers.counting import iou


class Matches(NamedTuple):
  """What each prediction is nearest to.

  Attributes:
    confidence: [..., n], the mask of the predictions.
    closeness: [..., n] to the closest element of the target, -inf if there is
      none that it may be.
    owner: [..., n] int32, which element that is.
    count: [...], of elements of the target.
  """

  confidence: Array
  closeness: Array
  owner: Array
  count: Array


def match_boxes(predicted: Array, target: Array) -> Matches:
  """Returns the boxes of the largest overlap, by intersection over union.

  Args:
    predicted: [S, n, 5], (x1, y1, x2, y2, mask). A box that ends before it
      starts has no area.
    target: [S, n, 5].
  """
  starts, ends = predicted[..., :2], predicted[..., 2:4]
  boxes = jnp.concatenate([starts, jnp.maximum(starts, ends)], axis=-1)
  return _closest(iou(boxes, target[..., :4]), predicted, target)


def match_states(
  predicted: Array, target: Array, attributes: Sequence[int], unit: float
) -> Matches:
  """Returns the nearest objects of the same attributes.

  Closeness is minus the distance. An attribute is the largest of its features.

  Args:
    predicted: [S, n, p + q + 1]: position, attributes, mask.
    target: Likewise, the attributes one-hot.
    attributes: How many features each attribute has, q together.
    unit: That a distance of 1 between positions is multiplied by.
  """
  ends = np.cumsum(attributes).tolist()
  p = predicted.shape[-1] - 1 - ends[-1]
  gaps = predicted[:, :, None, :p] - target[:, None, :, :p]  # [S, n, n, p]
  closeness = -unit * jnp.linalg.norm(gaps, axis=-1)  # [S, n, n]
  for start, end in zip([0, *ends], ends, strict=False):
    one, two = (
      jnp.argmax(x[..., p + start : p + end], axis=-1)
      for x in (predicted, target)
    )
    same = one[:, :, None] == two[:, None]
    closeness = jnp.where(same, closeness, -jnp.inf)
  return _closest(closeness, predicted, target)


def _closest(closeness: Array, predicted: Array, target: Array) -> Matches:
  real = target[..., -1] > 0  # [S, n]
  closeness = jnp.where(real[:, None, :], closeness, -jnp.inf)
  return Matches(
    predicted[..., -1],
    jnp.max(closeness, axis=-1),
    jnp.argmax(closeness, axis=-1).astype(jnp.int32),
    jnp.sum(real, axis=-1),
  )


def average_precision(matches: Matches, threshold: float) -> float:
  """Returns the area under the interpolated precision of all sets together.

  Predictions are taken by falling confidence, equal ones in their order. One is
  right if it is as close as the threshold to its closest element, and no
  prediction before it was right by the same element. The precision at a recall
  is the highest at that recall or more.

  Args:
    matches: Arrays [S, n], and `count` [S].
    threshold: The least closeness; -inf: any, but -inf itself.

  Raises:
    ValueError: If a confidence is not a number, or there is nothing to find.
  """
  confidence = np.asarray(matches.confidence, np.float64)  # [S, n]
  bad = np.argwhere(np.isnan(confidence))
  if len(bad):
    raise ValueError(
      f"the mask is not a number for prediction {bad[0][1]} of set {bad[0][0]}."
    )
  total = int(np.sum(matches.count))
  if not total:
    raise ValueError(f"none of {len(confidence)} sets has an element to find.")
  size = confidence.shape[1]
  order = np.argsort(-confidence.ravel(), kind="stable")
  closeness = np.ravel(matches.closeness)[order]
  sets = np.arange(len(order)) // size
  elements = (sets * size + np.ravel(matches.owner))[order]
  is_close = (closeness >= threshold) & (closeness > -np.inf)
  places = np.flatnonzero(is_close)
  _, firsts = np.unique(elements[places], return_index=True)
  is_right = np.zeros(len(order), bool)
  is_right[places[firsts]] = True
  found = np.cumsum(is_right)
  precision = found / np.arange(1, len(order) + 1)
  highest = np.maximum.accumulate(precision[::-1])[::-1]
  return float(np.sum(highest[is_right]) / total)
