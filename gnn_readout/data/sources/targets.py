"""Which columns of a table are labels, and what they mean.

Nothing is guessed that could be otherwise: where several columns may be meant
the message names them, and the option that chooses.

Letters: M rows, T tasks.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gnn_readout.data.sources.text_table import Column, Table, number
from gnn_readout.errors import suggest

# What a column holds, and how a message says it.
KINDS = {
  "empty": "nothing",
  "binary": "0 or 1",
  "whole": "whole numbers",
  "real": "numbers",
  "large": "numbers beyond float32",
  "words": "words",
  "mixed": "numbers and words",
}
_BOOLEANS = {"true": 1.0, "false": 0.0}
# Of more distinct whole numbers, or fewer rows of each, the column counts or
# measures something.
_MOST_CLASSES, _ROWS_PER_CLASS = 20, 3
# From this share of numbers on, a field that is none is a slip.
_NEARLY_ALL = 0.9
_IDENTIFIER = re.compile(
  r"(.*[\W_])?(id|idx|index|no|nr|cid|sid|cas|row|inchikey)\.?", re.IGNORECASE
)


class Targets(NamedTuple):
  """The labels of a table.

  Attributes:
    labels: [M, T] float32, NaN = missing; a class is its place in
      `class_names`.
    names: [T] of the columns.
    task_type: Task type as in `Schema`.
    class_names: Names of the classes of a multiclass task, else empty.
    notes: What else is worth telling.
  """

  labels: np.ndarray
  names: tuple[str, ...]
  task_type: str
  class_names: tuple[str, ...]
  notes: tuple[str, ...]


def read_targets(
  table: Table,
  chosen: str | Sequence[str] | None,
  others: Sequence[str],
  task_type: str | None,
) -> Targets:
  """Finds the labels of a table and what they mean.

  Columns of 0 and 1, or of True and False, are binary tasks. One column of few
  whole numbers from 0 on, or of two, or one of words, is a classification;
  other numbers are a regression.

  Args:
    table: Table in the file.
    chosen: The columns of labels, or their names with commas between; None =
      those that can be nothing else.
    others: Columns with another use.
    task_type: None = by what the columns hold.

  Raises:
    ValueError: A column is not there or comes twice, a field is wrong, it is
      not clear which columns are meant, or they do not fit together.
  """
  names = [name for name in table.columns if name not in others]
  kinds = {name: _kind(table.columns[name]) for name in names}
  if chosen:
    found = _resolve(table, chosen)
    for name in found:
      kinds.setdefault(name, _kind(table.columns[name]))
  else:
    found = _choose(table, kinds, task_type)
  unused = [name for name in names if name not in found]
  notes = [f"not used: {', '.join(unused)}"] if unused else []
  task_type = task_type or _task_type(table, found, kinds)
  if task_type == "multiclass":
    if len(found) > 1:
      raise ValueError(
        f"{table.path}: a multiclass task is one column, not {len(found)}:"
        f" {', '.join(found)}"
      )
    labels, classes = _classes(table, found[0], kinds[found[0]])
    labels = labels[:, None]
  else:
    labels = np.stack([_values(table, n, kinds[n]) for n in found], axis=1)
    classes = ()
  return Targets(labels, tuple(found), task_type, classes, tuple(notes))


def _kind(column: Column) -> str:
  """Returns what a column holds, one of `KINDS`."""
  values = _numbers(column)
  values = values[~np.isnan(values)]
  words = np.isinf(values)
  if not len(values):
    return "empty"
  if words.any():
    texts = {text.strip().lower() for text in column.texts}
    booleans = texts & _BOOLEANS.keys()
    if len(booleans) == len(values):
      return "binary"
    return "words" if words.all() else "mixed"
  if ((values == 0) | (values == 1)).all():
    return "binary"
  if (np.abs(values) > np.finfo(np.float32).max).any():
    return "large"
  return "whole" if (values == np.floor(values)).all() else "real"


def _numbers(column: Column) -> np.ndarray:
  """Returns the number in each distinct text of a column, see `number`."""
  return np.asarray([number(text) for text in column.texts], np.float64)


def _resolve(table: Table, chosen: str | Sequence[str]) -> list[str]:
  """Returns the columns of the given names, which may hold commas."""
  if isinstance(chosen, str):
    if chosen in table.columns:
      return [chosen]
    found = _split_names(table, chosen)
  else:
    found = [find_column(table, name) or name for name in chosen]
  for name in found:
    table.column(name)
  twice = [name for i, name in enumerate(found) if name in found[:i]]
  if twice:
    raise ValueError(f"{table.path}: label_columns names {twice[0]!r} twice")
  return found


def _split_names(table: Table, text: str) -> list[str]:
  """Splits names at commas, but at none that belongs to a column's name."""
  pieces = next(csv.reader([text], skipinitialspace=True))
  found, start = [], 0
  while start < len(pieces):
    for end in range(len(pieces), start, -1):
      joined = ",".join(pieces[start:end])
      name = find_column(table, joined) or find_column(
        table, ", ".join(pieces[start:end])
      )
      if name is not None:
        break
    found.append(pieces[start].strip() if name is None else name)
    start = end
  return found


