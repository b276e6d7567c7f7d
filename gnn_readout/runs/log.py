"""What a run prints and logs while it trains.

`metrics.jsonl` has one JSON object per line, `tensorboard/` the same numbers
as event files. The record at its end is `gnn_readout.records`'.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging

from gnn_readout.files import atomic_write_text, naming, parse_json
from gnn_readout.runs import locks


class MetricsLog:
  """Appends metrics to a file, and to TensorBoard's event files if asked."""

  def __init__(
    self, workdir: str | os.PathLike[str], step: int, tensorboard: bool
  ):
    """Opens the files of a run that has done `step` steps.

    Lines of later steps, which a killed run left, are dropped: those steps
    will come again.

    Args:
      workdir: The folder of the run.
      step: Steps done.
      tensorboard: Whether to write event files too, which needs TensorFlow.
    """
    path = pathlib.Path(workdir) / "metrics.jsonl"
    if path.exists():
      kept = [line for line in _whole_lines(path) if line["step"] <= step]
      atomic_write_text(path, "".join(json.dumps(x) + "\n" for x in kept))
    self._path, self._file = path, path.open("a", encoding="utf-8")
    self._events = _event_writer(workdir) if tensorboard else None

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Appends one line, `{"step": step, ...}`.

    Raises:
      OSError: If it cannot be written, or the folder was deleted.
    """
    locks.check_there(self._path)
    with naming(self._path):
      self._file.write(json.dumps({"step": step, **values}) + "\n")
      self._file.flush()
    if self._events:
      self._write_events(step, values)

  def _write_events(self, step: int, values: Mapping[str, float]) -> None:
    import tensorflow as tf

    # What tf.summary.scalar writes, which itself needs the viewer installed.
    scalars = tf.compat.v1.SummaryMetadata()
    scalars.plugin_data.plugin_name = "scalars"
    with _event_errors(), self._events.as_default():
      for name, value in values.items():
        tf.summary.write(name, tf.constant(value), step, metadata=scalars)

  def __enter__(self) -> MetricsLog:
    return self

  def __exit__(self, *unused: object) -> None:
    with naming(self._path):
      self._file.close()
    if self._events:
      with _event_errors():
        self._events.close()


def _whole_lines(path: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the lines that are metrics; of others but the last it warns."""
  lines, wrong = [], []
  texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
  for number, text in enumerate(texts, start=1):
    try:
      line = parse_json(text)
      if not isinstance(line["step"], int):
        raise TypeError
      lines.append(line)
    except (ValueError, TypeError, KeyError):
      wrong.append(number)
  # The last is what a run was writing when it was killed.
  if wrong and wrong != [len(texts)]:
    logging.warning(
      "%s: lines without metrics were left out: line %d%s",
      path,
      wrong[0],
      f" and {len(wrong) - 1} more" if len(wrong) > 1 else "",
    )
  return lines


def _event_writer(workdir: str | os.PathLike[str]) -> Any:
  try:
    with _no_stderr():
      import tensorflow as tf

      # The accelerator belongs to JAX.
      tf.config.set_visible_devices([], "GPU")
  except ImportError:
    logging.warning(
      "TensorFlow is not installed, so no TensorBoard event files are written"
    )
    return None
  # As bytes, in which any name can be had.
  path = os.fsencode(os.path.join(workdir, "tensorboard"))
  return tf.summary.create_file_writer(path)


@contextlib.contextmanager
def _event_errors() -> Iterator[None]:
  """Turns TensorFlow's errors, such as of a full disk, into an OSError."""
  import tensorflow as tf

  try:
    with _no_stderr():
      yield
  except tf.errors.OpError as error:
    reason = error.message.partition("}} ")[2].partition("\n")[0]
    raise OSError(f"cannot write event files: {reason}") from error


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
  """Drops what TensorFlow's libraries print: pages, and no news."""
  saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, 2)
  try:
    yield
  finally:
    os.dup2(saved, 2)
    os.close(saved)
    os.close(nowhere)
