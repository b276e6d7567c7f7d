"""Checkpoints: `latest` to resume from, `best` to report.

`checkpoints/latest/STEP/` and `checkpoints/best/STEP/` each hold the arrays
and a small JSON document. Orbax writes both under a temporary name and renames
them together, and only then deletes the step before: at any moment there is a
whole checkpoint or none. `checkpoints/latest.json` and `best.json` hold the
checksums of their files.
"""

from __future__ import annotations

import contextlib
import json
import logging as standard_logging
import os
import pathlib
import re
import shutil
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging

from gnn_readout.data import identity
from gnn_readout.data.store import Schema
from gnn_readout.errors import Damaged, brief, quoted_value, suggest
from gnn_readout.files import atomic_write_text

NAMES = ("best", "latest")
# Of what is written; a checkpoint of an early one does not say its own.
VERSION = 1


class Checkpoint(NamedTuple):
  """A checkpoint in memory.

  Attributes:
    step: Steps done when it was written.
    state: The tree that was saved, of numpy arrays.
    meta: The JSON document beside it.
  """

  step: int
  state: Any
  meta: dict[str, Any]


def latest_step(
  workdir: str | os.PathLike[str], name: str = "latest"
) -> int | None:
  """Returns the step of the checkpoint, or None if there is none."""
  # Those half-written have longer names.
  steps = [path.name for path in _folder(workdir, name).glob("*")]
  return max(map(int, filter(str.isdecimal, steps)), default=None)


def damage(workdir: str | os.PathLike[str], name: str = "latest") -> str:
  """Returns what is wrong with the files of a checkpoint, '' if nothing is.

  Needs no model. Nothing is known of a checkpoint without checksums: a run may
  have been killed before it wrote them.

  Args:
    workdir: The folder of the run.
    name: 'latest' or 'best'.
  """
  folder, step = _folder(workdir, name), latest_step(workdir, name)
  try:
    known = json.loads(_sums_path(folder).read_text(encoding="utf-8"))
    files, checksum = known["files"], known["checksum"]
  except (OSError, ValueError, KeyError, TypeError):
    return ""
  if known.get("step") != step or checksum != _sum_of([step, files]):
    return ""
  found = _sums(folder / str(step))
  for file in sorted(files.keys() | found.keys()):
    if file not in found:
      return f"the file {file} is missing"
    if files.get(file) != found[file]:
      return f"the file {file} does not have the checksum it was written with"
  return ""


def remove(workdir: str | os.PathLike[str], name: str) -> None:
  """Deletes a checkpoint, if there is one."""
  folder = _folder(workdir, name)
  shutil.rmtree(folder, ignore_errors=True)
  _sums_path(folder).unlink(missing_ok=True)


def read_meta(
  workdir: str | os.PathLike[str], name: str = "latest"
) -> dict[str, Any] | None:
  """Returns the JSON document of a checkpoint, None if there is none.

  Raises:
    Damaged: If it is not what was written.
  """
  step = latest_step(workdir, name)
  if step is None:
    return None
  folder = _folder(workdir, name)
  with _manager(folder) as manager:
    return _read_meta(manager, folder, step)


def save(
  workdir: str | os.PathLike[str],
  name: str,
  step: int,
  state: Any,
  meta: dict[str, Any],
) -> None:
  """Writes a checkpoint and then deletes the one before it.

  Does nothing if there is one of this step or a later one: a run repeats
  itself exactly, so that holds the same.

  Args:
    workdir: The folder of the run.
    name: 'latest' or 'best'.
    step: Steps done.
    state: A tree of arrays.
    meta: Plain values that fit a JSON document.

  Raises:
    OSError: If it cannot be written; the one before it is still there.
  """
  import orbax.checkpoint as ocp

  folder = _folder(workdir, name)
  meta = {**meta, "version": VERSION, "checksum": _checksum(state)}
  meta["meta_checksum"] = _checksum_of_meta(meta)
  items = ocp.args.Composite(
    state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta)
  )
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with _manager(folder) as manager:
      if manager.save(step, args=items):
        _write_sums(folder, step)
  except (OSError, ValueError) as error:
    # Tensorstore reports a full disk as a ValueError.
    for half_written in folder.glob("*.orbax-checkpoint-tmp"):
      shutil.rmtree(half_written, ignore_errors=True)
    raise OSError(
      f"cannot write the checkpoint of step {step} to {folder}: {_brief(error)}"
    ) from error


def restore(
  workdir: str | os.PathLike[str],
  name: str,
  like: Any,
  schema: Schema | None,
) -> Checkpoint:
  """Reads a checkpoint into host memory, whatever devices it came from.

  Args:
    workdir: The folder of the run.
    name: 'latest' or 'best'.
    like: A tree of arrays, or of their shapes, such as the checkpoint holds.
    schema: Schema of the dataset at hand; None where there is none.

  Returns:
    The checkpoint, its arrays of numpy.

  Raises:
    FileNotFoundError: If there is none.
    Damaged: If it is not what was written.
    ValueError: If the name is unknown, or the checkpoint was made for other
      features or another model.
  """
  import orbax.checkpoint as ocp

  folder = _folder(workdir, name)
  step = latest_step(workdir, name)
  if step is None:
    raise FileNotFoundError(f"no checkpoint {name!r} in {folder.parent}")
  if wrong := damage(workdir, name):
    raise Damaged(f"{folder / str(step)} is damaged: {wrong}")
  like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
  with _manager(folder) as manager:
    meta = _read_meta(manager, folder, step)
    checksum = meta.pop("checksum", None)
    try:
      saved = Schema.from_json(meta["schema"]) if schema else None
    except Exception as error:  # As in `_read_meta`.
      raise Damaged(
        f"{folder / str(step)} is damaged: {_brief(error)}"
      ) from error
    if schema and saved:
      _check_schema(saved, schema, folder / str(step))
    try:
      items = ocp.args.Composite(state=ocp.args.StandardRestore(like))
      state = manager.restore(step, args=items).state
    except Exception as error:  # As above.
      raise Damaged(
        f"{folder / str(step)} is damaged or belongs to another model:"
        f" {_brief(error)}"
      ) from error
  _check_shapes(state, like, folder / str(step))
  if checksum not in (None, _checksum(state)):
    raise Damaged(
      f"{folder / str(step)} is damaged: its checksum does not match"
    )
  return Checkpoint(step, state, meta)


