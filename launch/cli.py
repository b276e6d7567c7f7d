"""What every binary does the same way: flags in, one clear line on error."""

from __future__ import annotations

import difflib
import os
import pathlib
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import app, flags, logging

from gnn_readout.errors import suggest
from launch import memory


def run(main: Callable[[Sequence[str]], int | None]) -> None:
  """Runs `main` under absl; wrong input becomes one line and exit status 1.

  With `--verbosity=1` the traceback is printed as well.

  Args:
    main: Takes the positional arguments and returns an exit status or None.
  """

  def guarded(argv: Sequence[str]) -> int | None:
    try:
      return main(argv)
    except (ValueError, OSError) as error:
      if logging.level_debug():
        raise
      return _report(error)

  memory.keep_freed_memory()
  try:
    app.run(guarded, flags_parser=_parse_flags)
  except SystemExit as stop:
    # absl exits with 1 after --help; who asked for help made no mistake.
    if stop.code == 1 and {"--help", "--helpshort", "--helpfull"} & {*sys.argv}:
      sys.exit(0)
    raise


def command(module: str) -> str:
  """Returns what to type to run `module` again with the same config.

  It holds no absolute path: files below the source tree or the current folder
  are written relative to it, others by their name alone.
  """
  flag = flags.FLAGS["config"]
  arguments = {"config": flag.config_filename}
  for field, value in flag.override_values.items():
    arguments[f"config.{field}"] = value
  words = []
  for name, value in arguments.items():
    if isinstance(value, str) and os.path.isabs(value):
      value = _without_root(value)
    words.append(f"--{name}={value}")
  return shlex.join(["python", "-m", module, *words])


def _without_root(path: str) -> str:
  source = pathlib.Path(__file__).resolve().parents[1]
  for folder in (source, pathlib.Path.cwd()):
    if pathlib.Path(path).is_relative_to(folder):
      return str(pathlib.Path(path).relative_to(folder))
  return os.path.basename(path)


def _report(error: Exception) -> int:
  print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
  return 1


def _parse_flags(argv: list[str]) -> list[str]:
  """Parses the command line; what is wrong with it becomes one line."""
  try:
    if "config" in flags.FLAGS:
      _check_config_flags(argv)
    rest = flags.FLAGS(argv)
  except (flags.Error, ValueError, OSError) as error:
    sys.exit(_report(error))
  if flags.FLAGS["verbosity"].using_default_value:
    flags.FLAGS.verbosity = logging.WARNING  # absl would take INFO.
  return rest


def _check_config_flags(argv: Sequence[str]) -> None:
  """Raises ValueError or OSError for a config or a field that is not there.

  ml_collections would report either with a traceback.
  """
  line = "\0".join(argv)  # So that `--config X` and `--config=X` look alike.
  chosen = re.search(r"\0--?config[=\0]([^\0]+)", line)
  if not chosen:
    return
  path, _, variant = chosen[1].partition(":")
  if not os.path.isfile(path):
    folder = os.path.dirname(path) or "."
    files = os.listdir(folder) if os.path.isdir(folder) else []
    known = [file for file in files if file.endswith(".py")]
    raise FileNotFoundError(
      f"no config file {path!r}.{suggest(os.path.basename(path), known)}"
    )
  get_config = runpy.run_path(path)["get_config"]
  config = get_config(variant) if variant else get_config()
  names = _field_names(config.to_dict())
  for field in re.findall(r"\0--?(?:no)?config\.([^=\0]+)", line):
    if field not in names:
      nearest = max(names, key=lambda name: _likeness(field, name))
      raise ValueError(
        f"unknown config field {field!r}. Did you mean {nearest!r}?"
        f" Known: {', '.join(names)}."
      )


def _field_names(values: Mapping[str, Any], prefix: str = "") -> list[str]:
  names = []
  for name, value in values.items():
    names.append(prefix + name)
    if isinstance(value, Mapping):
      names += _field_names(value, f"{prefix}{name}.")
  return names


def _likeness(field: str, name: str) -> float:
  """How alike two dotted names are, as a whole and in their last part."""
  ends = field.rpartition(".")[2], name.rpartition(".")[2]
  pairs = ((field, name), ends)
  return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)
