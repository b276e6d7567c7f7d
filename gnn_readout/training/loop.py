"""A whole run: data, model, steps, validation, checkpoints, test, record."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jraph
import numpy as np
from ml_collections import ConfigDict

from gnn_readout import metrics, models, optimizers, records
from gnn_readout.data.batches import batching
from gnn_readout.data.store import GraphStore
from gnn_readout.files import atomic_write_text
from gnn_readout.runs import checkpoints, settings
from gnn_readout.runs.log import MetricsLog
from gnn_readout.runs.progress import ProgressLine, duration
from gnn_readout.runs.signals import stop_signals
from gnn_readout.training import evaluation
from gnn_readout.training import step as step_lib
from gnn_readout.training.history import History

# Steps that may wait for the device: enough to keep it busy, few enough that
# their batches do not pile up in memory.
_MAX_AHEAD = 4


def train(
  config: ConfigDict,
  workdir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  command: str = "",
) -> dict[str, Any] | None:
  """Trains a model, or goes on where an earlier call stopped.

  A run that was stopped, at whatever moment, ends with the same parameters as
  one that was not.

  Args:
    config: As `configs/molpcba.py` makes it.
    workdir: The folder of the run: config.json, metrics.jsonl, checkpoints/,
      tensorboard/, and record.json once it is complete.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    command: What to type to repeat the run, for the record.

  Returns:
    The record, or None if SIGTERM or SIGINT stopped the run.

  Raises:
    ValueError: If the configuration, the dataset or what the folder already
      holds does not allow the run, or a number stops being finite.
    OSError: If a file is missing or cannot be written.
  """
  config = config.copy_and_resolve_references()  # It will be completed.
  settings.check(config)
  workdir = pathlib.Path(workdir)
  settings.check_workdir(workdir, settings.as_json(config))
  if (workdir / "record.json").exists():
    record = settings.read_json(workdir / "record.json")
    print(f"{workdir} holds this run, complete: nothing to do")
    return record
  store = settings.load_dataset(config, data_dir, cache_dir)
  evaluation.check_scorable(store, ("valid", "test"))
  run = _Run(config, workdir, store)
  run.describe()
  with stop_signals() as stop:
    if not run.advance(stop):
      return None
  return run.finish(command)


class _Run:
  """The state of a run, and what can be done with it."""

  def __init__(
    self, config: ConfigDict, workdir: pathlib.Path, store: GraphStore
  ):
    """Builds the model and restores the latest checkpoint, if there is one."""
    self._config, self._workdir, self._store = config, workdir, store
    self._config_hash = settings.config_hash(settings.as_json(config))
    self._began = time.monotonic()  # When a run without breaks would have.
    self._plan = batching.make_plan(
      store, "train", seed=config.seed, **config.batching
    )
    self._epoch_steps = settings.epoch_steps(config, self._plan.steps_per_epoch)
    self._num_steps = config.num_steps
    if config.num_epochs > 0:
      self._num_steps = round(config.num_epochs * self._epoch_steps)
    graphs = store.splits["train"]
    models.complete_config(
      config.model, store.num_nodes[graphs], lambda: store.in_degrees(graphs)
    )
    model = models.build_model(config.model, store.schema)
    optimizer = optimizers.make_optimizer(
      **config.optimizer,
      num_steps=max(self._num_steps, 1),
      steps_per_epoch=self._epoch_steps,
    )
    _, _, batch = next(batching.train_batches(self._plan, prefetch=0))
    self._restore(
      lambda: step_lib.init_state(model, optimizer, batch, config.seed)
    )
    self._predict = evaluation.make_predict(model)
    self._train_step = step_lib.make_train_step(
      model, metrics.masked_loss(store.schema.task_type), optimizer
    )
    self._compiled: dict[tuple[int, int], Any] = {}
    text = json.dumps(settings.as_json(config), indent=1)
    atomic_write_text(workdir / "config.json", text + "\n")

  def _restore(self, init: Callable[[], step_lib.TrainState]) -> None:
    if checkpoints.latest_step(self._workdir) is None:
      self._state, self._history = init(), History()
      return
    saved = checkpoints.restore(
      self._workdir, "latest", jax.eval_shape(init), self._store.schema
    )
    if saved.meta["config_hash"] != self._config_hash:
      raise ValueError(
        f"the checkpoint of step {saved.step} in {self._workdir} belongs to"
        f" another config: its hash is {saved.meta['config_hash']}, not"
        f" {self._config_hash}"
      )
    # The step takes over this memory, so it must not be shared with numpy.
    self._state = jax.device_put(saved.state, may_alias=False)
    self._history = History(**saved.meta["history"])
    self._began -= self._history.seconds

  def describe(self) -> None:
    """Prints what is trained on what, and the shapes and fill of batches."""
    store, plan = self._store, self._plan
    sizes = [f"{name} {len(ids):,}" for name, ids in store.splits.items()]
    print(
      f"dataset  {store.schema.name}: {store.num_graphs:,} graphs"
      f" ({', '.join(sizes)}), {store.schema.num_tasks} tasks"
      f" ({store.schema.task_type}), metric {store.schema.metric}"
    )
    parameters = models.count_parameters(self._state.params)
    model = self._config.model
    print(
      f"model    {model.message_passing.name}, {model.readout.name} readout:"
      f" {parameters:,} parameters"
    )
    summary = plan.summary()
    fill = [
      f"{summary[f'{kind}_fill']:.1%} of {kind}s"
      for kind in ("graph", "node", "edge")
    ]
    shapes = [f"{nodes}/{edges}" for _, nodes, edges in plan.budgets]
    print(
      f"batches  {plan.mode}, up to {plan.batch_size} graphs, padded to"
      f" {', '.join(shapes)} nodes/edges, {', '.join(fill)} real"
    )
    print(
      f"run      {self._num_steps:,} steps, {self._epoch_steps:,} per epoch,"
      f" on {jax.default_backend()}, in {self._workdir}",
      flush=True,
    )
    if self._state.step:
      print(f"going on from the checkpoint of step {self._state.step}")

  def advance(self, stop: Sequence[str]) -> bool:
    """Trains to the last step, or until `stop` has an entry.

    Args:
      stop: Gets the name of the signal that stops the run.

    Returns:
      Whether the run is complete.
    """
    config, done = self._config, int(self._state.step)
    eval_every = config.eval_every or self._epoch_steps
    save_every = config.checkpoint_every or eval_every
    ahead = collections.deque()
    with (
      MetricsLog(self._workdir, done, config.tensorboard) as self._log,
      ProgressLine(self._num_steps) as self._progress,
      contextlib.closing(batching.train_batches(self._plan, done)) as batches,
    ):
      self._clock = time.monotonic()
      if not self._num_steps and not self._history.valid:
        self._evaluate(0)
        self._save(0)
      while done < self._num_steps and not stop:
        _, _, batch = next(batches)
        values = self._step(batch)
        done += 1
        ahead.append(values["loss"])
        if len(ahead) > _MAX_AHEAD:
          ahead.popleft().block_until_ready()
        if done % config.log_every == 0:
          self._write_metrics(done, values)
        is_last = done == self._num_steps
        if done % eval_every == 0 or is_last:
          self._evaluate(done)
        if done % save_every == 0 or is_last:
          self._save(done)
        self._progress.show(done, functools.partial(self._describe, done))
      if done < self._num_steps:
        self._save(done)
        self._progress.say(
          f"{stop[0]}: saved step {done}; the same command goes on from there"
        )
    return done == self._num_steps

  def finish(self, command: str) -> dict[str, Any]:
    """Scores the best checkpoint on the test split and writes the record."""
    history, store = self._history, self._store
    best = checkpoints.restore(
      self._workdir, "best", self._state, store.schema
    ).state
    score = self._score(best, "test")
    metric = store.schema.metric
    seconds = max(history.step_seconds, 1e-9)
    padding = [
      1 - real / max(padded, 1)
      for real, padded in zip(history.real, history.padded, strict=True)
    ]
    print(
      f"test {metric} {score.value:.5f} over {score.num_tasks_scored} tasks, at"
      f" step {best.step}, the best on valid ({history.best['valid']:.5f})"
    )
    return records.write(
      self._workdir,
      {
        "kind": "run",
        "problem": "graph_property",
        "name": self._workdir.resolve().name,
        "command": command,
        "config": settings.as_json(self._config),
        "config_hash": self._config_hash,
        **records.environment(),
        "seed": self._config.seed,
        "dataset": records.dataset_facts(store),
        "num_parameters": models.count_parameters(best.params),
        "steps": self._num_steps,
        "epochs": self._num_steps / self._epoch_steps,
        "curves": {
          "train": history.train,
          "valid": history.valid,
          "diagnostics": history.diagnostics,
        },
        "best": history.best,
        "test": {
          "metric": metric,
          "value": score.value,
          "scores": {metric: score.value},
          "num_tasks_scored": score.num_tasks_scored,
          "step": int(best.step),
        },
        "lower_is_better": not metrics.higher_is_better(metric),
        "failure": "",
        "describe": {},
        "num_members": 1,
        "num_devices": 1,
        "wall_seconds": time.monotonic() - self._began,
        "steps_per_second": self._num_steps / seconds,
        "graphs_per_second": history.real[0] / seconds,
        "padding": dict(
          zip(("graphs", "nodes", "edges"), padding, strict=True)
        ),
        "num_compiled_shapes": len(history.shapes),
        "note": self._config.note,
      },
    )

  def _step(self, batch: jraph.GraphsTuple) -> dict[str, jax.Array]:
    shape = len(batch.nodes), len(batch.senders)
    if shape not in self._compiled:
      with self._off_the_clock():
        began = time.monotonic()
        lowered = self._train_step.lower(self._state, batch)
        self._compiled[shape] = lowered.compile()
      self._progress.say(
        f"compiled shape {len(self._compiled)} of {len(self._plan.budgets)}"
        f" in {time.monotonic() - began:.1f} s"
      )
    self._state, values = self._compiled[shape](self._state, batch)
    self._history.add(values["loss"], batch)
    return values

  def _write_metrics(self, step: int, values: dict[str, jax.Array]) -> None:
    step_lib.check_finite(self._state)
    history = self._history
    values = {name: float(x) for name, x in jax.device_get(values).items()}
    del values["loss"]  # Of one step; the mean since the last log says more.
    losses = jax.device_get(history.losses)
    loss = float(np.mean(losses, dtype=np.float64))
    history.losses = []
    history.log(step, loss, values)
    speed = history.real[0] / self._seconds()
    self._log.write(step, {"loss": loss, **values, "graphs_per_second": speed})

  def _evaluate(self, step: int) -> None:
    """Scores the validation split; keeps the state if it is the best so far."""
    schema, history = self._store.schema, self._history
    with self._off_the_clock():
      step_lib.check_finite(self._state)
      value = self._score(self._state, "valid").value
      history.valid.append([step, value])
      self._log.write(step, {f"valid_{schema.metric}": value})
      sign = 1 if metrics.higher_is_better(schema.metric) else -1
      if not history.best or sign * value > sign * history.best["valid"]:
        history.best = {"step": step, "valid": value}
        self._write_checkpoint("best", step)
    self._progress.say(self._describe(step))

  def _save(self, step: int) -> None:
    with self._off_the_clock():
      step_lib.check_finite(self._state)
      self._write_checkpoint("latest", step)

  def _write_checkpoint(self, name: str, step: int) -> None:
    history = self._history
    history.seconds = time.monotonic() - self._began
    history.losses = [float(x) for x in jax.device_get(history.losses)]
    meta = {
      "config_hash": self._config_hash,
      "schema": self._store.schema.to_json(),
      "history": dataclasses.asdict(history),
    }
    checkpoints.save(self._workdir, name, step, self._state, meta)

  def _score(self, state: step_lib.TrainState, split: str) -> metrics.Score:
    predictions = evaluation.predict_split(
      self._predict,
      state.params,
      state.model_state,
      self._store,
      split,
      self._config.eval_batch_size,
    )
    metric = self._store.schema.metric
    return metrics.evaluate(metric, predictions.labels, predictions.logits)

  @contextlib.contextmanager
  def _off_the_clock(self) -> Iterator[None]:
    """Waits for the device, then does what must not count as stepping."""
    jax.block_until_ready(self._state)
    self._history.step_seconds += time.monotonic() - self._clock
    yield
    self._clock = time.monotonic()

  def _seconds(self) -> float:
    """Returns the time spent on steps so far."""
    stretch = time.monotonic() - self._clock
    return max(self._history.step_seconds + stretch, 1e-9)

  def _describe(self, step: int) -> str:
    history, metric = self._history, self._store.schema.metric
    words = [f"step {step:,}/{self._num_steps:,}"]
    if history.train:
      words.append(f"loss {history.train[-1][1]:.4f}")
    if history.valid:
      best = f"best {history.best['valid']:.4f}"
      words.append(f"valid {metric} {history.valid[-1][1]:.4f} ({best})")
    seconds = self._seconds()
    words.append(f"{history.real[0] / seconds:,.0f} graphs/s")
    left = seconds / max(step, 1) * (self._num_steps - step)
    words.append(f"ETA {duration(left)}")
    return "  ".join(words)
