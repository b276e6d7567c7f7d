"""Where the tests keep compiled programs from one session to the next."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import MutableMapping

ROOT = pathlib.Path(__file__).parents[1]
SWITCH = "GNN_READOUT_TEST_CACHE"


def use(environment: MutableMapping[str, str]) -> None:
  """Makes JAX keep what it compiles, here and in the processes started here.

  To be called before JAX is imported. Nothing is changed if
  `GNN_READOUT_TEST_CACHE=0`, or if JAX was already told of a folder.
  Processes may share the folder: JAX compiles anew what it cannot read.

  Args:
    environment: The variables of this process.
  """
  if environment.get(SWITCH) == "0":
    return
  environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder()))
  # The small programs are the many ones: they take as long as the large.
  environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def folder() -> pathlib.Path:
  """Returns the folder of this jaxlib and this processor.

  A program compiled for one processor may hold instructions that another does
  not have.
  """
  version = importlib.metadata.version("jaxlib")
  digest = hashlib.sha256(processor(_cpuinfo()).encode()).hexdigest()[:12]
  return ROOT / ".cache" / f"xla-{version}-{digest}"


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
    return pathlib.Path("/proc/cpuinfo").read_text()
  except OSError:  # Not Linux.
    return f"model name: {platform.processor()} {os.cpu_count()}"
