"""Binaries run in this process, which costs no start of another one."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import runpy
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from absl import flags
from absl.testing import flagsaver

from gnn_readout import cli
from gnn_readout.runs import devices, memory, output


class Done(NamedTuple):
  """What a binary came to: exit status and what it printed."""

  status: int
  out: str
  err: str

  @property
  def error(self) -> str:
    """What the one line of an error says."""
    (line,) = self.err.splitlines()
    assert self.status == 1 and line.startswith("error: "), self
    return line.removeprefix("error: ")


def run(
  capsys: pytest.CaptureFixture,
  binary: str,
  *arguments: str,
  folder: str | os.PathLike[str] = ".",
) -> Done:
  """Runs `python -m launch.BINARY` in a folder.

  What concerns a whole process, such as its devices, is left as it is.
  """
  capsys.readouterr()
  with _left_alone(binary, *arguments) as patch:
    for module, name in (
      (memory, "keep_freed_memory"),
      (output, "outlive_the_reader"),
      (devices, "use_all_cores"),
    ):
      patch.setattr(module, name, lambda *unused: None)
    patch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
      runpy.run_module(f"launch.{binary}", run_name="__main__", alter_sys=True)
  return Done(stop.value.code or 0, *capsys.readouterr())


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
