"""Many runs that differ in little, trained as one program.

A member is a run: its own seed, learning rate, dropout, fold of the data. A
step of the program is a step of every member, on batches of its own, and a
member's result is that of the same run alone. Letters: M members, here padded
to a multiple of the number of devices with copies that never train.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jax import Array
from ml_collections import ConfigDict

from gnn_readout import metrics, models
from gnn_readout.data import batches as batching
from gnn_readout.data.store import GraphStore
from gnn_readout.runs import checkpoints, settings
from gnn_readout.training import members, population_step
from gnn_readout.training import sharding as spread
from gnn_readout.training import step as step_lib
from gnn_readout.training.population_history import Curves

_MAX_AHEAD = 2  # Steps that may wait for the devices.


def programs(
  configs: Sequence[ConfigDict], stores: Sequence[GraphStore]
) -> list[list[int]]:
  """Completes the configs and returns the members of each program.

  Args:
    configs: Of the members; what a readout measures on its training set is
      filled in.
    stores: Their datasets, which differ in their splits alone.

  Returns:
    Indices of members. Members of different shapes, such as widths or batch
    sizes, are in different programs.
  """
  for config, store in zip(configs, stores, strict=True):
    graphs = store.splits["train"]
    models.complete_config(
      config.model,
      store.num_nodes[graphs],
      functools.partial(store.in_degrees, graphs),
    )
  groups = []
  for group in members.programs(configs):
    by_steps: dict[int, list[int]] = {}
    for i in group:
      by_steps.setdefault(_pass(configs[i], stores[i]), []).append(i)
    groups += by_steps.values()
  return groups


class Program:
  """Members that share a compiled step."""

  def __init__(
    self,
    configs: Sequence[ConfigDict],
    stores: Sequence[GraphStore],
    splits: Sequence[str] = ("valid",),
    patience: int = 0,
    keep_best: bool = False,
  ):
    """Plans the batches and initialises the members.

    Args:
      configs: Of the members, of one of the groups of `programs`.
      stores: Their datasets.
      splits: What is scored at every evaluation.
      patience: A member stops after so many evaluations without a better score
        on 'valid'; 0: never.
      keep_best: Whether to keep the state of the best score on 'valid'.
    """
    self.configs, self._stores = list(configs), list(stores)
    self._splits, self._patience = tuple(splits), patience
    self._keep_best = keep_best
    first, store = configs[0], stores[0]
    self._schema, self._first = store.schema, first
    num_members = len(configs)
    self.mesh = spread.member_mesh(num_members)
    self._padded = spread.padded_size(num_members, self.mesh)
    self._plans = self._make_plans()
    steps_per_epoch = settings.epoch_steps(
      first, self._plans[0].steps_per_epoch
    )
    self.steps_per_epoch = steps_per_epoch
    self.num_steps = _num_steps(first, store)
    self._eval_every = first.eval_every or steps_per_epoch
    self._hyper = self._place(
      {k: np.array(v) for k, v in members.traced(configs).items()}
    )
    self._functions = population_step.make_functions(
      first,
      store.schema,
      self.num_steps,
      steps_per_epoch,
      self.mesh,
      self._is_shared,
      self._is_split_shared,
    )
    self.curves = [Curves() for _ in configs]
    self._active = np.ones(num_members, bool)
    self._began = time.monotonic()
    self.step = 0
    seeds = self._place(np.array([c.seed for c in configs], np.int32))
    _, batch = next(batching.member_batches(self._plans, prefetch=0))
    self._values: dict[str, Array] = {}
    self._losses, self._logged = self._no_losses(), 0
    self._batches = batching.member_batches(self._plans)
    self._state = self._functions.init(
      self._hyper, seeds, self._place(batch, self._is_shared)
    )
    self._best = self._functions.copy(self._state) if keep_best else None
    self.num_parameters = models.count_parameters(
      jax.tree.map(lambda x: x[0], self._state.params)
    )

  def run(
    self,
    show: Callable[[int], None] = lambda step: None,
    stop: Sequence[str] = (),
    save: Callable[[int], None] = lambda step: None,
  ) -> bool:
    """Trains to the last step, or until `stop` has an entry.

    Args:
      show: Called with the number of steps done, now and then.
      stop: Gets an entry when the run is to stop.
      save: Called after every evaluation, with the step.

    Returns:
      Whether all members are done.
    """
    while self.step < self.num_steps and self._active.any() and not stop:
      due = self._eval_every - self.step % self._eval_every
      due = min(due, self.num_steps - self.step)
      if self.advance(due, show, stop):
        self._evaluate()
        save(self.step)
    self._batches.close()
    for curves in self.curves:
      curves.seconds = time.monotonic() - self._began
    return self.step == self.num_steps or not self._active.any()

  def advance(
    self,
    num_steps: int,
    show: Callable[[int], None] = lambda step: None,
    stop: Sequence[str] = (),
  ) -> bool:
    """Makes some steps of all active members, and waits for the last.

    Args:
      num_steps: How many.
      show: Called with every step done.
      stop: Gets an entry when the run is to stop.

    Returns:
      Whether all of them were made.
    """
    active = self._place_active()
    for done in range(num_steps):
      if stop:
        return False
      _, batch = next(self._batches)
      self._count(batch)
      self._state, self._losses, self._values = self._functions.step(
        self._hyper,
        active,
        self._state,
        self._losses,
        self._place(batch, self._is_shared),
      )
      self.step += 1
      if done % _MAX_AHEAD == 0:
        jax.block_until_ready(self._values)
      show(self.step)
    jax.block_until_ready(self._values)
    return True

  def best_state(self, member: int) -> step_lib.TrainState:
    """Returns a member's state at its best evaluation, on the host."""
    return jax.tree.map(lambda x: np.asarray(x[member]), self._best)

  def save(self, workdir: Any) -> None:
    """Writes the checkpoint `latest` of all members together."""
    for curves in self.curves:
      curves.seconds = time.monotonic() - self._began
    meta = {
      "schema": self._schema.to_json(),
      "curves": [dataclasses.asdict(curves) for curves in self.curves],
      "active": self._active.tolist(),
      "logged": self._logged,
    }
    checkpoints.save(workdir, "latest", self.step, self._tree(), meta)

  def restore(self, workdir: Any) -> None:
    """Goes on from the checkpoint `latest`, if there is one."""
    if checkpoints.latest_step(workdir) is None:
      return
    like = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), self._tree()
    )
    saved = checkpoints.restore(workdir, "latest", like, self._schema)
    sharding = spread.sharding(self.mesh)
    tree = jax.device_put(saved.state, sharding, may_alias=False)
    self._state, self._best = tree["state"], tree["best"]
    self._losses, self._logged = tree["losses"], saved.meta["logged"]
    self.curves = [Curves(**c) for c in saved.meta["curves"]]
    self._active = np.array(saved.meta["active"])
    self._began -= max(curves.seconds for curves in self.curves)
    self.step = saved.step
    self._batches.close()
    self._batches = batching.member_batches(self._plans, self.step)

  def _tree(self) -> dict[str, Any]:
    """Returns the arrays of a checkpoint."""
    best = self._best if self._keep_best else {}
    return {"state": self._state, "best": best, "losses": self._losses}

  def _make_plans(self) -> list[batching.BatchPlan]:
    """Plans all members' batches, or one plan if they are the same."""
    configs = self.configs
    self._is_shared = len({_data_key(c, True) for c in configs}) == 1
    self._is_split_shared = len({_data_key(c, False) for c in configs}) == 1
    made: dict[Any, batching.BatchPlan] = {}
    plans = []
    for config, store in zip(configs, self._stores, strict=True):
      key = _data_key(config, True)
      if key not in made:
        made[key] = batching.make_plan(
          store, "train", seed=config.seed, **config.batching
        )
      plans.append(made[key])
    return plans[:1] if self._is_shared else plans

  def _place(self, tree: Any, is_shared: bool = False) -> Any:
    """Moves a tree, of one entry per member, to the devices."""
    if is_shared:  # A plan of one member: its axis goes.
      tree = jax.tree.map(lambda x: x[0], tree)
    else:
      tree = spread.padded(tree, self.mesh)
    return spread.place(tree, self.mesh, is_shared)

  def _place_active(self) -> Array:
    """Returns [M] bool, false for members that stopped, and for copies."""
    extra = self._padded - len(self._active)
    return spread.place(np.pad(self._active, (0, extra)), self.mesh)

  def _count(self, batch: Any) -> None:
    mask = batch.globals["mask"]  # [M, G], or [1, G]
    real = [mask.sum(1), (batch.n_node * mask).sum(1)]
    real = np.stack([*real, (batch.n_edge * mask).sum(1)], axis=1)  # [M, 3]
    shape = (mask.shape[1], batch.nodes.shape[1], batch.senders.shape[1])
    for m in np.flatnonzero(self._active):
      own = real[0 if self._is_shared else m]
      self.curves[m].count(own.tolist(), shape)

  @functools.cached_property
  def _exam(self) -> tuple[list[Any], list[dict[str, np.ndarray]]]:
    """What is scored: batches, and where each split's graphs are in them."""
    stores = self._stores[:1] if self._is_split_shared else self._stores
    graphs = [
      np.unique(np.concatenate([s.splits[name] for name in self._splits]))
      for s in stores
    ]
    batches = batching.member_eval_batches(
      self._stores[0], graphs, self._first.eval_batch_size
    )
    index = np.concatenate([b.globals["index"] for b in batches], axis=1)
    place = [
      {name: _positions(index[m], store.splits[name]) for name in self._splits}
      for m, store in enumerate(stores)
    ]
    return [self._place(b, self._is_split_shared) for b in batches], place

  def _no_losses(self) -> Array:
    return self._place(np.zeros(len(self.configs)))

  def _evaluate(self) -> None:
    """Scores all active members; stops those that failed or had enough."""
    batches, places = self._exam
    logits = [
      self._functions.predict(self._hyper, self._state, batch)
      for batch in batches
    ]
    faults = np.asarray(self._state.fault)  # [M, 2]
    losses, values = jax.device_get((self._losses, self._values))
    losses = losses / (self.step - self._logged)
    self._losses, self._logged = self._no_losses(), self.step
    logits = np.concatenate(jax.device_get(logits), axis=1)  # [M, G, T]
    sign = 1 if metrics.higher_is_better(self._schema.metric) else -1
    better = np.zeros(self._padded, bool)
    for m in np.flatnonzero(self._active):
      curves, (step, what) = self.curves[m], faults[m]
      if step >= 0:
        kind = step_lib.QUANTITIES[what]
        self._give_up(m, f"the {kind} was not finite at step {step}")
        continue
      curves.log(
        self.step, float(losses[m]), {k: v[m] for k, v in values.items()}
      )
      place = places[0 if self._is_split_shared else m]
      try:
        scores = {
          name: self._score(m, name, logits[m][place[name]])
          for name in self._splits
        }
      except ValueError as error:
        self._give_up(m, f"{error}, at step {self.step}")
        continue
      better[m] = curves.score(self.step, scores, sign)
      if self._patience and curves.waited() >= self._patience:
        self._active[m] = False
    if self._keep_best and better.any():
      self._best = self._functions.keep(
        spread.place(better, self.mesh), self._state, self._best
      )

  def _score(self, member: int, split: str, logits: np.ndarray) -> float:
    store = self._stores[member]
    labels = store.labels[store.splits[split]]
    return metrics.evaluate(self._schema.metric, labels, logits).value

  def _give_up(self, member: int, why: str) -> None:
    self._active[member] = False
    self.curves[member].failure = why
    logging.warning("member %d: %s; it stops", member, why)


