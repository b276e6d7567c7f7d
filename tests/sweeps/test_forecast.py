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
    "no estimate for some runs: their dataset is not there: none.csv: no such"
    f" file in {os.getcwd()}",
  ]
  assert not (tmp_path / "w").exists()


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
