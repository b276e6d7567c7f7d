"""The fields of a config: those that it names, and the arguments of its parts.

`PARTS` says which parts of a config are given to what: `model.readout` to a
readout, and so on. Every argument in the signature of that readout is a field,
`model.readout.ARGUMENT`, whether the config names it or not; what is not set
is not in the config and has the signature's default. So are the options of the
source that the dataset is of, and those of training (`options.OPTIONS`). Field
names are dotted, values written as text: numbers, words, None, and sequences
with commas.
"""

from __future__ import annotations

import ast
import collections.abc
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from gnn_readout import options
from gnn_readout.errors import suggest_field
from gnn_readout.signatures import Argument


def _readout(name: str) -> dict[str, Argument]:
  from gnn_readout.readouts import readout_class

  return {"aux_weight": Argument(float, 0.0), **readout_class(name).arguments()}


def _network(name: str) -> dict[str, Argument]:
  from gnn_readout.message_passing import network_class

  return network_class(name).arguments(name)


def _head(name: str) -> dict[str, Argument]:
  from gnn_readout.layers.heads import arguments

  return arguments(name)


# From a part of a config to the arguments of what its `name` is the name of.
PARTS = {
  "model.head": _head,
  "model.message_passing": _network,
  "model.message_passing.aggregator": _readout,
  "model.readout": _readout,
}

# Other names of fields, for who sets them.
_ALIASES = {"dataset_fn": "dataset"}
# Each of them says how long a run is; the other one is then 0.
LENGTHS = ("num_epochs", "num_steps")

_WORDS = {
  bool: "true or false",
  int: "an integer",
  float: "a number",
  str: "a word",
  type(None): "None",
}
_SEVERAL = " or several separated by commas"


def known(config: ConfigDict) -> dict[str, Any]:
  """Returns the type of every field that can be set, by name.

  Args:
    config: A config; what its parts are called decides about their fields.

  Raises:
    ValueError: If a part has the name of nothing.
  """
  kinds = _options(config) | dict(_named(config)) | options.kinds(config)
  for part in PARTS:
    kinds |= {f"{part}.{name}": k for name, k in _open(config, part).items()}
  return kinds


def with_fields(
  config: ConfigDict, values: Mapping[str, Any], prefix: str = ""
) -> ConfigDict:
  """Returns a copy of a config with some fields set anew.

  Where a part gets another name, arguments of the old one that the new one does
  not take are left out. A length that is set takes the place of the other one:
  with `num_steps` set, `num_epochs` is 0, and the other way round.

  Args:
    config: It may be locked, and the copy is as well then.
    values: Values by name, each as text or of the field's type.
    prefix: Prefix of the fields in messages, such as "--config.".

  Raises:
    ValueError: If there is no such field, a value is not of its type, or two
      fields are set that say the same thing, such as both lengths of a run.
  """
  for field, own in _ALIASES.items():
    if field in values and own in values:
      raise ValueError(
        f"{prefix}{field} and {prefix}{own} set the same field; give one of"
        " them"
      )
  values = {own_name(field): value for field, value in values.items()}
  result = config.copy_and_resolve_references()
  named = dict(_named(config))  # The copy does not know the type of a None.
  # What decides which fields there are comes first.
  for field in sorted(values, key=lambda field: not _decides(field)):
    part, _, last = field.rpartition(".")
    kinds = _open(result, part) if part in PARTS else {}
    others = _options(result) | named | options.kinds(result)
    kind = kinds.get(last, others.get(field))
    if kind is None or (part in PARTS and last not in kinds):
      raise unknown(field, known(result))
    value = read(write(values[field]), kind, prefix + field)
    _set(result, part, last, value)
    if _is_part_name(field):
      _leave_out(result, part)
  _keep_one_length(result, values, prefix)
  return result


def own_name(field: str) -> str:
  """Returns what a field is called in the config, where it has two names."""
  return _ALIASES.get(field, field)


