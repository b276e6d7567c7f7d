"""Stores that are converted once and opened from then on."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterable

from absl import logging

from gnn_readout.data.store import GraphStore, StaleError, open_store


def cached(
  cache_dir: str | os.PathLike[str],
  key: str,
  fingerprint: str,
  build: Callable[[], GraphStore],
) -> GraphStore:
  """Opens the store `cache_dir/key`, or builds and saves it.

  A cache that is missing, damaged, of another schema version or made from
  another source is built again. If it cannot be written (a full disk, a
  read-only folder), the store is used from memory and a warning logged.

  Args:
    cache_dir: The folder of all caches.
    key: The name of this one.
    fingerprint: Identifies the source, see `fingerprint_of`.
    build: Makes the store from the source.

  Returns:
    The memory-mapped store.
  """
  path = pathlib.Path(cache_dir) / key
  try:
    return open_store(path, verify=True, fingerprint=fingerprint)
  except FileNotFoundError:
    pass
  except StaleError as error:
    logging.info("Building the cache again: %s", error)
  except (ValueError, OSError) as error:
    logging.warning("Building the cache again: %s", error)
  store = build()
  try:
    store.save(path, fingerprint)
    return open_store(path)
  except OSError as error:
    reason = error.strerror or error
    logging.warning("Cannot write the cache %s: %s", path, reason)
    return store


def fingerprint_of(files: Iterable[str | os.PathLike[str]]) -> str:
  """Returns a text that changes when a file's name, size or time does.

  Args:
    files: The files of the source.
  """
  stats = [(pathlib.Path(file).name, os.stat(file)) for file in files]
  return json.dumps([[name, s.st_size, s.st_mtime_ns] for name, s in stats])
