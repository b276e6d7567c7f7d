"""Published numbers, each with where it was published.

They are the files report/published/*.csv, with the numbers as they are printed
and a column `source`. Models and readouts have the names they have in configs;
a name not found there is another program's.
"""

from __future__ import annotations

import csv
import functools
import pathlib
from typing import NamedTuple

_FOLDER = pathlib.Path(__file__).parents[1] / "published"


class Published(NamedTuple):
  """One published number of molecules.csv.

  Attributes:
    dataset: Dataset, such as 'ogbg-molpcba'.
    model: Message passing, with '+virtual_node' where there is one; '' where
      the source does not say.
    readout: '' where the source does not say or the model has its own.
    width: Size of the node embeddings, None where the source does not say.
    setting: What differs from the source's main experiment, '' if nothing; of
      the flax example 'end', since it is not its best but its last step.
    split: 'test', 'valid' or 'train'.
    metric: 'ap', 'rocauc' or 'minutes' (of 2,000,000 training steps).
    value: The number; a score is a fraction.
    deviation: Standard deviation over seeds, None where there is none.
    source: Publication and table.
  """

  dataset: str
  model: str
  readout: str
  width: int | None
  setting: str
  split: str
  metric: str
  value: float
  deviation: float | None
  source: str


class PublishedTu(NamedTuple):
  """Published numbers of a model on a dataset of the TU collection, tu.csv.

  Attributes:
    dataset: Dataset, such as 'tu/MUTAG'.
    model: 'gin' (of the thesis) or 'gin0' (of Xu et al.).
    readout: Its name. The sum or the mean is that of GIN-Base.
    accuracy: A fraction.
    deviation: Sample standard deviation over ten repeats, None where there is
    none.
    epochs: Number of epochs to the best validation accuracy, None where not
      given.
    epochs_deviation: Standard deviation of those, None where not given.
    run_epochs: Number of epochs of a run (section A.3.4 of the thesis).
    grid_points: From which hyper-parameters were chosen.
    source: Publication and table.
  """

  dataset: str
  model: str
  readout: str
  accuracy: float
  deviation: float | None
  epochs: int | None
  epochs_deviation: int | None
  run_epochs: int
  grid_points: int
  source: str


@functools.cache
def molecules() -> tuple[Published, ...]:
  """Returns all rows of molecules.csv."""
  numbers = {"width": int, "value": float, "deviation": float}
  return tuple(Published(**_typed(row, numbers)) for row in _rows("molecules"))


def training_hours() -> dict[tuple[str, int], float]:
  """Returns those of table E.2, by readout and inner steps, 0 for none."""
  return {
    (row.readout, int(row.setting.split()[0]) if row.setting else 0): (
      row.value / 60
    )
    for row in molecules()
    if row.metric == "minutes"
  }


def find(
  dataset: str, model: str, readout: str, width: int, metric: str, split: str
) -> Published | None:
  """Returns the number of a source's main experiment, None if there is none."""
  wanted = (dataset, model, readout, width, "", split, metric)
  rows = (row for row in molecules() if row[: len(wanted)] == wanted)
  return next(rows, None)


@functools.cache
def _numbers() -> dict[str, float]:
  return {row["name"]: float(row["value"]) for row in _rows("numbers")}


def number(name: str) -> float:
  """Returns a published number that stands in a sentence, not in a table.

  Args:
    name: Name of a row of numbers.csv.
  """
  return _numbers()[name]


@functools.cache
def _polygons() -> dict[tuple[str, str, int], float]:
  return {
    (row["metric"], row["variant"], int(row["num_points"])): (
      float(row["hundredths"]) / 100
    )
    for row in _rows("polygons")
  }


def polygon_loss(metric: str, variant: str, num_points: int) -> float | None:
  """Returns a loss of the polygon auto-encoders, None if none was published.

  Args:
    metric: 'direct', 'chamfer' or 'hungarian' (tables 5.1, 5.2 and 5.3 of the
      thesis); each a mean over points and coordinates.
    variant: Variant of `configs/polygons.py`, or 'random', which is not a
      model: the same polygon in another rotation.
    num_points: n.
  """
  return _polygons().get((metric, variant, num_points))


