"""Which record is of a figure, and what is slower than before."""

from __future__ import annotations

import pytest

from gnn_readout.report.results import speed

_DEVICE = speed.Device("cpu", "a machine", 3)


def _record(command="python -m launch.benchmark data", **fields):
  device = fields.pop("device", "a machine")
  return {
    "command": command,
    "hardware": {"platform": "cpu", "device": device, "cpu_count": 3},
    "finished_at": "2025-01-01T00:00:00+00:00",
    "rows": [],
    **fields,
  }


def _row(ours, iqr=2.0, **fields):
  return {
    "name": "gcn,sum",
    "unit": "graphs/s",
    "ours": ours,
    "iqr": {"ours": iqr},
    **fields,
  }


@pytest.mark.parametrize(
  ("command", "arguments"),
  [
    ("python -m launch.benchmark data", ("data",)),
    ("gnn-readout benchmark data --rounds=3", ("data",)),
    (
      "python -m launch.benchmark train --config=configs/a.py:gcn,sum"
      " --against=pyg --rounds=3 --config.batching.batch_size=8",
      (
        "train",
        "--config=configs/a.py:gcn,sum",
        "--against=pyg",
        "--config.batching.batch_size=8",
      ),
    ),
    (
      "python -m launch.benchmark data --dataset='my molecules.csv'",
      ("data", "--dataset=my molecules.csv"),
    ),
  ],
)
def test_rounds_do_not_decide_what_is_measured(command, arguments):
  assert speed.arguments(command) == arguments


def test_the_command_of_a_figure_has_its_arguments():
  for figure in speed.FIGURES.values():
    assert speed.arguments(figure.command) == figure.arguments
  every = [figure.arguments for figure in speed.FIGURES.values()]
  assert len(set(every)) == len(every)


def test_the_newest_record_of_the_device_is_found():
  old = _record()
  new = _record(finished_at="2025-02-01T00:00:00+00:00")
  other = _record(device="another", finished_at="2026-01-01T00:00:00+00:00")
  readouts = _record("python -m launch.benchmark readouts")
  for records in ([old, new, other, readouts], [readouts, other, new, old]):
    assert speed.find(records, ("data",), _DEVICE) is new
  assert speed.find([other, readouts], ("data",), _DEVICE) is None


@pytest.mark.parametrize(
  ("fields", "rounds", "is_measured"),
  [
    ({}, 5, True),
    ({}, 3, True),
    ({}, 6, False),
    ({"code": "bb"}, 5, False),
    ({"versions": {"jax": "2"}}, 5, False),
  ],
)
def test_what_is_measured_already(fields, rounds, is_measured):
  environment = {"code": "aa", "versions": {"jax": "1"}}
  record = _record(**{**environment, "rounds": 5, **fields})
  assert speed.is_measured(record, environment, rounds) == is_measured
  assert not speed.is_measured(None, environment, rounds)
  del record["code"]  # As of a record from before there was such a field.
  assert not speed.is_measured(record, environment, rounds)


@pytest.mark.parametrize(
  ("ours", "iqr", "is_slower"),
  [
    (100.0, 2.0, False),
    (98.1, 2.0, False),
    (97.9, 2.0, True),
    (97.9, 2.2, False),  # The larger spread counts.
    (105.0, 2.0, False),
  ],
)
def test_slower_by_more_than_the_spread(ours, iqr, is_slower):
  before, now = _record(rows=[_row(100.0)]), _record(rows=[_row(ours, iqr)])
  assert bool(speed.slower(before, now)) == is_slower


def test_slower_is_said_once_for_each_model():
  facts = {"batch_size": 8, "dataset": "some"}
  before = [_row(1000.0, **facts, against=x) for x in ("pyg", "literal")]
  now = [{**row, "ours": 900.0} for row in before]
  now.append(_row(1.0, batch_size=32))  # There was none.
  now.append({"name": "card", "forward": 3.0})  # No rate.
  assert speed.slower(_record(rows=before), _record(rows=now)) == [
    "gcn,sum, batch 8, some: 900 graphs/s, it was 1,000 and the spread is 2"
  ]