def _folder(workdir: str | os.PathLike[str], name: str) -> pathlib.Path:
  if name not in NAMES:
    raise ValueError(f"unknown checkpoint {name!r}.{suggest(name, NAMES)}")
  return pathlib.Path(workdir).absolute() / "checkpoints" / name


def _sums_path(folder: pathlib.Path) -> pathlib.Path:
  return folder.with_suffix(".json")


def _sums(folder: pathlib.Path) -> dict[str, int]:
  """Returns the checksum of every file below a folder, by relative path."""
  return {
    path.relative_to(folder).as_posix(): zlib.crc32(path.read_bytes())
    for path in sorted(folder.rglob("*"))
    if path.is_file()
  }


def _sum_of(value: Any) -> int:
  return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _write_sums(folder: pathlib.Path, step: int) -> None:
  files = _sums(folder / str(step))
  sums = {"step": step, "files": files, "checksum": _sum_of([step, files])}
  atomic_write_text(_sums_path(folder), json.dumps(sums) + "\n")


@contextlib.contextmanager
def _manager(folder: pathlib.Path) -> Iterator[Any]:
  """Yields orbax's manager of one folder, without its log messages."""
  # Half a second, which `--help` and the other modules need not pay.
  import orbax.checkpoint as ocp

  # Each process for itself: the first alone writes, and waits for nobody.
  this, more = jax.process_index(), {}
  if jax.process_count() > 1:
    more = {
      "create": False,
      "read_only": this > 0,
      "multiprocessing_options": ocp.options.MultiprocessingOptions(
        primary_host=this,
        active_processes={this},
        barrier_sync_key_prefix=f"process{this}",
      ),
    }
  options = ocp.CheckpointManagerOptions(
    max_to_keep=1, enable_async_checkpointing=False, **more
  )
  logging.get_absl_logger().addFilter(_is_not_orbax)  # Once, however often.
  with ocp.CheckpointManager(folder, options=options) as manager:
    yield manager


def _read_meta(manager: Any, folder: pathlib.Path, step: int) -> dict[str, Any]:
  import orbax.checkpoint as ocp

  try:
    items = ocp.args.Composite(meta=ocp.args.JsonRestore())
    meta = dict(manager.restore(step, args=items).meta)
    # Early checkpoints have no checksums.
    if meta.pop("meta_checksum", None) not in (None, _checksum_of_meta(meta)):
      raise ValueError("the checksum of its document does not match")
    version = meta.pop("version", VERSION)
  except Exception as error:  # What is damaged may raise anything.
    raise Damaged(
      f"{folder / str(step)} is damaged: {_brief(error)}"
    ) from error
  if version != VERSION:
    raise ValueError(
      f"{folder / str(step)} was written by another version of this program:"
      f" its format is version {quoted_value(version)}, and this program reads"
      f" {VERSION}"
    )
  return meta


def _is_not_orbax(record: standard_logging.LogRecord) -> bool:
  # What goes wrong is raised as well; its threads may log it after that.
  return "orbax" not in pathlib.Path(record.pathname).parts


def _checksum(state: Any) -> int:
  """Returns a number that changes with any bit of the arrays."""
  checksum = 0
  for leaf in jax.tree.leaves(jax.device_get(state)):
    checksum = zlib.crc32(np.ascontiguousarray(leaf), checksum)
  return checksum


def _checksum_of_meta(meta: dict[str, Any]) -> int:
  """Returns a number that changes with any field but itself."""
  plain = json.loads(json.dumps(meta))  # As it will be read.
  plain.pop("meta_checksum", None)
  return zlib.crc32(json.dumps(plain, sort_keys=True).encode())


def _brief(error: Exception) -> str:
  """Returns both ends of an error message, which may be pages long."""
  return brief(re.split(r" \[\w+(?:\[1\])?=", str(error))[0], 300)


def _check_schema(saved: Schema, here: Schema, path: pathlib.Path) -> None:
  """Refuses a checkpoint whose feature tables or labels are others."""
  if differ := identity.feature_difference(saved, here):
    raise ValueError(f"{path} was made for {differ}")
  for field in ("task_type", "num_tasks", "num_classes"):
    there, now = getattr(saved, field), getattr(here, field)
    if there != now:
      raise ValueError(
        f"{path} was made for another dataset: {field} is {there!r} there and"
        f" {now!r} here"
      )


def _check_shapes(state: Any, like: Any, path: pathlib.Path) -> None:
  # Orbax gives numpy arrays the shape they were saved with, whatever is asked.
  named = jax.tree_util.tree_leaves_with_path(like)
  for (leaf, wanted), found in zip(named, jax.tree.leaves(state), strict=True):
    if found.shape != wanted.shape:
      raise ValueError(
        f"{path} belongs to another model: {jax.tree_util.keystr(leaf)} has"
        f" shape {found.shape} there and {wanted.shape} here"
      )
