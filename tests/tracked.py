"""Which files belong to the repository."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def files() -> list[pathlib.Path]:
  """Returns those in it or about to be: not ignored, still there.

  Where there is no repository the test that asks is skipped.
  """
  command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
  try:
    done = subprocess.run(
      command, cwd=ROOT, capture_output=True, text=True, check=True
    )
  except (OSError, subprocess.CalledProcessError) as error:
    pytest.skip(f"no list of tracked files: {error}")
  paths = [ROOT / name for name in done.stdout.splitlines()]
  return [path for path in paths if path.is_file()]
