"""Compiled programs, kept on disk for the next process.

JAX's persistent compilation cache, in a folder of the cache. A program that
cannot be kept or read is compiled, and nothing is said. It is JAX's own
variables that choose another folder, `JAX_COMPILATION_CACHE_DIR`, or none,
`JAX_ENABLE_COMPILATION_CACHE=0`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import re
import stat
import sys
import warnings
from collections.abc import MutableMapping
from typing import Any

from gnn_readout.files import read_text

_FOLDER = "JAX_COMPILATION_CACHE_DIR"
_SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_LIMIT = 2**30  # Bytes; what was written first goes first.
_TROUBLE = re.compile(
  r"Error (?:reading|writing) persistent compilation cache entry for '(.+?)'"
)


def keep(cache_dir: str | os.PathLike[str] | None) -> None:
  """Makes JAX keep what it compiles, here and in the processes started here.

  Nothing is changed where JAX was told of a folder, or where no folder of the
  cache can be written by this user and by this user alone.

  Args:
    cache_dir: The folder of the cache; None for the usual one.
  """
  from gnn_readout.data import folders

  parent = folders.cache_folder(cache_dir).absolute()
  folder = parent / "compiled" / here()
  if os.environ.get(_FOLDER, str(folder)) != str(folder):
    return
  if not _is_own(folder):
    return
  _forget_the_oldest(folder.parent)
  use(folder, os.environ)
  if "jax" in sys.modules:  # It reads the variables when it is imported.
    import jax

    seconds = float(os.environ[_SECONDS])
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)
  _forget_what_cannot_be_read(folder)


def use(folder: pathlib.Path, environment: MutableMapping[str, str]) -> None:
  """Sets the variables that make JAX keep what it compiles.

  Args:
    folder: Where to; processes may share it.
    environment: Environment variables of this process or another. Variables
      that are there stay.
  """
  environment.setdefault(_FOLDER, str(folder))
  # The small programs are the many ones: they take as long as the large.
  environment.setdefault(_SECONDS, "0")


def here() -> str:
  """Returns the name of a folder for this jaxlib and this processor.

  A program compiled for one processor may hold instructions that another does
  not have.
  """
  version = importlib.metadata.version("jaxlib")
  digest = hashlib.sha256(processor(_cpuinfo()).encode()).hexdigest()[:12]
  return f"xla-{version}-{digest}"


def processor(cpuinfo: str) -> str:
  """Returns name and abilities of the first processor in /proc/cpuinfo."""
  first = cpuinfo.strip().partition("\n\n")[0]
  rows = (line.partition(":") for line in first.splitlines())
  fields = {name.strip(): value.strip() for name, _, value in rows}
  # The second of each is what ARM calls it.
  keys = ("model name", "CPU part", "flags", "Features")
  words = [fields[key] for key in keys if key in fields]
  return " ".join([platform.machine(), *words])


def _cpuinfo() -> str:
  try:
    return read_text("/proc/cpuinfo")
  except OSError:  # Not Linux.
    return f"model name: {platform.processor()} {os.cpu_count()}"


def _is_own(folder: pathlib.Path) -> bool:
  """Makes the folder and returns whether to trust and to write what is there.

  What lies in it is run: nobody else may have put it there.
  """
  try:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
  except OSError:
    return False
  is_own = found.st_uid == os.getuid() and not found.st_mode & stat.S_IWOTH
  return is_own and os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def _forget_the_oldest(folder: pathlib.Path) -> None:
  """Deletes what was kept first until the rest has its size."""
  with contextlib.suppress(OSError):  # Others may delete as well.
    kept = [(path, path.stat()) for path in folder.glob("*/*-cache")]
    total = sum(found.st_size for _, found in kept)
    for path, found in sorted(kept, key=lambda x: x[1].st_mtime_ns):
      if total <= _LIMIT:
        return
      path.unlink(missing_ok=True)
      total -= found.st_size


def _forget_what_cannot_be_read(folder: pathlib.Path) -> None:
  """Deletes the rest of what a killed process or a full disk cut short.

  JAX, which would never write it again, says of what program it is.
  """
  show = warnings.showwarning

  def show_others(message: Any, *others: Any, **more: Any) -> None:
    found = _TROUBLE.match(str(message))
    if not found:
      return show(message, *others, **more)
    for path in folder.glob("*-cache"):
      if path.name.startswith(f"{found[1]}-"):
        with contextlib.suppress(OSError):
          path.unlink()

  warnings.showwarning = show_others
  warnings.filterwarnings("always", _TROUBLE.pattern)
