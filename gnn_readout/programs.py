"""Where `launch`, `configs` and `benchmarks` lie, and how they are called.

In a checkout they are folders beside this package, called by
`python -m launch.train` and so on. An installed package holds copies of them,
which are no packages of their own to anybody else; `gnn-readout train` calls
them, and works from any folder.
"""

from __future__ import annotations

import ast
import pathlib
import runpy
import sys

_PACKAGE = pathlib.Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_programs"

# Of modules that not every program needs, the extra that brings them.
_EXTRAS = {
  "cvxpy": "peers",
  "equinox": "equinox",
  "flax": "flax",
  "tensorflow": "tensorboard",
  "torch": "peers",
  "torch_geometric": "peers",
}
_OWN = ("gnn_readout", "launch", "configs", "benchmarks")

_by_command = False  # Whether `gnn-readout` has started this process.


def root() -> pathlib.Path:
  """Returns the folder that holds `launch`, `configs` and `benchmarks`."""
  return _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def summaries() -> dict[str, str]:
  """Returns the first line of each program's docstring, by its name."""
  found = {}
  for path in sorted((root() / "launch").glob("[a-z]*.py")):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    found[path.stem] = (text or "").partition("\n")[0]
  return found


def run(name: str, arguments: list[str]) -> None:
  """Runs a program in this process, as its command line would.

  Args:
    name: Name, such as `train`.
    arguments: What follows the name.
  """
  global _by_command
  _by_command = True
  sys.path.insert(0, str(root()))
  # What a config names may lie in the current folder; nothing there takes the
  # place of what is installed.
  sys.path.append("")
  sys.argv = [f"gnn-readout {name}", *arguments]
  runpy.run_module(f"launch.{name}", run_name="__main__", alter_sys=True)


def spelled(text: str) -> str:
  """Returns a text with its `python -m launch.NAME` as it is typed here."""
  if not _by_command:
    return text
  return text.replace("python -m launch.", "gnn-readout ")


def name_of(command: str) -> str:
  """Returns what follows `python -m launch.` or `gnn-readout ` in a command."""
  return command.removeprefix("python -m launch.").removeprefix("gnn-readout ")


def is_command_line() -> bool:
  """Returns whether this process was started to run one of the programs."""
  words = sys.orig_argv[1:]
  if words[:1] == ["-m"]:
    return words[1].partition(".")[0] in ("launch", "gnn_readout")
  return bool(words) and pathlib.Path(words[0]).stem == "gnn-readout"


def child(name: str) -> list[str]:
  """Returns the words that start a program in a process of its own."""
  if _by_command:
    return [sys.executable, "-m", "gnn_readout", name]
  return [sys.executable, "-m", f"launch.{name}"]


def lacking(error: ModuleNotFoundError) -> str:
  """Returns what to install where a module is missing; '' for one of ours."""
  module = (error.name or "").partition(".")[0]
  if not module or module in _OWN:
    return ""
  extra = _EXTRAS.get(module, "train")
  return (
    f"{module} is not installed; it comes with"
    f" pip install 'gnn_readout[{extra}]'"
  )
