"""Binaries run in this process, which costs no start of another one."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pathlib
import runpy
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
from absl import flags
from absl.testing import flagsaver

from gnn_readout import cli
from gnn_readout.runs import compiled, devices, memory, output


class Done(NamedTuple):
  """What a binary came to, as `subprocess` has it."""

  returncode: int
  stdout: str
  stderr: str

  @property
  def error(self) -> str:
    """What the one line of an error says."""
    (line,) = self.stderr.splitlines()
    assert self.returncode == 1 and line.startswith("error: "), self
    return line.removeprefix("error: ")


def run(
  binary: str,
  *arguments: str,
  folder: str | os.PathLike[str] = ".",
  environment: Mapping[str, str] | None = None,
) -> Done:
  """Runs `python -m launch.BINARY` in a folder.

  What concerns a whole process, such as its devices, is left as it is.

  Args:
    binary: Such as 'train'.
    *arguments: Of the command line.
    folder: Where it is typed.
    environment: Variables that are set while it runs.
  """
  stdout, stderr = io.StringIO(), io.StringIO()
  with (
    contextlib.redirect_stdout(stdout),
    contextlib.redirect_stderr(stderr),
    _left_alone(binary, *arguments) as patch,
  ):
    for name, value in (environment or {}).items():
      patch.setenv(name, value)
    for module, name in (
      (compiled, "keep"),
      (memory, "keep_freed_memory"),
      (output, "outlive_the_reader"),
      (devices, "use_all_cores"),
      (devices, "use_cores"),
    ):
      patch.setattr(module, name, lambda *unused: None)
    patch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
      runpy.run_module(f"launch.{binary}", run_name="__main__", alter_sys=True)
  return Done(stop.value.code or 0, stdout.getvalue(), stderr.getvalue())


def helps(binary: str) -> dict[str, str]:
  """Returns the help text of every flag that a binary defines."""
  with _left_alone(binary) as patch:
    patch.setattr(cli, "run", lambda *unused, **unused_too: None)
    before = set(flags.FLAGS)
    runpy.run_module(f"launch.{binary}", run_name="__main__")
    return {name: flags.FLAGS[name].help for name in {*flags.FLAGS} - before}


@contextlib.contextmanager
def _left_alone(binary: str, *arguments: str) -> Iterator[pytest.MonkeyPatch]:
  """Undoes what a binary does to flags, logging and the interpreter."""
  saved, root = flagsaver.save_flag_values(), logging.getLogger()
  handlers = [*root.handlers]
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(sys, "argv", [f"{binary}.py", *arguments])
    patch.setattr(sys, "unraisablehook", sys.unraisablehook)
    # A package imported before is not told from one that is run.
    patch.delitem(sys.modules, f"launch.{binary}", raising=False)
    patch.syspath_prepend(pathlib.Path(__file__).parents[2])
    try:
      yield patch
    finally:
      root.handlers[:] = handlers
      flagsaver.restore_flag_values(saved)