def from_data(config: Mapping[str, Any]) -> Iterator[str]:
  """Yields the fields that will be measured on the data, as none is given.

  Args:
    config: Config as nested dictionaries; such a field is None there, or not
      there.
  """
  import numpy as np

  from gnn_readout.readouts import arguments_from_data

  for part, arguments in PARTS.items():
    readout = _part(config, part)
    if arguments is _readout and readout and "name" in readout:
      for name in arguments_from_data(readout, np.ones(1, np.int64)):
        yield f"{part}.{name}"


def read(text: str, kind: Any, field: str = "") -> Any:
  """Returns the value that a text stands for.

  Args:
    text: Text, such as "0.5", "None", "256,256,1" or "(256, 256, 1)".
    kind: Type of the value, as in a signature: `int | None`, `Sequence[float]`;
      any number or word if it is `Any`.
    field: Whose value it is, for the message.

  Raises:
    ValueError: If it is no such text; the message says what would be.
  """
  kinds = _alternatives(kind)
  for one in kinds:
    try:
      return _read(text, one)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
      pass
  words = [_words(one) for one in kinds]
  # One of them is among several of them.
  words = [w for w in words if f"{w}{_SEVERAL}" not in words]
  expected = " or ".join(words)
  raise ValueError(f"{field} expects {expected}, got {text!r}".lstrip())


def write(value: Any) -> str:
  """Returns the text that `read` takes for a value, without blanks."""
  if isinstance(value, (tuple, list)):
    return f"({','.join(map(write, value))})"
  if isinstance(value, Mapping):
    return repr(dict(value)).replace(" ", "")
  return str(value)


def split(text: str) -> list[str]:
  """Returns what is between the commas of a text, but for those in brackets."""
  parts, depth = [""], 0
  for letter in text:
    depth += (letter in "([{") - (letter in ")]}")
    if letter == "," and depth == 0:
      parts.append("")
    else:
      parts[-1] += letter
  return parts


