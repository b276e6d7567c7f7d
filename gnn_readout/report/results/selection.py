"""Of several learning rates the one that counts."""

from __future__ import annotations

import copy
import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gnn_readout.records import LOWER_IS_BETTER, Record
from gnn_readout.report.results import molecules as tables

# OGB's length and width, which configs/molpcba.py has as well.
_EPOCHS, WIDTH = 100, 300

CAPTION = (
  "Mean and sample deviation over the seeds. The learning rate is the one of"
  " those that ran with the best mean validation score. `reduced` says what is"
  " smaller than OGB's 300 wide and 100 epochs; runs of less than an epoch are"
  " made for their speed, and left out. All runs and their commands are in"
  " [runs.md](runs.md)."
)


class Chosen(NamedTuple):
  """All runs of a configuration with its best learning rate.

  Attributes:
    runs: They differ in the seed only; sorted by it.
    rates: How many learning rates ran.
  """

  runs: Sequence[Record]
  rates: int

  @property
  def record(self) -> Record:
    """The first run."""
    return self.runs[0]

  @property
  def metric(self) -> str:
    """Such as 'rocauc'."""
    return self.record["test"]["metric"]

  @property
  def tests(self) -> list[float]:
    """Test scores."""
    return [run["test"]["value"] for run in self.runs]

  @property
  def valids(self) -> list[float]:
    """Best validation scores."""
    return [run["best"]["valid"] for run in self.runs]


def best_rates(records: Iterable[Record]) -> list[Chosen]:
  """Chooses the learning rate of each configuration.

  It is the one with the best mean validation score over the seeds that ran.

  Args:
    records: As `tables.read_records` returns them, in any order.
  """
  groups: dict[str, list[list[Record]]] = {}
  for runs in tables.by_configuration(records):
    groups.setdefault(setting(runs[0]), []).append(runs)

  def rank(runs: Sequence[Record]) -> tuple[float, float]:
    sign = -1 if runs[0]["test"]["metric"] in LOWER_IS_BETTER else 1
    valid = statistics.fmean(run["best"]["valid"] for run in runs)
    # Of equals the lower rate, whatever the order of the records.
    return sign * valid, -runs[0]["config"]["optimizer"]["learning_rate"]

  return [Chosen(max(g, key=rank), len(g)) for g in groups.values()]


def setting(record: Record, without: str = "") -> str:
  """Returns all that decides a result but seed, learning rate and one field.

  Args:
    record: Of a molecule dataset.
    without: The field of the config that is left out, with dots.
  """
  config = tables.effective_config(record)
  config = {k: v for k, v in config.items() if k != "note"}
  for field in ("optimizer.learning_rate", without):
    config = _dropped(config, field.split("."))
  dataset = record["dataset"]
  return json.dumps(
    [dataset["name"], dataset["fingerprint"], config], sort_keys=True
  )


def field(record: Record, name: str) -> Any:
  """Returns a field of a record's config, None if it is not there.

  Args:
    record: Any.
    name: With dots, such as 'model.readout.num_steps'.
  """
  value = record["config"]
  for key in name.split("."):
    value = value.get(key) if isinstance(value, dict) else None
  return value


def reduced(record: Record, width: int | None = WIDTH) -> str:
  """Says what of a run is smaller than OGB's 300 wide and 100 epochs.

  Args:
    record: Of a molecule dataset.
    width: What is not reduced; None where it does not matter.
  """
  actual = field(record, "model.message_passing.width")
  words = []
  if width and actual < width:
    words.append(f"{actual} of {width} wide")
  if record["epochs"] < _EPOCHS:
    words.append(f"{record['epochs']:.3g} of {_EPOCHS} epochs")
  return ", ".join(words)


def _dropped(config: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
  """Returns the config without the field that the keys lead to."""
  config, (key, *rest) = copy.copy(config), keys
  if rest and isinstance(config.get(key), dict):
    config[key] = _dropped(config[key], rest)
  elif not rest:
    config.pop(key, None)
  return config
