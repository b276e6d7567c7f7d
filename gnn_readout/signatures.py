"""What a function or class can be given, read from its signature."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from gnn_readout.errors import suggest


class Argument(NamedTuple):
  """One argument.

  Attributes:
    kind: Its annotation, such as `int | None`.
    default: Its default value, or `inspect.Parameter.empty`.
  """

  kind: Any
  default: Any

  @property
  def is_required(self) -> bool:
    """Whether the argument has no default."""
    return self.default is inspect.Parameter.empty


def arguments(
  function: Callable[..., Any], besides: Collection[str] = ()
) -> dict[str, Argument]:
  """Returns the arguments of a function, by name.

  Args:
    function: Its annotations must be importable where it is defined.
    besides: Names to leave out.
  """
  kinds = typing.get_type_hints(function)
  return {
    name: Argument(kinds.get(name, Any), parameter.default)
    for name, parameter in inspect.signature(function).parameters.items()
    if name not in besides
  }


def check(
  what: str, given: Iterable[str], known: Mapping[str, Argument]
) -> None:
  """Refuses arguments that are not known, and the lack of required ones.

  Args:
    what: Takes the arguments, such as "Readout 'sum'".
    given: The names of what it is given.
    known: What it takes.

  Raises:
    ValueError: If one is not known, with the nearest name, or is missing.
  """
  given = list(given)
  for name in given:
    if name not in known:
      near = suggest(name, known) if known else ""
      raise ValueError(f"{what} takes no argument {name!r}.{near}")
  for name, argument in known.items():
    if argument.is_required and name not in given:
      raise ValueError(f"{what} needs the argument {name!r}.")
