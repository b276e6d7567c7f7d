"""What every binary does the same way: flags in, one clear line on error."""

from __future__ import annotations

import difflib
import logging as standard_logging
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
from gnn_readout.runs import memory, output

_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def run(
  main: Callable[[Sequence[str]], int | None], takes_arguments: bool = False
) -> None:
  """Runs `main` under absl; wrong input becomes one line and exit status 1.

  With `--verbosity=1` the traceback is printed as well.

  Args:
    main: Takes the positional arguments and returns an exit status or None.
    takes_arguments: Whether there may be any besides flags.
  """

  def guarded(argv: Sequence[str]) -> int | None:
    try:
      if len(argv) > 1 and not takes_arguments:
        raise ValueError(f"unexpected argument {argv[1]!r}")
      return main(argv)
    except (ValueError, OSError) as error:
      if logging.level_debug():
        raise
      return _report(error)

  memory.keep_freed_memory()
  output.outlive_the_reader()
  sys.unraisablehook = _ignore_late_answers
  line = standard_logging.Formatter("%(levelname)s: %(message)s")
  logging.get_absl_handler().setFormatter(line)
  try:
    app.run(guarded, flags_parser=_parse_flags)
  except SystemExit as stop:
    # absl exits with 1 after --help; who asked for help made no mistake.
    if stop.code == 1 and {"--help", "--helpshort", "--helpfull"} & {*sys.argv}:
      sys.exit(0)
    raise


def command(module: str, **flag_values: str) -> str:
  """Returns what to type to run `module` again with the same config.

  It holds no absolute path: files below the source tree or the current folder
  are written relative to it, others by their name alone.

  Args:
    module: Such as `launch.train`.
    **flag_values: Of other flags that matter.
  """
  flag = flags.FLAGS["config"]
  arguments = {"config": flag.config_filename, **flag_values}
  for field, value in flag.override_values.items():
    arguments[f"config.{field}"] = value
  words = []
  for name, value in arguments.items():
    if isinstance(value, str) and os.path.isabs(value):
      value = _without_root(value)
    words.append(f"--{name}={value}")
  return shlex.join(["python", "-m", module, *words])


def read_config_file(path: str) -> dict[str, Any]:
  """Returns what a config file defines, by name.

  Raises:
    OSError: If there is no such file; the message names the nearest.
    ValueError: If it is no config file.
  """
  if not os.path.isfile(path):
    folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
    files = os.listdir(folder) if os.path.isdir(folder) else []
    known = [file for file in files if re.fullmatch(r"[a-z]\w*\.py", file)]
    hint = suggest(os.path.basename(path), known) if known else ""
    raise FileNotFoundError(f"no config file {path!r}.{hint}")
  try:
    names = runpy.run_path(path)
    if "get_config" not in names:  # As of any other program.
      raise KeyError("get_config")
  except Exception as error:  # It may hold anything.
    raise ValueError(
      f"{path} is no config file: {type(error).__name__}: {error}"
    ) from error
  return names


def parse_config(arguments: Sequence[str]) -> Any:
  """Returns the config that `launch.train` makes of its flags.

  Args:
    arguments: `--config=FILE:VARIANT` and any `--config.FIELD=VALUE`.

  Raises:
    ValueError: If one of them cannot be.
    OSError: If there is no such file.
  """
  from ml_collections import config_flags

  argv = ["", *(_expand_home(word) for word in arguments)]
  defaults = _config_fields(argv)
  values = flags.FlagValues()
  config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
  try:
    values(argv)
  except flags.IllegalFlagValueError as error:
    raise ValueError(str(_reworded(error, defaults))) from error
  except flags.Error as error:
    raise ValueError(str(error)) from error
  return values.config


def _without_root(path: str) -> str:
  source = pathlib.Path(__file__).resolve().parents[1]
  for folder in (source, pathlib.Path.cwd()):
    if pathlib.Path(path).is_relative_to(folder):
      return str(pathlib.Path(path).relative_to(folder))
  return os.path.basename(path)


def _report(error: Exception) -> int:
  text = str(error)
  if isinstance(error, OSError) and error.filename and error.strerror:
    text = f"{error.filename}: {error.strerror}"
  print(f"error: {' '.join(text.split())}", file=sys.stderr)
  return 1


def _ignore_late_answers(unraisable: sys.UnraisableHookArgs) -> None:
  # A checkpoint is read by many threads; after the first error the others
  # find nobody to answer to. The error itself is raised.
  if str(unraisable.exc_value) != "Event loop is closed":
    sys.__unraisablehook__(unraisable)


def _parse_flags(argv: list[str]) -> list[str]:
  """Parses the command line; what is wrong with it becomes one line."""
  argv, defaults = [_expand_home(word) for word in argv], {}
  try:
    if "config" in flags.FLAGS:
      defaults = _config_fields(argv)
    rest = flags.FLAGS(argv)
  except flags.IllegalFlagValueError as error:
    sys.exit(_report(_reworded(error, defaults)))
  except (flags.Error, ValueError, OSError) as error:
    sys.exit(_report(error))
  if flags.FLAGS["verbosity"].using_default_value:
    flags.FLAGS.verbosity = logging.WARNING  # absl would take INFO.
  return rest


def _expand_home(word: str) -> str:
  """Expands `~` in `--flag=~/folder`, which shells leave as it is."""
  name, equals, value = word.partition("=")
  return name + equals + os.path.expanduser(value)


def _reworded(
  error: flags.IllegalFlagValueError, defaults: Mapping[str, Any]
) -> Exception:
  """Says what a flag takes where absl quotes Python's own error."""
  match = re.match(r"flag (--[\w.]+)=(.*?): ", str(error), re.DOTALL)
  if not match:
    return error
  name, value = match.groups()
  if "must have a value" in str(error):
    return ValueError(f"{name} must have a value")
  kind = type(defaults.get(name.removeprefix("--config.")))
  if kind not in _KINDS:
    return error
  return ValueError(f"{name}={value}: {value!r} is not {_KINDS[kind]}")


def _config_fields(argv: Sequence[str]) -> dict[str, Any]:
  """Returns the fields of the config that the command line names.

  Raises ValueError or OSError for a config or a field that is not there,
  which ml_collections would report with a traceback.
  """
  line = "\0".join(argv)  # So that `--config X` and `--config=X` look alike.
  chosen = re.search(r"\0--?config[=\0]([^\0]+)", line)
  if not chosen:
    return {}
  path, *variant = chosen[1].split(":", 1)
  get_config = read_config_file(path)["get_config"]
  try:
    fields = _flatten(get_config(*variant).to_dict())
  except ValueError:
    raise
  except Exception as error:  # It may hold anything.
    raise ValueError(
      f"{path} is no config file: {type(error).__name__}: {error}"
    ) from error
  for field in re.findall(r"\0--?(?:no)?config\.([^=\0]+)", line):
    if field not in fields:
      nearest = max(fields, key=lambda name: _likeness(field, name))
      raise ValueError(
        f"unknown config field {field!r}. Did you mean {nearest!r}?"
        f" Known: {', '.join(fields)}."
      )
  return fields


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Returns the fields by dotted name, and those that hold others too."""
  fields = {}
  for name, value in values.items():
    fields[prefix + name] = value
    if isinstance(value, Mapping):
      fields |= _flatten(value, f"{prefix}{name}.")
  return fields


def _likeness(field: str, name: str) -> float:
  """How alike two dotted names are, as a whole and in their last part."""
  ends = field.rpartition(".")[2], name.rpartition(".")[2]
  pairs = ((field, name), ends)
  return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)
