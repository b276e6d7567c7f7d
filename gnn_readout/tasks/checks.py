"""Checks of fields that tasks have in common; the messages name the field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gnn_readout.errors import suggest


def check_at_least(**bounds: tuple[float, float]) -> None:
  """Raises ValueError for a field that is smaller than it may be.

  Args:
    **bounds: By the name of a field, its value and the smallest there can be.
  """
  for name, (value, smallest) in bounds.items():
    if not value >= smallest:
      raise ValueError(f"{name} must be at least {smallest}, got {value}")


def check_known(name: str, value: Any, known: Iterable[str]) -> None:
  """Raises ValueError for a field whose value is not one of those known.

  Args:
    name: Name of the field.
    value: Value of the field.
    known: Names that it may have.
  """
  if value not in known:
    raise ValueError(f"unknown {name} {value!r}.{suggest(value, known)}")
