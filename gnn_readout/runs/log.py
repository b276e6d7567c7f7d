"""What a run leaves behind to read: metrics while it goes, a record at the end.

`metrics.jsonl` has one JSON object per line, `tensorboard/` the same numbers
as event files, and `record.json` is written once, at the end.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from absl import logging

from gnn_readout.data.store import GraphStore
from gnn_readout.files import atomic_write_text, naming

RECORD_VERSION = 1
_PACKAGES = (
  "dm-haiku",
  "jax",
  "jaxlib",
  "jraph",
  "ml-collections",
  "numpy",
  "optax",
  "orbax-checkpoint",
)


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
    self._path, self._file = path, path.open("a")
    self._events = _event_writer(workdir) if tensorboard else None

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Appends one line, `{"step": step, ...}`."""
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

  def __exit__(self, *unused) -> None:
    with naming(self._path):
      self._file.close()
    if self._events:
      with _event_errors():
        self._events.close()


def _whole_lines(path: pathlib.Path) -> list[dict[str, Any]]:
  lines = []
  for line in path.read_text().splitlines():
    try:
      lines.append(json.loads(line))
    except ValueError:  # The run was killed while it wrote this line.
      break
  return lines


def _event_writer(workdir: str | os.PathLike[str]) -> Any:
  try:
    with _no_stderr():
      import tensorflow as tf

      # The accelerator belongs to JAX.
      tf.config.set_visible_devices([], "GPU")
  except ImportError:
    logging.warning("TensorFlow is not installed: no TensorBoard event files")
    return None
  return tf.summary.create_file_writer(os.path.join(workdir, "tensorboard"))


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


def dataset_facts(store: GraphStore) -> dict[str, Any]:
  """Returns name, sizes and a checksum of the content of a dataset."""
  return {
    "name": store.schema.name,
    "num_graphs": store.num_graphs,
    "num_train": len(store.splits["train"]),
    "num_valid": len(store.splits["valid"]),
    "num_test": len(store.splits["test"]),
    "fingerprint": fingerprint(store, store.splits.values()),
  }


def fingerprint(store: GraphStore, splits: Iterable[np.ndarray] = ()) -> str:
  """Returns 8 hexadecimal digits that change with any column of a dataset.

  Args:
    store: The dataset.
    splits: What else is to be counted.
  """
  checksum = 0
  columns = (store.node_offsets, store.edge_offsets, store.nodes, store.edges)
  columns += (store.senders, store.receivers, store.labels)
  for column in (*columns, *splits):
    checksum = zlib.crc32(np.ascontiguousarray(column), checksum)
  return f"{checksum:08x}"


def environment() -> dict[str, Any]:
  """Returns the `versions`, `hardware` and git fields of a record."""
  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
  on_cpu = jax.default_backend() == "cpu"
  code = (":/gnn_readout", ":/launch", ":/configs")
  in_git = _git("ls-files", "--error-unmatch", __file__) is not None
  return {
    "git_commit": _git("rev-parse", "HEAD") if in_git else None,
    "git_dirty": bool(_git("status", "--porcelain", "--", *code)),
    "versions": {"python": platform.python_version(), **versions},
    "hardware": {
      "platform": jax.default_backend(),
      "device": _processor() if on_cpu else jax.devices()[0].device_kind,
      "cpu_count": os.cpu_count(),
      "memory_gb": round(pages * page_size / 2**30, 1),
    },
  }


def write_record(
  workdir: str | os.PathLike[str], facts: Mapping[str, Any]
) -> dict[str, Any]:
  """Completes the record of a run and writes it.

  Args:
    workdir: The folder of the run.
    facts: All fields but the version and the time.

  Returns:
    What is now in `record.json`.
  """
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
  record = {"schema_version": RECORD_VERSION, **facts, "finished_at": now}
  # A point of a curve on one line, not four. No string of JSON holds a newline.
  text = re.sub(
    r"\[\n *([^][{}\n]*),\n *([^][{}\n]*)\n *\]",
    r"[\1, \2]",
    json.dumps(record, indent=1),
  )
  atomic_write_text(pathlib.Path(workdir) / "record.json", text + "\n")
  return record


def _git(*arguments: str) -> str | None:
  """Returns what git says about this source tree; None if it is not in git."""
  folder = pathlib.Path(__file__).parent
  try:
    return subprocess.run(
      ["git", *arguments],
      cwd=folder,
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def _processor() -> str:
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    return platform.processor()
  names = [line for line in lines if line.startswith("model name")]
  return names[0].split(":")[1].strip() if names else platform.processor()