def find_column(
  table: Table, name: str, ignore_case: bool = False
) -> str | None:
  """Returns the only column of a name, blanks around it left out, or None."""

  def plain(text: str) -> str:
    return text.strip().lower() if ignore_case else text.strip()

  if name in table.columns:
    return name
  found = [other for other in table.columns if plain(other) == plain(name)]
  return found[0] if len(found) == 1 else None


def _choose(
  table: Table, kinds: dict[str, str], task_type: str | None
) -> list[str]:
  """Returns the columns that are labels where none were named."""
  numeric = [
    name
    for name, kind in kinds.items()
    if kind in ("binary", "whole", "real")
    and not _is_identifier(name, table.columns[name])
  ]
  for name, kind in kinds.items():
    if kind == "mixed" and _share_of_numbers(table, name) >= _NEARLY_ALL:
      try:
        table.numbers(name)
      except ValueError as error:
        raise ValueError(f"{error}; {_option(kinds)}") from None
  found = {kinds[name] for name in numeric}
  of_one_kind = task_type in ("binary", "regression") or len(numeric) == 1
  if not of_one_kind and len(found - {"binary"}) and found != {"real"}:
    listed = [f"{name} ({KINDS[kinds[name]]})" for name in numeric]
    raise ValueError(
      f"{table.path}: it is unclear which columns are labels, as they are of"
      f" several kinds: {', '.join(listed)}; {_option(kinds)}"
    )
  if numeric:
    return numeric
  words = [n for n, kind in kinds.items() if kind == "words" and _few(table, n)]
  if len(words) == 1:
    return words
  large = [name for name, kind in kinds.items() if kind == "large"]
  if len(large) == 1 and not words:
    table.numbers(large[0])
  raise ValueError(
    f"{table.path}: no column of numbers to take as labels; its columns are"
    f" {', '.join(table.columns)}; {_option(words or kinds)}"
  )


def _option(names: Sequence[str]) -> str:
  example = ",".join(itertools.islice(names, 2)) or "NAME"
  return f"name the label columns, as in --config.csv.label_columns={example!r}"


def _share_of_numbers(table: Table, name: str) -> float:
  column = table.columns[name]
  values = _numbers(column)[column.codes]
  return float(np.mean(np.isfinite(values[~np.isnan(values)])))


def _is_identifier(name: str, column: Column) -> bool:
  """Returns whether a column numbers its rows, or is called as if it did."""
  if _IDENTIFIER.fullmatch(name.strip()):
    return True
  values = _numbers(column)[column.codes]
  counts = len(values) > 2 and bool(np.isfinite(values).all())
  return counts and bool((np.diff(values) == 1).all())


