"""Where a result comes from: which code, on what, with which versions."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

from gnn_readout.files import read_text

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


def environment() -> dict[str, Any]:
  """Returns the `versions`, `hardware` and git fields of a record."""
  import jax

  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
  on_cpu = jax.default_backend() == "cpu"
  code = (":/gnn_readout", ":/launch", ":/configs", ":/benchmarks")
  status = ("status", "--porcelain", "--", *code)
  in_git = _git("ls-files", "--error-unmatch", __file__) is not None
  return {
    "git_commit": _git("rev-parse", "HEAD") if in_git else None,
    "git_dirty": bool(_git(*status)) if in_git else None,
    "versions": {"python": platform.python_version(), **versions},
    "hardware": {
      "platform": jax.default_backend(),
      "device": _processor() if on_cpu else jax.devices()[0].device_kind,
      "cpu_count": os.cpu_count(),
      "memory_gb": round(pages * page_size / 2**30, 1),
    },
  }


def _git(*arguments: str) -> str | None:
  """Returns what git says about this source tree; None if it is not in git."""
  folder = pathlib.Path(__file__).parent
  try:
    return subprocess.run(
      ["git", *arguments],
      cwd=folder,
      capture_output=True,
      encoding="utf-8",
      errors="replace",
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def _processor() -> str:
  try:
    lines = read_text("/proc/cpuinfo").splitlines()
  except OSError:
    return platform.processor()
  names = [line for line in lines if line.startswith("model name")]
  return names[0].split(":")[1].strip() if names else platform.processor()