@functools.cache
def _digits() -> dict[tuple[str, float, int], float]:
  return {
    (row["readout"], float(row["noise"]), int(row["epochs"])): (
      float(row["accuracy"])
    )
    for row in _rows("digits")
  }


def digit_accuracy(readout: str, noise: float, epochs: int) -> float | None:
  """Returns an accuracy on MNIST sets, None if none was published.

  Args:
    readout: Its name.
    noise: Standard deviation of the points' noise.
    epochs: Number of epochs of training from scratch on 60,000 digits.
  """
  return _digits().get((readout, noise, epochs))


class PublishedSets(NamedTuple):
  """A published number of a task on sets, sets.csv.

  Attributes:
    value: In the unit of our scores; printed were multiples of `unit`.
    deviation: Sample deviation over runs, None where there is none.
    source: Publication and table.
  """

  value: float
  deviation: float | None
  source: str


@functools.cache
def _sets() -> dict[tuple[str, str, str, str], PublishedSets]:
  found = {}
  for row in _rows("sets"):
    key = row["task"], row["model"], row["setting"], row["metric"]
    value, deviation = (
      round(float(row["unit"]) * float(row[name]), 6) if row[name] else None
      for name in ("value", "deviation")
    )
    found[key] = PublishedSets(value, deviation, row["source"])
  return found


def of_sets(
  task: str, model: str, setting: str, metric: str
) -> PublishedSets | None:
  """Returns a published number of a task on sets, None if there is none.

  Args:
    task: Task, such as 'mosaics'.
    model: Model, such as 'po_u' or 'dspn fspool'.
    setting: Setting: images and tiles a side, such as 'digits 2'; target and
      steps in testing, such as 'box 10'; the noise of 'denoising'.
    metric: Metric, such as 'accuracy'.
  """
  return _sets().get((task, model, setting, metric))


@functools.cache
def _tu() -> tuple[PublishedTu, ...]:
  counts = ("epochs", "epochs_deviation", "run_epochs", "grid_points")
  numbers = {"accuracy": _fraction, "deviation": _fraction}
  numbers |= dict.fromkeys(counts, int)
  return tuple(PublishedTu(**_typed(row, numbers)) for row in _rows("tu"))


def tu_datasets() -> tuple[str, ...]:
  """Returns the datasets of table 5.10, in its order."""
  return tuple(dict.fromkeys(row.dataset for row in _tu()))


def base_readout(dataset: str) -> str | None:
  """Returns the readout of GIN-Base, None for a dataset not in table 5.10.

  It is the mean on social networks and the sum on molecules and proteins.
  """
  models = (row for row in _tu() if row.dataset == dataset)
  return next((row.readout for row in models if row.readout != "fspool"), None)


def tu_size(dataset: str, model: str) -> tuple[int, int] | None:
  """Returns epochs and points of the grid of the published runs.

  Args:
    dataset: Dataset, such as 'tu/MUTAG'.
    model: 'gin' (of the thesis) or 'gin0' (of Xu et al.).
  """
  row = tu(dataset, model, base_readout(dataset))
  return row and (row.run_epochs, row.grid_points)


def tu(dataset: str, model: str, readout: str | None) -> PublishedTu | None:
  """Returns what was published of a model, None if nothing was.

  Args:
    dataset: Dataset, such as 'tu/MUTAG'.
    model: 'gin' (of the thesis) or 'gin0' (of Xu et al.).
    readout: Its name.
  """
  wanted = (dataset, model, readout)
  return next((row for row in _tu() if row[:3] == wanted), None)


def _rows(name: str) -> list[dict[str, str]]:
  path = _FOLDER / f"{name}.csv"
  with path.open(newline="", encoding="utf-8") as file:
    return list(csv.DictReader(file))


def _typed(row: dict[str, str], types: dict) -> dict:
  """Turns some cells into numbers, None if they are empty."""
  return row | {
    name: kind(row[name]) if row[name] else None for name, kind in types.items()
  }


def _fraction(percent: str) -> float:
  return round(float(percent) / 100, 4)  # As printed, not 0.7210000000000001.
