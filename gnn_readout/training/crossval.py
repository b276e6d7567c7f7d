"""Cross-validation on datasets without a split, by a protocol of `protocols`.

All members of a study, a point of the grid and a fold each, train in chunks of
those that share a program. What a chunk came to is kept in a file, so that a
study that was stopped resumes. Letters: K folds, E evaluations, one per epoch,
R runs that repeat what was chosen.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gnn_readout import data, metrics, options, paths, provenance, records
from gnn_readout.data import folds, identity, sources
from gnn_readout.errors import suggest
from gnn_readout.fields import flatten
from gnn_readout.files import atomic_write_text, check_writable
from gnn_readout.runs import locks, same_data, settings
from gnn_readout.runs.progress import ProgressLine, duration
from gnn_readout.runs.signals import stop_signals
from gnn_readout.tasks import scoring
from gnn_readout.tasks.graph_property import GraphProperty
from gnn_readout.training import members
from gnn_readout.training.loop import Trainer
from gnn_readout.training.program import group_by_program
from gnn_readout.training.protocols import PROTOCOLS, Choice, last_best
from gnn_readout.training.snapshots import Member
from gnn_readout.wording import counted

RECORD_KIND = "crossval"
_FINAL_SEED = 1000  # Of the first of the runs that repeat what was chosen.


def run(
  config: ConfigDict,
  protocol: str,
  workdir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  command: str = "",
) -> dict[str, Any] | None:
  """Cross-validates a config, or resumes where an earlier call stopped.

  Args:
    config: As `configs/tu.py` and `configs/graphs.py` make it: `grid` names
      hyper-parameters and their values, `repeats` replaces the protocol's if
      positive.
    protocol: A key of `protocols.PROTOCOLS`.
    workdir: A folder that several datasets and readouts may share: `splits/`
      holds the folds, and NAME-READOUT-PROTOCOL/ the scores of every chunk of
      members and, at the end, record.json.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.
    command: What to type to repeat it, for the record.

  Returns:
    The record, or None if a signal stopped it.

  Raises:
    ValueError: If the protocol is unknown, the config does not allow the runs,
      the splits differ from those of an earlier call, or a member failed.
  """
  if protocol not in PROTOCOLS:
    known = suggest(protocol, PROTOCOLS)
    raise ValueError(f"unknown protocol {protocol!r}.{known}")
  config = config.copy_and_resolve_references()
  settings.check(config)
  for field in ("fold", "folds", "grid", "repeats"):
    if field not in config:
      raise ValueError(
        f"cross-validation needs the field {field!r}, which the config lacks;"
        " start from one that has it, such as configs/graphs.py or"
        " configs/tu.py"
      )
  if config.get("patience", 0):
    raise ValueError(
      f"patience={config.patience} cannot be set in a cross-validation, as the"
      f" protocol {protocol!r} decides when a run stops; leave it out"
    )
  with config.unlocked():
    config.folds.validation = PROTOCOLS[protocol].validation
  check_writable(workdir)
  study = _Study(config, protocol, pathlib.Path(workdir), data_dir, cache_dir)
  with locks.hold(study.folder), stop_signals() as stop:
    rows = study.train(stop)
    return None if rows is None else study.write(rows, command)


class _Stopped(Exception):
  """A signal came."""


class _Study:
  """One dataset, one readout, one protocol."""

  def __init__(
    self,
    config: ConfigDict,
    protocol: str,
    workdir: pathlib.Path,
    data_dir: str | os.PathLike[str] | None,
    cache_dir: str | os.PathLike[str] | None,
  ):
    self._config, self._workdir = config, workdir
    self._name, self._protocol = protocol, PROTOCOLS[protocol]
    self._repeats = config.repeats or self._protocol.repeats
    self._grid = members.overrides(config, config.grid)
    self._store = data.load_config(config, data_dir, cache_dir, with_fold=False)
    # Of the graphs and labels: the splits are the folds of each repeat.
    self._facts = identity.facts(dataclasses.replace(self._store, splits={}))
    name = paths.part(sources.short_name(config.dataset))
    variant = f"{name}-{config.model.readout.name}"
    if config.model.get("head", {}).get("name") == "layerwise":
      variant += "-gin0"
    self.folder = workdir / paths.part(f"{variant}-{protocol}")
    self._metric = scoring.names(config, self._store.schema)[0]
    self._sign = 1 if metrics.higher_is_better(self._metric) else -1
    self._num_folds = config.folds.num_folds
    self._hashes = [
      folds.keep_folds(
        workdir / "splits" / f"{name}-{self._num_folds}-seed{r}.json",
        self._store,
        self._num_folds,
        r,
      )
      for r in range(self._repeats)
    ]
    self._clock, self._done, self._trained = time.monotonic(), 0, 0
    self._epochs = config.num_epochs  # Measured if the config counts steps.

  def train(self, stop: list[str]) -> list[dict[str, Any]] | None:
    """Trains what is not trained yet, and selects.

    Args:
      stop: Gets the name of the signal that stops it.

    Returns:
      What each repeat came to, or None if a signal stopped it.
    """
    self._stop = stop
    per_fold = len(self._grid) + self._protocol.final_runs
    total = per_fold * self._num_folds * self._repeats
    schema = self._store.schema
    factors = (
      counted(per_fold, "run"),
      counted(self._num_folds, "fold"),
      counted(self._repeats, "repeat"),
    )
    print(
      f"{schema.name}: {counted(self._store.num_graphs, 'graph')},"
      f" {self._config.model.readout.name}, {self._name}:"
      f" {' x '.join(factors)} = {counted(total, 'run')}, in {self.folder}",
      flush=True,
    )
    rows = []
    with ProgressLine(total) as self._progress:
      for repeat in range(self._repeats):
        try:
          rows.append(self._repeat(repeat, total))
        except _Stopped:
          return None
        self._progress.say(
          f"repeat {repeat + 1}/{self._repeats}: test {self._metric}"
          f" {rows[-1]['test']:.4f}, {self._protocol.selected_on}"
          f" {rows[-1]['valid']:.4f}"
        )
    return rows

  def _repeat(self, repeat: int, total: int) -> dict[str, Any]:
    """Trains and selects for one set of folds."""
    protocol = self._protocol
    runs = [
      {
        **point,
        "fold": k,
        "folds.seed": repeat,
        "seed": repeat * self._num_folds + k,
      }
      for point in self._grid
      for k in range(self._num_folds)
    ]
    valid, test = self._curves(runs, f"repeat{repeat}", total)
    shape = (len(self._grid), self._num_folds, -1)
    choice = protocol.select(
      valid.reshape(shape), test.reshape(shape), self._sign
    )
    if protocol.final_runs:
      choice = self._final(repeat, choice, total)
    return {
      "folds_hash": self._hashes[repeat],
      "test": statistics.fmean(choice.tests),
      "tests": choice.tests,
      "valid": choice.valid,
      "epochs": choice.epochs,
      "chosen": [self._grid[p] for p in choice.points],
    }

  def _final(self, repeat: int, choice: Choice, total: int) -> Choice:
    """Trains the chosen points again and averages their tests."""
    times = self._protocol.final_runs
    runs = [
      {
        **self._grid[p],
        "fold": k,
        "folds.seed": repeat,
        "seed": _FINAL_SEED + r,
      }
      for k, p in enumerate(choice.points)
      for r in range(times)
    ]
    valid, test = self._curves(runs, f"repeat{repeat}-final", total)
    best = last_best(self._sign * valid)  # [K R]
    tests = test[np.arange(len(best)), best].reshape(-1, times).mean(axis=1)
    epochs = best.reshape(-1, times).mean(axis=1)
    return choice._replace(
      tests=tests.tolist(), epochs=(np.round(epochs).astype(int) + 1).tolist()
    )

  def _curves(
    self, runs: Sequence[dict[str, Any]], name: str, total: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scores [runs, E] on 'valid' and 'test', NaN past a stop.

    Runs of one shape are a chunk: its scores are written when it is done, and
    read by a later call.
    """
    configs = [
      members.with_fields(self._config, {**r, "repeats": 0, "grid": ""})
      for r in runs
    ]
    problems = [
      GraphProperty(c, folds.with_fold(self._store, c.fold, **c.folds))
      for c in configs
    ]
    for p in problems:
      options.check_length(flatten(p.config.to_dict()), p.num_steps)
    if not self._config.num_epochs > 0:
      self._epochs = problems[0].num_steps / problems[0].epoch_steps
    scores: list[dict[str, list[float]]] = [{} for _ in runs]
    for n, group in enumerate(group_by_program(problems)):
      path = self.folder / f"{name}-{n}.json"
      its_problems = [problems[i] for i in group]
      found = self._read_chunk(path, [p.config for p in its_problems])
      if found is None:
        found = self._train_chunk(path, its_problems, total)
      self._done += len(group)
      for i, score in zip(group, found, strict=True):
        scores[i] = score
    length = max(len(s["valid"]) for s in scores)
    valid, test = (
      np.array([s[k] + [np.nan] * (length - len(s[k])) for s in scores])
      for k in ("valid", "test")
    )
    return valid, test

  def _read_chunk(
    self, path: pathlib.Path, configs: Sequence[ConfigDict]
  ) -> list[dict[str, list[float]]] | None:
    if not path.exists():
      return None
    chunk = settings.read_json(path)
    there = chunk.get("dataset")
    identity.check(str(path), there, self._facts, same_data.REMEDY)
    for config, there in zip(configs, chunk["configs"], strict=True):
      differ = settings.differences(settings.as_json(config), there)
      if differ:
        raise ValueError(
          f"{path} holds runs with {'; '.join(differ)}; choose another"
          " --workdir, or delete the folder"
        )
    return chunk["scores"]

  def _train_chunk(
    self, path: pathlib.Path, problems: Sequence[GraphProperty], total: int
  ) -> list[dict[str, list[float]]]:
    """Trains members, or resumes them from a checkpoint.

    Raises:
      _Stopped: If a signal stopped it; the checkpoint is written.
    """
    before, size = self._done, len(problems)
    folder = path.with_suffix("")  # The checkpoint, until the scores are there.
    trainer = Trainer(
      [Member("", p, patience=self._protocol.patience) for p in problems],
      folder,
      splits=("valid", "test"),
    )
    program = trainer.program

    def show(step: int) -> None:
      share = step / max(program.num_steps, 1) * size
      self._progress.show(
        round(before + share), lambda: self._describe(before, share, total)
      )

    if not trainer.run(self._stop, self._progress, show):
      raise _Stopped
    for p, history in zip(problems, trainer.histories, strict=True):
      if history.failure:
        raise ValueError(
          f"fold {p.config.fold}, seed {p.config.seed}, learning rate"
          f" {p.config.optimizer.learning_rate:g}: {history.failure}"
        )
    scores = [
      {k: [value for _, value in h.scores[k]] for k in ("valid", "test")}
      for h in trainer.histories
    ]
    chunk = {
      "seconds": trainer.seconds,
      "dataset": self._facts,
      "configs": [settings.as_json(p.config) for p in problems],
      "scores": scores,
    }
    self._trained += size
    locks.check_there(self.folder / locks.NAME)
    atomic_write_text(path, json.dumps(chunk) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return scores

  def _describe(self, before: int, share: float, total: int) -> str:
    seconds = time.monotonic() - self._clock
    left = seconds / max(self._trained + share, 1e-9) * (total - before - share)
    return (
      f"{before + share:,.0f} of {counted(total, 'run')}"
      f"  {duration(seconds)} so far  ETA {duration(left)}"
    )

  def _constant_score(self) -> float:
    """Returns the test score of a constant prediction, the mean over folds."""
    fields = dict(self._config.folds)
    stores = [
      folds.with_fold(self._store, k, **{**fields, "seed": seed})
      for seed in range(self._repeats)
      for k in range(self._num_folds)
    ]
    names = (self._metric,)
    scores = (scoring.constant_scores(store, "test", names) for store in stores)
    return statistics.fmean(score[self._metric] for score in scores)

  def write(
    self, rows: Sequence[dict[str, Any]], command: str
  ) -> dict[str, Any]:
    """Writes the record, and says what it comes to.

    Args:
      rows: From `train`.
      command: What to type to repeat it.
    """
    locks.check_there(self.folder / locks.NAME)
    # Over repeats, or over folds where the protocol has but one repeat.
    values = [row["test"] for row in rows]
    if self._protocol.repeats == 1:
      values = [test for row in rows for test in row["tests"]]
    seconds = sum(
      settings.read_json(p)["seconds"] for p in self.folder.glob("repeat*.json")
    )
    config = settings.without_folder(settings.as_json(self._config))
    is_population = self._protocol.population
    scatter = statistics.pstdev if is_population else statistics.stdev
    deviation = scatter(values) if len(values) > 1 else None
    constant = self._constant_score()
    record = records.write(
      self.folder,
      {
        "kind": RECORD_KIND,
        "name": self.folder.name,
        "command": command,
        "config": config,
        "config_hash": settings.config_hash(config),
        **provenance.environment(),
        "dataset": self._facts,
        "protocol": {
          "name": self._name,
          "reference": self._protocol.reference,
          "selected_on": self._protocol.selected_on,
          "repeats": self._repeats,
          "repeats_published": self._protocol.repeats,
          "num_folds": self._num_folds,
          "grid": self._grid,
          "epochs": self._epochs,
        },
        "repeats": list(rows),
        "test": {
          "metric": self._metric,
          "value": statistics.fmean(values),
          "deviation": deviation,
          "count": len(values),
          "constant_scores": {self._metric: constant},
        },
        "wall_seconds": seconds,
        "note": self._config.note,
      },
    )
    plus_minus = "" if deviation is None else f" ± {deviation:.4f}"
    print(
      f"{self._store.schema.name}, {self._config.model.readout.name}: test"
      f" {self._metric} {record['test']['value']:.4f}{plus_minus} over"
      f" {len(values)}, selected on {self._protocol.selected_on}; a constant"
      f" prediction {constant:.4f}"
    )
    return record