def _named(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
  """Yields the fields that a config names, and their types."""
  for name in config:
    value = config[name]
    if isinstance(value, ConfigDict):
      yield from _named(value, f"{prefix}{name}.")
    elif value is None:
      kind = config.get_type(name)  # Of a placeholder.
      yield prefix + name, Any if kind is type(None) else kind | None
    elif isinstance(value, (tuple, list)):
      kinds = {type(item) for item in value}
      one = kinds.pop() if len(kinds) == 1 else Any
      yield prefix + name, collections.abc.Sequence[one]
    else:
      yield prefix + name, type(value)


def _part(config: Mapping[str, Any], part: str) -> Any:
  found: Any = config
  for name in part.split("."):
    found = found[name] if found and name in found else None
  return found


def _open(config: ConfigDict, part: str) -> dict[str, Any]:
  """Returns the fields of a part and their types."""
  values = _part(config, part)
  if values is None:
    parent, _, last = part.rpartition(".")
    # An argument that is a part itself, such as the aggregator, can be named.
    name = (_part(config, parent) or {}).get("name")
    takes_it = parent in PARTS and name and last in PARTS[parent](name)
    return {"name": str} if takes_it else {}
  kinds = dict(_named(values))
  if "name" not in values:
    return kinds
  arguments = PARTS[part](values["name"])
  kinds |= {
    name: argument.kind
    for name, argument in arguments.items()
    if f"{part}.{name}" not in PARTS and _can_be_read(argument.kind)
  }
  return kinds


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the options of the dataset's source, by field, and their types."""
  from gnn_readout.data.sources import SOURCES

  dataset = config.get("dataset") or ""
  row = next((row for row in SOURCES if row.matches(dataset)), None)
  if row is None:  # Said where it is opened.
    return {}
  return {
    f"{row.section}.{name}": kind if _can_be_read(kind) else Any
    for name, kind in row.options.items()
  }


def _decides(field: str) -> bool:
  return field == "dataset" or _is_part_name(field)


def _is_part_name(field: str) -> bool:
  part, _, last = field.rpartition(".")
  return last == "name" and part in PARTS


def _set(config: ConfigDict, part: str, name: str, value: Any) -> None:
  with config.unlocked(), config.ignore_type():
    holder = config
    for step in filter(None, part.split(".")):
      if step not in holder:
        holder[step] = ConfigDict()
      holder = holder[step]
    holder[name] = value


def _keep_one_length(
  config: ConfigDict, values: Mapping[str, Any], prefix: str
) -> None:
  """Sets the length that was not given to 0, if the other one was."""
  given = [name for name in LENGTHS if name in values and config[name] > 0]
  if len(given) > 1:
    words = " and ".join(f"{prefix}{name}={config[name]:g}" for name in given)
    raise ValueError(
      f"{words} both set the length of the run; give one of them"
    )
  for name in set(LENGTHS) - set(given) if given else ():
    if name in config:
      _set(config, "", name, type(config[name])(0))


def _leave_out(config: ConfigDict, part: str) -> None:
  """Deletes the arguments that a part of this name does not take."""
  holder = _part(config, part)
  arguments = PARTS[part](holder["name"])
  with config.unlocked():
    for name in [n for n in holder if n != "name" and n not in arguments]:
      del holder[name]


def unknown(field: str, kinds: Mapping[str, Any]) -> ValueError:
  """Returns an error that names the nearest field, and those that are known.

  Args:
    field: Which is not there.
    kinds: The fields that exist, by name.
  """
  return ValueError(
    f"the config has no field {field!r}.{suggest_field(field, list(kinds))}"
  )


def _alternatives(kind: Any) -> tuple[Any, ...]:
  if typing.get_origin(kind) in (typing.Union, types.UnionType):
    kinds = [one for one in typing.get_args(kind) if _can_be_read(one)]
    return tuple(sorted(kinds, key=lambda one: one is not type(None)))
  return (kind,)


def _is_sequence(kind: Any) -> bool:
  origin = typing.get_origin(kind) or kind
  return origin in (collections.abc.Sequence, tuple, list)


def _can_be_read(kind: Any) -> bool:
  if typing.get_origin(kind) in (typing.Union, types.UnionType):
    return any(map(_can_be_read, typing.get_args(kind)))
  return kind is Any or kind in _WORDS or _is_sequence(kind)


def _element(kind: Any) -> Any:
  return (*typing.get_args(kind), Any)[0]


def _words(kind: Any) -> str:
  if _is_sequence(kind):
    return _words(_element(kind)) + _SEVERAL
  if kind is Any:
    return "a value"
  return " or ".join(_WORDS.get(one, "a value") for one in _alternatives(kind))


def _read(text: str, kind: Any) -> Any:
  if _is_sequence(kind):
    return _read_sequence(text.strip(), _element(kind))
  if kind is Any:
    return read(text, bool | int | float | str | None)
  if kind is type(None) and text == "None":
    return None
  if kind is bool and text.lower() in ("true", "false"):
    return text.lower() == "true"
  if kind is int and re.fullmatch(r"[+-]?\d+", text.strip()):
    return int(text)
  if kind is float and "_" not in text:
    return float(text)
  if kind is str:
    return text
  raise ValueError


def _read_sequence(text: str, kind: Any) -> tuple[Any, ...]:
  if text[:1] in ("(", "[") and text[-1:] in (")", "]"):
    text = text[1:-1].strip().removesuffix(",")
  parts = [part.strip() for part in split(text)] if text else []
  return tuple(_read_element(part, kind) for part in parts)


def _read_element(text: str, kind: Any) -> Any:
  if text[:1] not in ("{", "'", '"'):
    return read(text, kind)
  value = ast.literal_eval(text)
  origins = [typing.get_origin(one) for one in typing.get_args(kind) or (kind,)]
  if isinstance(value, dict) and collections.abc.Mapping in origins:
    return value
  return read(write(value), kind)
