"""Scenes of shapes: the pictures by hand, their sets, and a run."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import scenes as config_lib
from gnn_readout.runs import settings
from gnn_readout.sweeps import definitions
from gnn_readout.tasks import TASKS, scenes
from gnn_readout.tasks import average_precision as ap
from gnn_readout.training import trainer

SIDE = 16


def config(variant="box,dspn", **fields):
  config = config_lib.get_config(variant)
  config.update(batch_size=3, num_eval_sets=5, image_side=SIDE)
  config.update(min_objects=1, max_objects=3, num_slots=4)
  # The Hungarian method takes long to compile.
  config.update(loss="chamfer", scores=("chamfer",))
  config.model.update(latent_size=6, element_widths=(5,), image_channels=(3,))
  config.model.update(num_steps=2, test_num_steps=(2, 3), decoder_width=7)
  config.update_from_flattened_dict(fields)
  return config


def is_inside(shape, dx, dy, r):
  """Whether a point is in a shape around 0 of which r is half the width."""
  if shape == "circle":
    return dx**2 + dy**2 < r**2
  if shape == "square":
    return max(abs(dx), abs(dy)) < r
  return abs(dx) < (dy + r) / 2 and dy < r  # Of that height, the point up.


def test_pixels_are_those_of_the_last_object_they_are_in():
  side = 64
  drawn = scenes.draw_scenes(jax.random.key(0), 5, 2, 6)
  pictures = np.asarray(scenes.render(drawn, side))
  assert pictures.shape == (5, side, side, 3)
  colours = [*scenes.COLOURS.values()]
  checked = 0
  for s in range(5):
    for row in range(0, side, 3):
      for column in range(0, side, 3):
        x, y = (column + 0.5) / side, (row + 0.5) / side
        wanted, is_edge = (0.5,) * 3, False
        for i in np.flatnonzero(drawn.mask[s]):
          shape = scenes.SHAPES[drawn.shapes[s, i]]
          r = scenes.RADII[drawn.radii[s, i]]
          dx, dy = (x, y) - np.asarray(drawn.centres[s, i])
          pixel = 1 / side
          inner = is_inside(shape, dx, dy, r - 1.2 * pixel)
          outer = is_inside(shape, dx, dy, r + 1.2 * pixel)
          if inner:
            wanted, is_edge = colours[drawn.colours[s, i]], False
          elif outer:
            is_edge = True
        if not is_edge:
          checked += 1
          np.testing.assert_allclose(
            pictures[s, row, column], wanted, atol=1e-5
          )
  assert checked > 1000


def test_every_number_of_objects_is_as_likely_and_all_are_in_the_picture():
  drawn = scenes.draw_scenes(jax.random.key(1), 4096, 3, 10)
  counts = np.bincount(drawn.mask.sum(axis=1))
  assert len(counts) == 11 and not counts[:3].any()
  assert abs(counts[3:] / 4096 - 1 / 8).max() < 0.03
  boxes = np.asarray(scenes.boxes(drawn))
  assert boxes.min() >= 0 and boxes.max() <= 1
  widths = boxes[..., 2:] - boxes[..., :2]
  np.testing.assert_allclose(
    widths.max(-1), 2 * np.asarray(scenes.RADII)[drawn.radii], rtol=1e-5
  )
  gaps = np.linalg.norm(
    drawn.centres[:, :, None] - drawn.centres[:, None], axis=-1
  )
  assert gaps[:, ~np.eye(10, dtype=bool)].min() > 0.02


def test_a_box_is_where_the_ink_is():
  one = scenes.draw_scenes(jax.random.key(2), 64, 1, 1)
  side = 128
  pictures = np.asarray(scenes.render(one, side))
  for picture, box in zip(pictures, scenes.boxes(one)[:, 0]):
    rows, columns = np.nonzero((abs(picture - 0.5) > 0.01).any(axis=-1))
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(np.array(found) / side, box, atol=2.5 / side)


@pytest.mark.parametrize("target", config_lib.TARGETS)
def test_a_perfect_prediction_has_precision_1(target):
  drawn = scenes.draw_scenes(jax.random.key(3), 9, 1, 3)
  of = scenes.TARGETS[target]
  features = of.features(drawn) * drawn.mask[..., None]
  sets = jnp.concatenate([features, drawn.mask[..., None]], axis=-1)
  matches = of.match(sets[:, ::-1], sets)
  for threshold in of.thresholds.values():
    assert ap.average_precision(matches, threshold) == pytest.approx(1)
  nothing = of.match(jnp.zeros_like(sets), sets)
  least = min(of.thresholds.values(), key=abs)
  assert ap.average_precision(nothing, least) < 0.5


@pytest.mark.parametrize("variant", ["box,dspn,sum", "state,dspn,max"])
def test_gradients_reach_every_network(variant):
  task = TASKS["scenes"](config(variant).to_dict())
  params = jax.jit(task.init)(jax.random.key(0))
  batch = task.sample(jax.random.key(1))
  gradient = jax.jit(jax.grad(task.loss, has_aux=True))
  slopes, _ = gradient(params, jax.random.key(2), batch)
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(slopes))
  for part in ("describer", "element_encoder", "start"):
    own = [v for k, v in slopes.items() if k.split("/")[0] == part]
    assert own and any(np.any(x) for x in jax.tree.leaves(own)), part


@pytest.mark.parametrize("decoder", ["dspn", "lstm"])
def test_a_run_is_scored_after_several_steps(tmp_path, decoder):
  few = config(f"state,{decoder}", num_steps=2, eval_every=2)
  (record,) = trainer.train(few, tmp_path)
  names = {"set_loss", "chamfer", *scenes.TARGETS["state"].thresholds}
  later = {f"{name}_3" for name in names} if decoder == "dspn" else set()
  scores = record["test"]["scores"]
  assert set(scores) == names | later
  assert record["test"]["metric"] == "chamfer"
  assert all(0 <= scores[x] <= 1 for x in scores if x.startswith("ap"))


def test_the_sweep():
  _, runs = definitions.read("configs/scenes.py:tables6", [])
  assert len(runs) == 12
  for run in runs:
    settings.check(run.config)
    task = TASKS["scenes"](run.config.to_dict())
    batch = jax.eval_shape(task.sample, jax.random.key(0))
    assert batch.inputs.shape == (32, 32, 32, 3)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"target": "boxes"}, "unknown target 'boxes'.*'box'"),
    ({"max_objects": 5}, "num_slots must be at least max_objects, 5, got 4"),
    ({"max_objects": 17, "num_slots": 20}, "max_objects must be at most 16"),
    ({"min_objects": 0}, "min_objects must be at least 1, got 0"),
    ({"min_objects": 4}, "max_objects must be at least 4, got 3"),
    ({"image_side": 4}, "image_side must be at least 8, got 4"),
    ({"model.decoder": "dsp"}, "unknown model.decoder 'dsp'.*'dspn'"),
  ],
)
def test_scenes_that_cannot_be(fields, message):
  with pytest.raises(ValueError, match=message):
    TASKS["scenes"](config(**fields).to_dict())
