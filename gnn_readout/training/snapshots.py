"""Checkpoints of the members of a program: written, and read again.

Everything that changes lies in the checkpoint `latest` of the program's folder.
A run alone has `best` beside it; of a population, every member gets both at the
end, in its own folder. Letters: M members.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from gnn_readout.config_fields import LENGTHS
from gnn_readout.data import identity
from gnn_readout.errors import Damaged
from gnn_readout.runs import checkpoints, locks, same_data, settings
from gnn_readout.tasks import Problem
from gnn_readout.training import step as step_lib
from gnn_readout.training.history import History
from gnn_readout.training.program import Program


class Member(NamedTuple):
  """A run, alone or of a population.

  Attributes:
    name: Name, such as 'seed=0,learning_rate=0.001'; empty if it is alone.
    problem: Problem with its config.
    folder: What it leaves lies here; None if it leaves nothing of its own.
    patience: It stops after so many evaluations that are all worse than the
      best score on 'valid'; 0: never.
  """

  name: str
  problem: Problem
  folder: pathlib.Path | None = None
  patience: int = 0

  @property
  def config(self) -> ConfigDict:
    """Its config, complete."""
    return self.problem.config


class Memory(NamedTuple):
  """What a trainer remembers besides the arrays of its program.

  Attributes:
    histories: History of each member.
    last_log: The step of the last log.
    seconds: Wall time of all members together.
  """

  histories: list[History]
  last_log: int
  seconds: float


class Snapshots:
  """The checkpoints of a program and of its members."""

  def __init__(
    self,
    program: Program,
    members: Sequence[Member],
    folder: pathlib.Path,
    say: Callable[[str], None],
  ):
    """Names the folders; nothing is read or written.

    Args:
      program: What is saved and restored.
      members: Its members.
      folder: Where the checkpoint of all members together lies.
      say: Takes a line about what was damaged.
    """
    self._program, self._members, self._folder = program, members, folder
    self._schema = members[0].problem.schema
    self._say = say
    self._hashes = [_hash(member.config) for member in members]

  def read(self, from_best: bool = False) -> Memory | None:
    """Restores the program from the latest checkpoint.

    A damaged `best` of a run alone is made anew from it. A population that is
    complete has its checkpoints in the folders of its members.

    Args:
      from_best: If the latest checkpoint is damaged, whether to resume from the
        best one, with new moments of the optimiser.

    Returns:
      What the trainer remembered, or None if there is no checkpoint.

    Raises:
      ValueError: If a checkpoint is damaged, of other data or another config.
    """
    if checkpoints.latest_step(self._folder) is None:
      folders = [member.folder for member in self._members]
      if not all(
        folder and checkpoints.latest_step(folder) is not None
        for folder in folders
      ):
        return None
      saved = self._read_members(folders)
    else:
      try:
        saved = self._read(self._folder, self._program.shapes_of_arrays())
      except Damaged as error:
        if not from_best:
          raise self._way_out(error) from error
        return self._fall_back(error)
    self._check_same(saved.meta)
    memory = self._load(saved, saved.state)
    if self._is_alone:
      self.mend(memory)
    return memory

  def write(self, memory: Memory) -> None:
    """Writes the checkpoints of the program's step."""
    every = range(len(self._members))
    self._write(self._folder, self._program.arrays(), every, memory)

  def write_members(self, memory: Memory) -> None:
    """Gives every member of a population checkpoints of its own."""
    if self._is_alone:
      return
    arrays = self._program.arrays()
    for m, member in enumerate(self._members):
      for name in checkpoints.NAMES:
        if checkpoints.damage(member.folder, name):
          checkpoints.remove(member.folder, name)
      self._write(member.folder, _of(arrays, m), [m], memory)

  def mend(self, memory: Memory) -> None:
    """Makes every `best` anew that is damaged, from the program's arrays."""
    like = _one(self._program.shapes_of_arrays()["best"])
    for m, member in enumerate(self._members):
      best = memory.histories[m].best
      if not (member.folder and best):
        continue
      try:
        self._read(member.folder, like, "best")
        continue
      except FileNotFoundError:
        why = f"there is no checkpoint 'best' in {member.folder}"
      except Damaged as error:
        why = str(error)
      checkpoints.remove(member.folder, "best")
      state = _of(self._program.arrays()["best"], m)
      self._write_best(member.folder, state, m, memory)
      self._say(f"{why}; it was written again, for step {best['step']:.0f}")

  @property
  def _is_alone(self) -> bool:
    return self._members[0].folder == self._folder

  def _read(
    self, folder: pathlib.Path, like: Any, name: str = "latest"
  ) -> checkpoints.Checkpoint:
    return checkpoints.restore(folder, name, like, self._schema)

  def _read_members(
    self, folders: Sequence[pathlib.Path]
  ) -> checkpoints.Checkpoint:
    """Reads the checkpoints of all members, as one of the program."""
    like = _one(self._program.shapes_of_arrays())
    saved = [self._read(folder, like) for folder in folders]
    steps = sorted({checkpoint.step for checkpoint in saved})
    if len(steps) > 1:
      raise ValueError(
        f"the members below {folders[0].parent} are at steps"
        f" {' and '.join(map(str, steps))}: delete the folder to train them"
        " again"
      )
    state = jax.tree.map(
      lambda *leaves: np.concatenate(leaves), *(one.state for one in saved)
    )
    meta = dict(saved[0].meta)
    for name, value in _of_members(meta).items():
      meta[name] = [*value, *(x for one in saved[1:] for x in one.meta[name])]
    return checkpoints.Checkpoint(steps[0], state, meta)

  def _load(self, saved: checkpoints.Checkpoint, arrays: Any) -> Memory:
    program, meta = self._program, saved.meta
    program.load(arrays, saved.step)
    program.step_seconds, program.shapes = meta["step_seconds"], meta["shapes"]
    program.real, program.padded = (
      np.array(meta[name]) for name in ("real", "padded")
    )
    histories = [History(**history) for history in meta["histories"]]
    return Memory(histories, meta["last_log"], meta["seconds"])

  def _check_same(self, meta: dict[str, Any]) -> None:
    """Refuses a checkpoint of other configs or other data."""
    where = f"the checkpoint in {self._folder}"
    # Whether a run of another length may resume was decided by its config.json.
    lengths = meta.get("lengths", {})
    hashes = [_hash(member.config, lengths) for member in self._members]
    if meta["config_hashes"] != hashes:
      raise ValueError(
        f"{where} is of a run with another config, whose hash is"
        f" {meta['config_hashes'][0]}, not {hashes[0]}; choose another"
        " --workdir"
      )
    theirs = identity.of_checkpoint(meta)
    for member, there in zip(self._members, theirs, strict=True):
      here = member.problem.facts()["dataset"]
      identity.check(where, there, here, same_data.REMEDY)

  def _way_out(self, error: Exception) -> Damaged:
    """Returns an error that says how to resume in spite of this one."""
    like = self._program.shapes_of_arrays()["best"]
    try:
      best = self._read(self._folder, like, "best") if self._is_alone else None
    except (OSError, ValueError):
      best = None
    path = shlex.quote(str(self._folder / "checkpoints"))
    words = f"after `rm -r {path}` the same command starts from scratch"
    if best:
      words = (
        f"--from_best resumes from the best checkpoint, of step {best.step}"
      )
    found = Damaged(f"{error}; {words}")
    found.flags = ("--from_best",) if best else ()
    return found

  def _fall_back(self, error: Exception) -> Memory:
    """Resumes from the best checkpoint where the latest one is damaged."""
    program = self._program
    try:
      saved = self._read(
        self._folder, program.shapes_of_arrays()["best"], "best"
      )
    except (FileNotFoundError, Damaged) as second:
      both = Damaged(f"{error}; {second}")
      raise self._way_out(both) from second
    self._check_same(saved.meta)
    program.initialise()
    best = saved.state
    state = step_lib.begin_at(best, program.arrays()["state"])
    memory = self._load(saved, {"state": state, "best": best})
    for history in memory.histories:
      history.restart(saved.step)
    memory = memory._replace(last_log=saved.step)
    checkpoints.remove(self._folder, "latest")
    self.write(memory)
    self._say(
      f"{error}; resuming from the best checkpoint, of step {saved.step}, with"
      " the moments of the optimiser reset"
    )
    return memory

  def _write(
    self,
    folder: pathlib.Path,
    arrays: dict[str, Any],
    which: Sequence[int],
    memory: Memory,
  ) -> None:
    """Writes `latest` of some members and, of one alone, `best` too."""
    for m in which:
      if self._members[m].folder:
        locks.check_there(self._members[m].folder / "config.json")
    m = which[0]
    if len(which) == 1 and memory.histories[m].best and self._members[m].folder:
      self._write_best(folder, arrays["best"], m, memory)
    meta = self._meta(which, memory)
    checkpoints.save(folder, "latest", self._program.step, arrays, meta)

  def _write_best(
    self, folder: pathlib.Path, best: Any, m: int, memory: Memory
  ) -> None:
    step = int(memory.histories[m].best["step"])
    checkpoints.save(folder, "best", step, best, self._meta([m], memory))

  def _meta(self, which: Sequence[int], memory: Memory) -> dict[str, Any]:
    program, members = self._program, self._members
    histories = memory.histories
    meta = {
      "config_hashes": [self._hashes[m] for m in which],
      "datasets": [members[m].problem.facts()["dataset"] for m in which],
      "histories": [dataclasses.asdict(histories[m]) for m in which],
      "last_log": memory.last_log,
      "lengths": {
        name: members[which[0]].config[name]
        for name in LENGTHS
        if name in members[which[0]].config
      },
      "padded": [program.padded[m].tolist() for m in which],
      "real": [program.real[m].tolist() for m in which],
      "seconds": memory.seconds,
      "shapes": program.shapes,
      "step_seconds": program.step_seconds,
    }
    if self._schema:
      meta["schema"] = self._schema.to_json()
    return meta


def _hash(config: ConfigDict, lengths: dict[str, Any] | None = None) -> str:
  fields = settings.as_json(config)
  return settings.config_hash(fields | (lengths or {}))


def _of_members(meta: dict[str, Any]) -> dict[str, list[Any]]:
  """Returns what has an entry for each member."""
  names = "config_hashes", "datasets", "histories", "padded", "real"
  return {name: meta[name] for name in names}


def _of(arrays: Any, m: int) -> Any:
  """Returns the arrays [1, ...] of one member."""
  return jax.tree.map(lambda x: x[m : m + 1], arrays)


def _one(shapes: Any) -> Any:
  """Returns the shapes of what one member has, from those of all."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype), shapes
  )