def _few(table: Table, name: str) -> bool:
  """Returns whether a column of words has few enough of them for classes."""
  column = table.columns[name]
  missing = np.isnan(_numbers(column))
  labelled = int((~missing[column.codes]).sum())
  count = int((~missing).sum())
  return 1 < count <= min(_MOST_CLASSES, labelled // _ROWS_PER_CLASS)


def _task_type(
  table: Table, names: Sequence[str], kinds: dict[str, str]
) -> str:
  """Returns the kind of task that some columns of labels make."""
  told = {name: kinds[name] for name in names if kinds[name] != "empty"}
  found = set(told.values())
  if not told:
    raise ValueError(
      f"{table.path}: there are no labels in the column {', '.join(names)}"
    )
  if "words" in found or (len(names) == 1 and _are_classes(table, names[0])):
    return "multiclass"
  if "binary" in found and len(found) > 1:
    other = [name for name, kind in told.items() if kind != "binary"]
    raise ValueError(
      f"{table.path}: the columns {', '.join(other)} are not 0 or 1 as the"
      " others are: choose others with --config.csv.label_columns, or set"
      " --config.csv.task_type"
    )
  return "binary" if found == {"binary"} else "regression"


def _are_classes(table: Table, name: str) -> bool:
  """Returns whether a column of whole numbers holds few of them, from 0 on."""
  column = table.columns[name]
  if _kind(column) != "whole":
    return False
  values = _numbers(column)
  distinct = np.unique(values[~np.isnan(values)])
  labelled = np.isfinite(values[column.codes]).sum()
  if len(distinct) == 2:
    return True
  return (
    distinct.min() >= 0
    and len(distinct) <= _MOST_CLASSES
    and labelled >= _ROWS_PER_CLASS * len(distinct)
  )


def _classes(
  table: Table, name: str, kind: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  """Returns the class of each row, [M] float32, and the classes' names."""
  column = table.columns[name]
  if kind in ("real", "large"):
    return table.numbers(name), ()
  values = _numbers(column)
  missing = np.isnan(values)
  if kind in ("binary", "whole") and not np.isinf(values).any():
    keys, by = [f"{value:.0f}" for value in values], int
  else:
    keys, by = [text.strip() for text in column.texts], str
  there = {key for key, no in zip(keys, missing, strict=True) if not no}
  order = sorted(there, key=by)
  places = {key: float(i) for i, key in enumerate(order)}
  classes = np.asarray([places.get(key, np.nan) for key in keys], np.float32)
  return classes[column.codes], tuple(order)


def _values(table: Table, name: str, kind: str) -> np.ndarray:
  """Returns the labels of a column that are no classes: [M] float32."""
  column = table.columns[name]
  if kind != "binary":
    return table.numbers(name)
  values = [
    _BOOLEANS.get(text.strip().lower(), number(text)) for text in column.texts
  ]
  return np.asarray(values, np.float32)[column.codes]


# The words of the other tools of the field.
SPLIT_WORDS = {
  "train": "train",
  "training": "train",
  "valid": "valid",
  "validation": "valid",
  "val": "valid",
  "dev": "valid",
  "test": "test",
  "testing": "test",
}


def read_split(
  table: Table, chosen: str | None, others: Sequence[str]
) -> tuple[str, np.ndarray] | None:
  """Returns the column that splits a table, and what it says of each row.

  Args:
    table: Table in the file.
    chosen: The column; None = the one that is called `split`, however it is
      written, if there is one.
    others: Columns with another use.

  Returns:
    Its name, and [M] 'train', 'valid' or 'test'; None if there is none.

  Raises:
    ValueError: A field is none of `SPLIT_WORDS`, or a column that is not called
      `split` holds nothing else.
  """
  if chosen:
    name = find_column(table, chosen, ignore_case=True)
    if name is None:
      table.column(chosen)
  else:
    named = [n for n in table.columns if n.strip().lower() == "split"]
    if len(named) > 1:
      raise ValueError(
        f"{table.path}: the columns {', '.join(named)} may each be the split:"
        " choose one with --config.csv.split_column"
      )
    name = named[0] if named else None
  if name is None:
    likely = [n for n in table.columns if n not in others and _splits(table, n)]
    if likely:
      raise ValueError(
        f"{table.path}: the column {likely[0]!r} seems to hold the split, but"
        " is not called split: choose it with"
        f" --config.csv.split_column={likely[0]!r}, or rename it"
      )
    return None
  column = table.column(name)
  words = [SPLIT_WORDS.get(text.strip().lower(), "") for text in column.texts]
  wrong = np.asarray([not word for word in words])[column.codes]
  if wrong.any():
    i = int(np.argmax(wrong))
    text = column.fields[i]
    raise ValueError(
      f"{table.path}: row {table.rows[i]}: {name} {text!r}."
      f"{suggest(text, SPLIT_WORDS)}"
    )
  return name, np.asarray(words, object)[column.codes]


def _splits(table: Table, name: str) -> bool:
  """Returns whether a column holds nothing but the words of a split."""
  texts = {text.strip().lower() for text in table.columns[name].texts} - {""}
  words = {SPLIT_WORDS.get(text) for text in texts}
  return None not in words and {"train", "test"} <= words
