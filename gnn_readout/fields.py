"""Fields of a configuration by their dotted names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Returns `{"a.b": 1}` for `{"a": {"b": 1}}`."""
  flat: dict[str, Any] = {}
  for name, value in values.items():
    if hasattr(value, "items"):
      flat |= flatten(value, f"{prefix}{name}.")
    else:
      flat[prefix + name] = value
  return flat


def nested(values: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
  """Returns a copy of nested dictionaries, fields that they have set anew.

  Args:
    values: Values, such as `config.to_dict()`.
    fields: (Traced) values by dotted name.
  """
  result: Any = copy.deepcopy(values)
  for name, value in fields.items():
    *path, last = name.split(".")
    part = result
    for key in path:
      part = part.get(key, {})
    if last in part:
      part[last] = value
  return result
