"""The options of training that no config names: all are off unless set.

One row of `OPTIONS` is one field of a config. What is not set is not in the
config, and neither the run nor its hash knows of the option then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gnn_readout.errors import suggest
from gnn_readout.wording import counted


class Option(NamedTuple):
  """A field of a config that may be set.

  Attributes:
    kind: The type of its value.
    default: What a config without it has.
    fits: Whether a value can be.
    words: What a value must be, for the message.
    of_graphs: Whether it is for datasets of graphs alone, and not for tasks
      that draw their examples.
  """

  kind: Any
  default: Any
  fits: Callable[[Any], bool] = lambda value: True
  words: str = ""
  of_graphs: bool = False


def _is_not_negative(value: float) -> bool:
  return value >= 0


def _are_weights(value: Sequence[float] | str) -> bool:
  if isinstance(value, str):
    return False
  return not value or (min(value) >= 0 and max(value) > 0)


def _are_weights_or_balanced(value: Sequence[float] | str) -> bool:
  return value == "balanced" or _are_weights(value)


_NOT_NEGATIVE = _is_not_negative, "must not be negative"
_NUMBERS = "must be non-negative numbers, at least one of them positive"
_PRECISIONS = ("float32", "bfloat16")

OPTIONS: dict[str, Option] = {
  "optimizer.weight_decay": Option(float, 0.0, *_NOT_NEGATIVE),
  "optimizer.clip_norm": Option(float, 0.0, *_NOT_NEGATIVE),
  "optimizer.accumulate_steps": Option(
    int, 1, lambda value: value >= 1, "must be at least 1"
  ),
  "optimizer.ema_decay": Option(
    float,
    0.0,
    lambda value: 0 <= value < 1,
    "must be at least 0 and less than 1",
  ),
  "optimizer.plateau_factor": Option(
    float, 0.5, lambda value: 0 < value < 1, "must be between 0 and 1"
  ),
  "optimizer.plateau_patience": Option(int, 10, *_NOT_NEGATIVE),
  "patience": Option(int, 0, *_NOT_NEGATIVE),
  "metric": Option(str, "", of_graphs=True),
  "metrics": Option(Sequence[str], (), of_graphs=True),
  "class_weights": Option(
    Sequence[float] | str,
    (),
    _are_weights_or_balanced,
    f"{_NUMBERS}, or 'balanced'",
    of_graphs=True,
  ),
  "task_weights": Option(
    Sequence[float], (), _are_weights, _NUMBERS, of_graphs=True
  ),
  "model.precision": Option(
    str,
    "float32",
    lambda value: value in _PRECISIONS,
    f"must be one of {', '.join(_PRECISIONS)}",
    of_graphs=True,
  ),
}
_OF_OPTIMIZER = "optimizer."
# Fields of the optimiser that configs name.
_NAMED = ("learning_rate", "schedule", "warmup_steps")


def kinds(config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the type of every option that a config can have, by field."""
  of_graphs = config.get("task", "graph_property") == "graph_property"
  return {
    name: option.kind
    for name, option in OPTIONS.items()
    if of_graphs or not option.of_graphs
  }


def check(fields: Mapping[str, Any]) -> None:
  """Refuses options with an impossible value.

  Args:
    fields: Fields of a config, by dotted name.

  Raises:
    ValueError: If one of them cannot be, or `optimizer` has an unknown one.
  """
  known = kinds(fields)
  for name, value in fields.items():
    option = OPTIONS.get(name)
    if name.startswith(_OF_OPTIMIZER) and not option:
      _check_name(name.removeprefix(_OF_OPTIMIZER), known)
    if option and name not in known:
      raise ValueError(
        f"{name}={_text(value)} applies to datasets of graphs, not to the task"
        f" {fields['task']!r}"
      )
    if option and not option.fits(value):
      raise ValueError(f"{name} {option.words}, got {_text(value)}")


def check_length(fields: Mapping[str, Any], num_steps: int) -> None:
  """Refuses options that a run is too short for.

  Args:
    fields: Fields of a config, by dotted name.
    num_steps: Steps of the whole run; one of no steps can have any.

  Raises:
    ValueError: If the warm-up, or the gradients of one update, take longer.
  """
  for name in ("optimizer.warmup_steps", "optimizer.accumulate_steps"):
    if 0 < num_steps < fields.get(name, 0):
      raise ValueError(
        f"{name} must be at most the length of the run,"
        f" {counted(num_steps, 'step')}, got {fields[name]}"
      )


def _check_name(last: str, known: Iterable[str]) -> None:
  """Refuses a field of the optimiser that is none."""
  own = [name for name in known if name.startswith(_OF_OPTIMIZER)]
  names = [*_NAMED, *(name.removeprefix(_OF_OPTIMIZER) for name in own)]
  if last not in names:
    raise ValueError(
      f"the optimizer has no field {last!r}.{suggest(last, names)}"
    )


def _text(value: Any) -> str:
  if isinstance(value, (list, tuple)):
    return ",".join(map(str, value))
  return repr(value) if isinstance(value, str) else str(value)
