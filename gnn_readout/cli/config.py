"""The flag --config=FILE:VARIANT, and --config.FIELD=VALUE for its fields."""

from __future__ import annotations

import collections
import os
import pathlib
import re
import runpy
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from gnn_readout import programs
from gnn_readout.errors import suggest


class _ConfigFlag(flags.Flag):
  """A flag whose value is a config.

  Attributes:
    file: What it was given, FILE or FILE:VARIANT.
    given: What was set in the config, by field, as text; None for a field that
      was named without a value.
  """

  def __init__(self, help_text: str):
    """Creates the flag."""
    super().__init__(flags.ArgumentParser(), None, "config", None, help_text)
    self.file = ""
    self.given: dict[str, str | None] = {}

  def _parse(self, argument: str | None) -> Any:
    if argument is None:
      return None
    self.file = argument
    return _load(argument, self.given)


def define_config(help_text: str, is_required: bool = True) -> flags.FlagHolder:
  """Defines the flag of a binary.

  Args:
    help_text: Help text of the flag.
    is_required: Whether it must be given.

  Returns:
    The holder of the flag; its value is a locked config, or None.
  """
  return flags.DEFINE_flag(_ConfigFlag(help_text), required=is_required)


def take_fields(argv: Sequence[str]) -> list[str]:
  """Returns the words that are no --config.FIELD=VALUE, and keeps those.

  Args:
    argv: The command line; the words of its --flagfile=FILE count as its own.

  Raises:
    ValueError: If there are such words and no --config.
  """
  words = flags.FLAGS.read_flags_from_files(argv, force_gnu=True)
  argv = [expand_home(word) for word in words]
  if "config" not in flags.FLAGS:
    return argv
  rest, given = _split(argv)
  flags.FLAGS["config"].given = given
  if given and not any(re.match(r"--?config(=|$)", word) for word in rest):
    raise ValueError(f"--config.{next(iter(given))} needs --config=FILE")
  return rest


def command(
  module: str, *words: str, **flag_values: str | int | Sequence[str]
) -> str:
  """Returns what to type to run `module` again with the same config.

  It holds no absolute path: files below the source tree or the current folder
  are written relative to it, others by their name alone.

  Args:
    module: Module, such as `launch.train`.
    *words: Arguments besides flags.
    **flag_values: Of other flags that matter; several for one that is repeated.
  """
  from gnn_readout.config_fields import own_name, write

  flag = flags.FLAGS["config"]
  arguments = [("config", flag.file)] if flag.file else []
  for name, value in flag_values.items():
    several = value if isinstance(value, (list, tuple)) else [value]
    arguments += [(name, str(one)) for one in several]
  for field in flag.given:
    value, field = flag.value, own_name(field)
    for name in field.split("."):
      value = value[name]
    arguments.append((f"config.{field}", write(value)))
  shown = [
    f"--{name}={_without_root(value) if os.path.isabs(value) else value}"
    for name, value in arguments
  ]
  command = shlex.join(["python", "-m", module, *words, *shown])
  return programs.spelled(command)


def again(*more_flags: str) -> str:
  """Returns the command line of this program, with some flags more."""
  module = f"launch.{pathlib.Path(sys.argv[0]).stem}"
  words = ["python", "-m", module, *sys.argv[1:], *more_flags]
  return programs.spelled(shlex.join(words))


def read_config_file(path: str) -> dict[str, Any]:
  """Returns what a config file defines, by name.

  Args:
    path: Path of the file; where there is none, of one of the project's own,
      such as `configs/molpcba.py`.

  Raises:
    OSError: If there is no such file; the message names the nearest.
    ValueError: If it is no config file.
  """
  own = str(programs.root() / path)
  if not os.path.isfile(path) and os.path.isfile(own):
    path = own
  if not os.path.isfile(path):
    near = path if os.path.isdir(os.path.dirname(path) or ".") else own
    folder = near if os.path.isdir(near) else os.path.dirname(near) or "."
    known = [
      file.name
      for file in pathlib.Path(folder).glob("[a-z]*.py")
      if "def get_config(" in file.read_text(encoding="utf-8", errors="ignore")
    ]
    name = "" if os.path.isdir(path) else os.path.basename(path)
    hint = suggest(name, known) if known else ""
    raise FileNotFoundError(f"no config file {path!r}.{hint}")
  try:
    names = runpy.run_path(path)
    if "get_config" not in names:  # As of any other program.
      raise KeyError("get_config")
  except Exception as error:  # It may hold anything.
    raise _no_config(path, error) from error
  return names


def parse_config(arguments: Sequence[str]) -> Any:
  """Returns the config that `launch.train` makes of its flags.

  Args:
    arguments: `--config=FILE:VARIANT` and any `--config.FIELD=VALUE`.

  Raises:
    ValueError: If one of them cannot be.
    OSError: If there is no such file.
  """
  words = ["", *(expand_home(word) for word in arguments)]
  (_, config), given = _split(words)
  return _load(config.removeprefix("--config="), given)


def expand_home(word: str) -> str:
  """Expands `~` in `--flag=~/folder`, which shells leave as it is."""
  name, equals, value = word.partition("=")
  return name + equals + os.path.expanduser(value)


def _split(argv: Sequence[str]) -> tuple[list[str], dict[str, str | None]]:
  """Returns the other words, and by field what is set in the config."""
  rest, given = [], {}
  words = collections.deque(argv)
  while words:
    word = words.popleft()
    found = re.fullmatch(r"--?(no)?config\.([^=]+)(=.*)?", word, re.DOTALL)
    if word == "--":
      return [*rest, word, *words], given
    if not found:
      rest.append(word)
      continue
    negation, field, value = found.groups()
    if value is not None:
      given[field] = value[1:]
    elif negation:
      given[field] = "False"
    else:
      given[field] = None
      if words and not words[0].startswith("-"):
        given[field] = words.popleft()
  return rest, given


def _load(file: str, given: Mapping[str, str | None]) -> Any:
  """Returns the config of FILE:VARIANT with fields set in it, locked."""
  from gnn_readout import config_fields

  path, *variant = file.split(":", 1)
  get_config = read_config_file(path)["get_config"]
  try:
    config = get_config(*variant).lock()
    named = config.to_dict()
  except ValueError:
    raise
  except Exception as error:  # It may hold anything.
    raise _no_config(path, error) from error
  given = {
    field: _switched_on(field, named) if text is None else text
    for field, text in given.items()
  }
  return config_fields.with_fields(config, given, "--config.")


def _switched_on(field: str, named: Any) -> str:
  """Returns the value of a field that was named without one."""
  for name in field.split("."):
    named = named.get(name) if isinstance(named, dict) else None
  if named is not None and not isinstance(named, bool):
    raise ValueError(f"--config.{field} must have a value")
  return "True"


def _no_config(path: str, error: Exception) -> ValueError:
  return ValueError(
    f"{path} is not a config file: {type(error).__name__}: {error}"
  )


def _without_root(path: str) -> str:
  for folder in (programs.root(), pathlib.Path.cwd()):
    if pathlib.Path(path).is_relative_to(folder):
      return str(pathlib.Path(path).relative_to(folder))
  return os.path.basename(path)
