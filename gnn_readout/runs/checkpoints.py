"""Checkpoints: `latest` to go on from, `best` to report.

`checkpoints/latest/STEP/` and `checkpoints/best/STEP/` each hold the arrays
and a small JSON document. Orbax writes both under a temporary name and renames
them together, and only then deletes the step before: at any moment there is a
whole checkpoint or none.
"""

from __future__ import annotations

import contextlib
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

from gnn_readout.data.store import Schema
from gnn_readout.errors import suggest

NAMES = ("best", "latest")


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
  folder = _folder(workdir, name)
  if not folder.is_dir():
    return None
  with _manager(folder) as manager:
    return manager.latest_step()


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
  meta = {**meta, "checksum": _checksum(state)}
  items = ocp.args.Composite(
    state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta)
  )
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with _manager(folder) as manager:
      manager.save(step, args=items)
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
    schema: That of the dataset at hand; None where there is none.

  Returns:
    The checkpoint, its arrays of numpy.

  Raises:
    FileNotFoundError: If there is none.
    ValueError: If the name is unknown, the checkpoint is damaged, or it was
      made for other features or another model.
  """
  import orbax.checkpoint as ocp

  folder = _folder(workdir, name)
  step = latest_step(workdir, name)
  if step is None:
    raise FileNotFoundError(f"no checkpoint {name!r} in {folder.parent}")
  like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
  with _manager(folder) as manager:
    try:
      items = ocp.args.Composite(meta=ocp.args.JsonRestore())
      meta = manager.restore(step, args=items).meta
      checksum = meta.pop("checksum", None)  # Early checkpoints have none.
      saved = Schema.from_json(meta["schema"]) if schema else None
    except (ValueError, KeyError, TypeError, OSError) as error:
      raise ValueError(
        f"{folder / str(step)} is damaged: {_brief(error)}"
      ) from error
    if schema:
      _check_schema(saved, schema, folder / str(step))
    try:
      items = ocp.args.Composite(state=ocp.args.StandardRestore(like))
      state = manager.restore(step, args=items).state
    except (ValueError, KeyError, TypeError, OSError) as error:
      raise ValueError(
        f"{folder / str(step)} is damaged or of another model: {_brief(error)}"
      ) from error
  _check_shapes(state, like, folder / str(step))
  if checksum not in (None, _checksum(state)):
    raise ValueError(
      f"{folder / str(step)} is damaged: its checksum does not match"
    )
  return Checkpoint(step, state, meta)


def _folder(workdir: str | os.PathLike[str], name: str) -> pathlib.Path:
  if name not in NAMES:
    raise ValueError(f"unknown checkpoint {name!r}.{suggest(name, NAMES)}")
  return pathlib.Path(workdir).absolute() / "checkpoints" / name


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


def _is_not_orbax(record: standard_logging.LogRecord) -> bool:
  # What goes wrong is raised as well; its threads may log it after that.
  return "orbax" not in pathlib.Path(record.pathname).parts


def _checksum(state: Any) -> int:
  """Returns a number that changes with any bit of the arrays."""
  checksum = 0
  for leaf in jax.tree.leaves(jax.device_get(state)):
    checksum = zlib.crc32(np.ascontiguousarray(leaf), checksum)
  return checksum


def _brief(error: Exception) -> str:
  """Returns both ends of an error message, which may be pages long."""
  text = " ".join(re.split(r" \[\w+(?:\[1\])?=", str(error))[0].split())
  return text if len(text) <= 300 else f"{text[:150]} ... {text[-150:]}"


def _check_schema(saved: Schema, here: Schema, path: pathlib.Path) -> None:
  """Refuses a checkpoint whose feature tables or labels are others."""
  for kind in ("node", "edge"):
    tables = [getattr(schema, f"{kind}_sizes") for schema in (saved, here)]
    if tables[0] == tables[1]:
      continue
    columns = [
      f"column {column} has {there} rows there and {now} here"
      for column, (there, now) in enumerate(zip(*tables, strict=False))
      if there != now
    ]
    columns = columns or [
      f"{len(tables[0])} columns there, {len(tables[1])} here"
    ]
    raise ValueError(
      f"{path} was made for other {kind} feature tables:"
      f" {sum(tables[0])} rows in all there, {sum(tables[1])} here"
      f" ({'; '.join(columns)})"
    )
  fields = ("node_dim", "edge_dim", "task_type", "num_tasks", "num_classes")
  for field in fields:
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
        f"{path} is of another model: {jax.tree_util.keystr(leaf)} has"
        f" shape {found.shape} there and {wanted.shape} here"
      )