def train(
  configs: Sequence[ConfigDict],
  stores: Sequence[GraphStore],
  splits: Sequence[str] = ("valid", "test"),
  patience: int = 0,
  show: Callable[[int, int], None] = lambda step, of: None,
) -> list[Curves]:
  """Trains members and returns what is remembered of each.

  Args:
    configs: Of the members; completed in place.
    stores: Their datasets, which differ in their splits alone.
    splits: What is scored at every evaluation.
    patience: As `Program` takes it.
    show: Called with the number of member steps done and that of all.
  """
  groups = programs(configs, stores)
  ready = [(g, [configs[i] for i in g], [stores[i] for i in g]) for g in groups]
  total = sum(len(g) * _num_steps(c[0], s[0]) for g, c, s in ready)
  results: list[Curves] = [Curves()] * len(configs)
  done = 0
  for group, its_configs, its_stores in ready:
    program = Program(its_configs, its_stores, splits, patience)
    size, before = len(group), done
    program.run(lambda step, n=size, b=before: show(b + n * step, total))
    done += size * program.num_steps
    for i, curves in zip(group, program.curves, strict=True):
      results[i] = curves
  return results


def _pass(config: ConfigDict, store: GraphStore) -> int:
  """Returns the steps of one pass over the training set."""
  batches = config.batching
  return batching.num_batches(
    len(store.splits["train"]),
    batches.batch_size,
    batches.get("keep_last", False),
  )


def _num_steps(config: ConfigDict, store: GraphStore) -> int:
  if config.num_epochs > 0:
    steps = settings.epoch_steps(config, _pass(config, store))
    return round(config.num_epochs * steps)
  return config.num_steps


def _data_key(config: ConfigDict, with_order: bool) -> tuple[Any, ...]:
  """What decides a member's splits, and the order of its batches."""
  folds = config.get("folds")
  split = (config.get("fold"), str(folds.to_dict()) if folds else "")
  return (*split, config.seed) if with_order else split


def _positions(index: np.ndarray, graphs: np.ndarray) -> np.ndarray:
  """Returns where each of some graphs stands in `index`."""
  order = np.argsort(index)
  return order[np.searchsorted(index, graphs, sorter=order)]
