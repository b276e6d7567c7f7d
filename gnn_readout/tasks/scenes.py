"""Which objects does a picture show? Scenes of coloured shapes.

A stand-in for CLEVR, whose pictures are not at hand: circles, squares and
triangles in colours and two sizes, drawn on the device, a few to a picture, the
later in front of the earlier. A network makes a vector of the picture and a
decoder a set of that: the box of each object, or its position and attributes.

Letters: S pictures of a batch, m objects of the largest, n slots of a set, d
features of an object.

Differs from the paper: no perspective, light or material, and pictures are 32
pixels wide where CLEVR's are 128. Positions span 6 units, as the thesis has
them, so that its distances mean about the same.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), sections 6.5.2 and 6.5.3; Zhang, Hare and Prügel-Bennett
2019, "Deep Set Prediction Networks".
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.layers.images import ImageEncoder
from gnn_readout.layers.set_prediction import with_mask
from gnn_readout.tasks import average_precision as ap
from gnn_readout.tasks import set_prediction, set_sources
from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.sampled import SampledProblem

SHAPES = ("circle", "square", "triangle")
COLOURS = {
  "red": (0.9, 0.1, 0.1),
  "green": (0.1, 0.8, 0.1),
  "blue": (0.1, 0.2, 0.9),
  "yellow": (0.9, 0.9, 0.1),
  "purple": (0.7, 0.1, 0.8),
  "cyan": (0.1, 0.8, 0.9),
}
RADII = (0.08, 0.13)  # Half the width of an object, of that of the picture.
_BACKGROUND = 0.5
_CELLS = 4  # Objects stand in different cells of a grid of so many a side.
_JITTER = 0.3  # Of a cell, to either side of its middle.
_UNITS = 3.0  # Of distance in an interval of positions of length 1.


class Scenes(NamedTuple):
  """Objects of pictures.

  Attributes:
    centres: [S, m, 2], x and y in [0, 1].
    radii: [S, m] int32, index of `RADII`.
    shapes: [S, m] int32, index of `SHAPES`.
    colours: [S, m] int32, index of `COLOURS`.
    mask: [S, m] bool, false where there is no object.
  """

  centres: Array
  radii: Array
  shapes: Array
  colours: Array
  mask: Array


def draw_scenes(key: Array, num_scenes: int, least: int, most: int) -> Scenes:
  """Draws scenes of `least` to `most` objects, every number as likely.

  Args:
    key: A JAX key.
    num_scenes: S.
    least: The fewest objects of a picture.
    most: m, at most 16.
  """
  keys = jax.random.split(key, 6)
  shape = num_scenes, most
  cells = jnp.tile(jnp.arange(_CELLS**2), (num_scenes, 1))
  cells = jax.random.permutation(keys[0], cells, 1, independent=True)[:, :most]
  places = jnp.stack(jnp.divmod(cells, _CELLS), axis=-1)  # [S, m, 2]
  jitter = jax.random.uniform(keys[1], (*shape, 2), minval=-1) * _JITTER
  radii = jax.random.randint(keys[2], shape, 0, len(RADII))
  radius = jnp.asarray(RADII)[radii][..., None]  # [S, m, 1]
  centres = radius + (1 - 2 * radius) * (places + 0.5 + jitter) / _CELLS
  count = jax.random.randint(keys[3], (num_scenes, 1), least, most + 1)
  return Scenes(
    centres,
    radii,
    jax.random.randint(keys[4], shape, 0, len(SHAPES)),
    jax.random.randint(keys[5], shape, 0, len(COLOURS)),
    jnp.arange(most) < count,
  )


def render(scenes: Scenes, side: int) -> Array:
  """Returns pictures [S, side, side, 3] with values in [0, 1].

  The share of an object in a pixel falls from 1 to 0 over a pixel at its edge.

  Args:
    scenes: Later objects hide earlier ones.
    side: In pixels.
  """
  middles = (jnp.arange(side) + 0.5) / side
  x, y = middles[None, None, :], middles[None, :, None]  # Rows are y.
  table = jnp.asarray([*COLOURS.values()])

  def paint(pictures: Array, scene: Scenes) -> tuple[Array, None]:
    """Paints one object of each picture, arrays [S, ...]."""
    centre = scene.centres[:, :, None, None]  # [S, 2, 1, 1]
    dx, dy = jnp.abs(x - centre[:, 0]), y - centre[:, 1]  # [S, side, side]
    r = jnp.asarray(RADII)[scene.radii][:, None, None]
    outside = jnp.stack(
      [
        jnp.hypot(dx, dy) - r,
        jnp.maximum(dx, jnp.abs(dy)) - r,
        # The point up: the base below, and a side of slope 2.
        jnp.maximum(dy - r, (2 * dx - dy - r) / math.sqrt(5)),
      ],
      axis=1,
    )  # [S, 3, side, side], distances
    own = scene.shapes[:, None, None, None]
    outside = jnp.take_along_axis(outside, own, axis=1)[:, 0]
    share = jnp.clip(0.5 - side * outside, 0, 1)
    share = (share * scene.mask[:, None, None])[..., None]
    colour = table[scene.colours][:, None, None]  # [S, 1, 1, 3]
    return (1 - share) * pictures + share * colour, None

  empty = jnp.full((len(scenes.mask), side, side, 3), _BACKGROUND)
  by_object = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), scenes)
  return jax.lax.scan(paint, empty, by_object)[0]


def boxes(scenes: Scenes) -> Array:
  """Returns [S, m, 4]: x1, y1, x2, y2 of every object, parts of the side."""
  radius = jnp.asarray(RADII)[scenes.radii][..., None]
  return jnp.concatenate(
    [scenes.centres - radius, scenes.centres + radius], axis=-1
  )


def states(scenes: Scenes) -> Array:
  """Returns [S, m, 13]: position in [-1, 1]; shape, colour, size one-hot."""
  return jnp.concatenate(
    [
      2 * scenes.centres - 1,
      jax.nn.one_hot(scenes.shapes, len(SHAPES)),
      jax.nn.one_hot(scenes.colours, len(COLOURS)),
      jax.nn.one_hot(scenes.radii, len(RADII)),
    ],
    axis=-1,
  )


class Target(NamedTuple):
  """What of a scene is predicted.

  Attributes:
    features: Scenes -> [S, m, d].
    match: (predicted [S, n, d + 1], target) -> Matches.
    thresholds: By the name of a score, the least closeness.
  """

  features: Callable[[Scenes], Array]
  match: Callable[[Array, Array], ap.Matches]
  thresholds: Mapping[str, float]


# What `target` may be.
TARGETS = {
  "box": Target(
    boxes,
    ap.match_boxes,
    {f"ap{x}": x / 100 for x in (50, 60, 70, 80, 90, 95)},
  ),
  "state": Target(
    states,
    functools.partial(
      ap.match_states,
      attributes=(len(SHAPES), len(COLOURS), len(RADII)),
      unit=_UNITS,
    ),
    {f"ap_{x:g}": -x for x in (math.inf, 1, 0.5, 0.25, 0.125)},
  ),
}


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes.

  That of `set_prediction.prediction`, where the input is a picture. A run is
  judged by a set loss; besides there are average precisions over all sets of a
  split, `ap50` to `ap95` of boxes by their overlap in percent, `ap_inf` to
  `ap_0.125` of states by the distance allowed.

  Args:
    config: As `configs/scenes.py` makes it.
    data_dir: Not used, the examples are made.
    cache_dir: Not used.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  del data_dir, cache_dir
  _check(config)
  target, slots = TARGETS[config["target"]], config["num_slots"]
  steps = set_prediction.steps_in_testing(config)

  def draw(key: Array, num_sets: int) -> set_sources.Examples:
    scenes = draw_scenes(
      key, num_sets, config["min_objects"], config["max_objects"]
    )
    sets = with_mask(target.features(scenes), scenes.mask, slots)
    return set_sources.Examples(sets, render(scenes, config["image_side"]))

  def describe(pictures: Array, model: Mapping[str, Any]) -> Array:
    encoder = ImageEncoder(
      model["image_channels"], model["latent_size"], name="describer"
    )
    return encoder(pictures)

  def summarise(outputs: Mapping[str, Any]) -> dict[str, float]:
    scores = set_sources.means(outputs)
    for i, compared in enumerate(outputs["compared"]):
      scores |= precisions(compared, target.thresholds, steps, i)
    return scores

  return set_prediction.prediction(
    "scenes",
    config,
    set_sources.Data(draw, draw, draw, describe, target.match, summarise),
  )


def precisions(
  compared: ap.Matches,
  thresholds: Mapping[str, float],
  steps: Sequence[int],
  place: int,
) -> dict[str, float]:
  """Returns the average precisions of a split by the names of scores.

  Args:
    compared: Arrays [K, S, n], of K batches.
    thresholds: By name, the least closeness.
    steps: Numbers of steps, as of `steps_in_testing`.
    place: Which of them this is.
  """
  matches = ap.Matches(
    *(x.reshape(-1, x.shape[-1]) for x in map(np.asarray, compared[:3])),
    np.asarray(compared.count).ravel(),
  )
  return {
    set_prediction.step_name(name, steps[place], place): ap.average_precision(
      matches, threshold
    )
    for name, threshold in thresholds.items()
  }


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no scenes."""
  check_known("target", config["target"], TARGETS)
  least, most = config["min_objects"], config["max_objects"]
  check_at_least(
    min_objects=(least, 1),
    max_objects=(most, least),
    image_side=(config["image_side"], 8),
  )
  if most > _CELLS**2:
    raise ValueError(
      f"max_objects must be at most {_CELLS**2}, the cells that objects stand"
      f" in, got {most}"
    )
  if most > config["num_slots"]:
    raise ValueError(
      f"num_slots must be at least max_objects, {most}, got"
      f" {config['num_slots']}"
    )
