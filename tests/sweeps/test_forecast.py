"""What a sweep will take."""

from __future__ import annotations

import math
import os

import pytest

from configs import median, molpcba
from gnn_readout.sweeps import forecast
from gnn_readout.sweeps.forecast import time_of_all
from gnn_readout.sweeps.run_spec import RunSpec


@pytest.mark.parametrize(
  ("times", "num_workers", "total"),
  [
    ([3, 2, 2], 1, 7),
    ([3, 2, 2], 2, 4),  # The third starts on the second worker.
    ([1, 1, 5], 2, 6),  # In their order, not the longest first.
    ([3, 2], 7, 3),
    ([], 2, 0),
  ],
)
def test_time_of_all(times, num_workers, total):
  assert math.isclose(time_of_all(times, num_workers), total)


def test_without_the_dataset_it_says_that_it_has_no_estimate(tmp_path, capsys):
  config = molpcba.get_config("gcn,sum")
  config.dataset = "none.csv"
  run = RunSpec("one", [], config)
  longer = config.copy_and_resolve_references()
  longer.update(num_epochs=0.0, num_steps=1234)
  runs = [run, RunSpec("two", [], longer)]
  forecast.print_plan(runs, tmp_path / "w")
  one, two, *rest = capsys.readouterr().out.splitlines()[1:]
  assert one.split() == ["one", "new", "100", "epochs"]
  assert two.split() == ["two", "new", "1,234"]
  assert rest == [
    "2 runs, 0 done, 2 to do",
    "no estimate for some runs: their dataset is missing: none.csv: no such"
    f" file in {os.getcwd()}",
  ]
  assert not (tmp_path / "w").exists()


def test_each_shape_is_timed_once_and_told_at_once(
  tmp_path, store, config, capsys, monkeypatch
):
  timed = []

  def measure(problems):
    timed.append([p.config.model.message_passing.width for p in problems])
    cost = forecast.Cost(problems[0].num_steps, 0.002 * len(problems), 8)
    return cost

  monkeypatch.setattr(forecast, "_measure_program", measure)
  monkeypatch.setattr(forecast.devices, "use_all_cores", lambda count: None)
  runs = []
  for name, fields in {
    "one": {},
    "longer": {"num_steps": 1100, "eval_every": 100},
    "seed": {"seed": 3, "note": "x"},
    "pair": {"population": "seed=0,1"},
    "other pair": {"population": "seed=2,3", "num_steps": 50},
    "wide": {"model.message_passing.width": 9},
    "both": {"population": "model.message_passing.width=7,9"},
  }.items():
    changed = config.copy_and_resolve_references()
    changed.update_from_flattened_dict(fields)
    runs.append(RunSpec(name.replace(" ", "_"), [], changed))
  forecast.print_plan(runs, tmp_path / "w")
  assert timed == [[7], [7, 7], [9]]
  lines = capsys.readouterr().out.splitlines()
  assert [line.partition(":")[0] for line in lines[:4]] == [
    *("one", "pair", "wide", "both")
  ]
  rows = {line.split()[0]: line.split()[1:4] for line in lines[5:12]}
  assert rows == {
    "one": ["new", "11", "2.0"],
    "longer": ["new", "1,100", "2.0"],
    "seed": ["new", "11", "2.0"],
    "pair": ["new", "11", "4.0"],
    "other_pair": ["new", "50", "4.0"],
    "wide": ["new", "11", "2.0"],
    "both": ["new", "22", "2.0"],
  }


def test_a_task_is_timed_as_it_is_trained():
  config = median.get_config("sum")
  config.update(
    set_size=5, batch_size=4, chunk_size=2, num_eval_sets=4, num_steps=7
  )
  config.model.update(width=3, element_widths=(5,), head_widths=(5,))
  cost = forecast.measure(config)
  assert cost.num_steps == 7  # Of all 15 members at once.
  assert cost.measured >= 3
  assert cost.seconds > 0
