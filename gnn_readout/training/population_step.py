"""What the members of a population compute, compiled for all of them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from gnn_readout import metrics, models, optimizers
from gnn_readout.data.store import Schema
from gnn_readout.runs import settings
from gnn_readout.training import members
from gnn_readout.training import sharding as spread
from gnn_readout.training import step as step_lib


class Functions(NamedTuple):
  """What is compiled, of trees with one entry per member.

  Attributes:
    init: (hyper, seed, batch) -> state.
    step: (hyper, active, state, loss, batch) -> (state, loss + that of the
      step, the step's metrics); a member that is not active stays as it is.
    predict: (hyper, state, batch) -> logits [M, G, T].
    keep: (better, state, best) -> the better of both.
    copy: state -> state.
  """

  init: Callable[..., Any]
  step: Callable[..., Any]
  predict: Callable[..., Any]
  keep: Callable[..., Any]
  copy: Callable[..., Any]


def make_functions(
  config: ConfigDict,
  schema: Schema,
  num_steps: int,
  steps_per_epoch: int,
  mesh: Mesh,
  is_shared: bool,
  is_split_shared: bool,
) -> Functions:
  """Returns the functions of a program.

  Programs that differ in seeds, folds and traced fields share what was compiled
  of them.

  Args:
    config: Of any member.
    schema: Of the dataset.
    num_steps: Of the whole run.
    steps_per_epoch: As the schedule counts them.
    mesh: From `spread.member_mesh`.
    is_shared: Whether all members are trained on the same batches.
    is_split_shared: Whether they are scored on the same batches.
  """
  parts = settings.as_json(config)
  parts = {name: parts[name] for name in ("model", "optimizer")}
  ones = dict.fromkeys(members.traced([config]), 0.5)  # Allowed everywhere.
  text = json.dumps(members.nested(ConfigDict(parts), ones), sort_keys=True)
  return _compiled(
    text, schema, num_steps, steps_per_epoch, mesh, is_shared, is_split_shared
  )


@functools.lru_cache(maxsize=8)
def _compiled(
  config_text: str,
  schema: Schema,
  num_steps: int,
  steps_per_epoch: int,
  mesh: Mesh,
  is_shared: bool,
  is_split_shared: bool,
) -> Functions:
  first = ConfigDict(json.loads(config_text))
  loss_fn = metrics.masked_loss(schema.task_type)

  def build(hyper):
    config = members.nested(first, hyper)
    optimizer = optimizers.make_optimizer(
      **config["optimizer"],
      num_steps=max(num_steps, 1),
      steps_per_epoch=steps_per_epoch,
    )
    return models.build_model(config["model"], schema), optimizer

  def init(hyper, seed, batch):
    return step_lib.init_state(*build(hyper), batch, seed)

  def step(hyper, active, state, loss, batch):
    model, optimizer = build(hyper)
    train_step = step_lib.make_train_step(model, loss_fn, optimizer)

    def go():
      after, values = train_step(state, batch)
      return after, loss + values["loss"].astype(loss.dtype), values

    def rest():
      values = jax.eval_shape(train_step, state, batch)[1]
      zeros = {k: jnp.zeros(v.shape, v.dtype) for k, v in values.items()}
      return state, loss, zeros

    return jax.lax.cond(active & (state.fault[0] < 0), go, rest)

  def predict(hyper, state, batch):
    model, _ = build(hyper)
    output, _ = model.apply(
      state.params, state.model_state, None, batch, is_training=False
    )
    return output.logits

  def keep(better, state, best):
    return jax.tree.map(lambda a, b: jnp.where(better, a, b), state, best)

  over = functools.partial(spread.over_members, mesh=mesh)
  return Functions(
    init=over(init, shared=(2,) if is_shared else ()),
    step=over(step, shared=(4,) if is_shared else (), donate=(2, 3)),
    predict=over(predict, shared=(2,) if is_split_shared else ()),
    keep=over(keep, donate=(2,)),
    copy=over(lambda state: jax.tree.map(jnp.copy, state)),
  )
