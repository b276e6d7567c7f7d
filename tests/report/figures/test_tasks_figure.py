"""The figures of the tasks that draw their own examples."""

from __future__ import annotations

import pytest

from gnn_readout.report.figures import tasks as figures
from gnn_readout.report.results import tasks


def test_error_by_width_shows_means_and_all_seeds(medians, task, drawn):
  better = task(0, 1e-4, "sum", 8, valid=1e-6, test=0.002)
  better["config"]["set_size"] = 7  # Another configuration.
  longer = task(0, 1e-4, "sum", 8, valid=1e-9, test=0.001, steps=5003)
  longer["config"]["num_steps"] = 5003
  figures.error_by_width(tasks.rows([*medians, better, longer], "median"))
  (axes,) = drawn[0].axes
  lines = {line.get_label(): line for line in axes.get_lines()}
  assert set(lines) == {"equilibrium", "sum"}
  assert lines["equilibrium"].get_xdata().tolist() == [8, 32]
  assert lines["equilibrium"].get_ydata() == pytest.approx(
    [0.3 / 8 + 1e-4, 0.3 / 32 + 1e-4]
  )
  assert lines["sum"].get_ydata()[0] == 0.002
  dots = [c.get_offsets().tolist() for c in axes.collections]
  assert [len(points) for points in dots] == [6, 4]
  assert [8, pytest.approx(0.2 / 8 + 1e-4)] in dots[0]
  assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
  looks = {
    (line.get_color(), line.get_linestyle(), line.get_marker())
    for line in lines.values()
  }
  assert len(looks) == 2


def test_learning_curves_of_train_and_valid(task, drawn):
  records = [task(0, 1e-4), task(1, 1e-4, test=0.21)]
  records[1]["curves"] = {
    "train": [],
    "valid": [[500, 0.5]],
    "diagnostics": {"mse": [[500, 0.45], [1009, 0.25]]},
  }
  figures.learning_curves(tasks.rows(records, "median"), chance=0.3)
  (axes,) = drawn[0].axes
  train, valid, guessing = axes.get_lines()
  assert set(guessing.get_ydata()) == {0.3}
  assert guessing.get_label() == "guessing"
  assert train.get_xdata().tolist() == valid.get_xdata().tolist() == [500, 1009]
  assert train.get_ydata() == pytest.approx([0.4, 0.2])
  assert valid.get_ydata() == pytest.approx([0.4, 0.1])
  assert valid.get_label() == "sum (test 0.16)"
