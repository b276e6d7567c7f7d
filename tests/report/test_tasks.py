"""Tables and figures of tasks from synthetic records."""

from __future__ import annotations

import copy
import json
import pathlib
import statistics
import xml.etree.ElementTree as ElementTree

import pytest

from gnn_readout.report import blocks as sections
from gnn_readout.report import build as reports
from gnn_readout.report.figures import style as figures
from gnn_readout.report.figures import tasks as task_plots
from gnn_readout.report.results import molecules as tables
from gnn_readout.report.results import tasks as task_rows
from gnn_readout.report.sections import tasks

RECORD = {
  "schema_version": 1,
  "name": "m-seed=0,learning_rate=0.001",
  "command": "python -m launch.train --config=configs/median.py:sum",
  "task": "median",
  "config": {
    "task": "median",
    "seed": 0,
    "population": "",
    "batch_size": 64,
    "model": {"width": 8, "readout": {"name": "sum"}},
    "optimizer": {"learning_rate": 0.001},
    "note": "short",
  },
  "config_hash": "3f1c",
  "seed": 0,
  "num_parameters": 4321,
  "steps": 1009,
  "curves": {
    "train": [[500, 0.4], [1009, 0.2]],
    "valid": [[500, 0.3], [1009, 0.1]],
    "diagnostics": {"mse": [[500, 0.35], [1009, 0.15]]},
  },
  "best": {"step": 1009, "valid": 0.1},
  "test": {"metric": "mse", "value": 0.11, "step": 1009, "scores": {}},
  "lower_is_better": True,
  "failure": "",
  "wall_seconds": 90.0,
  "steps_per_second": 11.2,
  "num_members": 6,
  "describe": {},
  "note": "short",
}


def _record(
  seed=0, rate=1e-3, readout="sum", width=8, valid=0.1, test=0.11, **fields
):
  record = copy.deepcopy(RECORD) | fields
  record["seed"] = record["config"]["seed"] = seed
  record["name"] = f"{readout}-{width}-{seed}-{rate}"
  record["config"]["optimizer"]["learning_rate"] = rate
  record["config"]["model"]["width"] = width
  record["config"]["model"]["readout"]["name"] = readout
  record["best"] = record["best"] and {"step": 1009, "valid": valid}
  if record["test"]:
    record["test"]["value"] = test
  return record


def _failed(**fields):
  text = "the loss was not finite at step 3"
  return _record(**fields) | {"best": None, "test": None, "failure": text}


@pytest.fixture
def records():
  """Two readouts, two widths, three seeds with the rates 1e-3 and 1e-4."""
  return [
    _record(
      seed,
      rate,
      readout,
      width,
      valid=scale * (seed + 1) / width + rate,
      test=scale * (seed + 2) / width + rate,
    )
    for readout, scale in (("sum", 1.0), ("equilibrium", 0.1))
    for width in (32, 8)
    for rate in (1e-3, 1e-4)
    for seed in (2, 0, 1)
  ]


@pytest.fixture
def results(tmp_path, records):
  folder = tmp_path / "records" / "tasks"
  folder.mkdir(parents=True)
  for record in records:
    (folder / f"{record['name']}.json").write_text(json.dumps(record))
  return tmp_path


@pytest.fixture
def drawn(monkeypatch):
  """The figures, as they are drawn on."""
  made, real = [], figures.empty
  monkeypatch.setattr(
    figures, "empty", lambda height: made.append(real(height)) or made[-1]
  )
  return made


def test_the_rate_is_chosen_by_validation_and_scored_on_test(records):
  # Tests of the other rate are better: they must not matter.
  for record in records:
    if record["config"]["optimizer"]["learning_rate"] == 1e-3:
      record["test"]["value"] = 1e-9
  rows = task_rows.summaries(records)
  assert [(row.label, row.width) for row in rows] == [
    ("equilibrium", 8),
    ("equilibrium", 32),
    ("sum", 8),
    ("sum", 32),
  ]
  row = rows[2]
  assert row.learning_rate == 1e-4
  assert [run["seed"] for run in row.runs] == [0, 1, 2]
  values = [2 / 8 + 1e-4, 3 / 8 + 1e-4, 4 / 8 + 1e-4]
  assert row.mean == pytest.approx(statistics.fmean(values))
  assert row.deviation == pytest.approx(1 / 8)
  assert row.best["seed"] == 0


def test_a_higher_score_may_be_the_better_one():
  records = [
    _record(seed, rate, valid=seed + rate, lower_is_better=False)
    for seed in (0, 1)
    for rate in (0.25, 0.5)
  ]
  (row,) = task_rows.summaries(records)
  assert (row.learning_rate, row.best["seed"]) == (0.5, 1)


def test_what_a_reader_sees(records):
  rows = [tasks.display(row) for row in task_rows.summaries(records)]
  assert len({tuple(row) for row in rows}) == 1
  assert rows[3] == {
    "readout": "sum",
    "D": "32",
    "learning rate": "0.0001",
    "seeds": "3",
    "failed": "0",
    "test mse": "0.0938 ± 0.031",
    "of the best seed": "0.0626 (seed 0)",
    "valid mse": "0.0626",
    "steps": "1,009",
    "sets a step": "64",
    "parameters": "4,321",
    "minutes": "1.5 for 6 at once",
    "note": "short",
    "command": RECORD["command"],
  }


def test_rates_with_a_failed_run_come_last():
  fine = [_record(seed, 1e-4, valid=0.5) for seed in (0, 1)]
  (row,) = task_rows.summaries([*fine, _record(0, 1e-3), _failed(seed=1)])
  assert (row.learning_rate, row.failed, len(row.runs)) == (1e-4, 1, 2)
  (row,) = task_rows.summaries([_record(0, 1e-3), _failed(seed=1)])
  assert (row.learning_rate, row.failed, len(row.runs)) == (1e-3, 1, 1)
  assert row.deviation is None
  assert tasks.display(row)["test mse"] == "0.11"
  assert task_rows.summaries([_failed(seed=1)]) == []


def test_squared_outputs_have_a_row_of_their_own():
  plain, squared = (
    _record(readout="equilibrium"),
    _record(readout="equilibrium"),
  )
  for record, how in ((plain, "none"), (squared, "sum")):
    record["config"]["model"]["readout"]["square_reduction"] = how
  labels = [row.label for row in task_rows.summaries([squared, plain])]
  assert labels == ["equilibrium", "equilibrium, squared"]


def test_the_same_run_twice():
  twice = [_record(1), _record(1) | {"name": "copy"}]
  with pytest.raises(ValueError, match="'copy' are the same run with the same"):
    task_rows.summaries(twice)


def test_error_by_width_shows_means_and_all_seeds(records, drawn):
  better = _record(0, 1e-4, "sum", 8, valid=1e-6, test=0.002)
  better["config"]["set_size"] = 7  # Another configuration.
  longer = _record(0, 1e-4, "sum", 8, valid=1e-9, test=0.001, steps=5003)
  longer["config"]["num_steps"] = 5003
  task_plots.error_by_width(task_rows.summaries([*records, better, longer]))
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


def test_learning_curves_of_train_and_valid(drawn):
  records = [_record(0, 1e-4), _record(1, 1e-4, test=0.21)]
  records[1]["curves"] = {
    "train": [],
    "valid": [[500, 0.5]],
    "diagnostics": {"mse": [[500, 0.45], [1009, 0.25]]},
  }
  task_plots.learning_curves(task_rows.summaries(records))
  (axes,) = drawn[0].axes
  train, valid = axes.get_lines()
  assert train.get_xdata().tolist() == valid.get_xdata().tolist() == [500, 1009]
  assert train.get_ydata() == pytest.approx([0.4, 0.2])
  assert valid.get_ydata() == pytest.approx([0.4, 0.1])
  assert valid.get_label() == "sum (test 0.16)"


def test_the_section_and_the_figure(results):
  table = sections.markdown(reports.write(results, "median"))
  text = (results / "README.md").read_text()
  assert table in text
  assert text.count("<!-- median:begin -->") == 1
  assert "figures/median_error.png" in text
  png, svg = (results / "figures" / f"median_error.{x}" for x in ("png", "svg"))
  assert png.read_bytes().startswith(b"\x89PNG")
  assert ElementTree.parse(svg).getroot().tag.endswith("svg")
  first = svg.read_bytes()
  reports.write(results, "median")
  assert svg.read_bytes() == first
  assert (results / "README.md").read_text() == text
  # The reader of molecules does not see them.
  assert tables.read_records(results) == []


def test_nothing_to_report(tmp_path):
  with pytest.raises(ValueError, match="no record of task 'median' with a"):
    tasks.section(tmp_path, "median")
  with pytest.raises(ValueError, match="Did you mean 'median'"):
    tasks.section(tmp_path, "medan")


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("test", "good", "field 'test' cannot be 'good'"),
    ("curves", {"train": []}, "field 'curves.valid' is missing"),
    ("schema_version", 3, "newer than this program's 2"),
  ],
)
def test_a_damaged_record(results, field, value, message):
  path = results / "records" / "tasks" / "bad.json"
  path.write_text(json.dumps(_record() | {field: value}))
  with pytest.raises(ValueError, match=rf"bad.json: .*{message}"):
    task_rows.read_records(results, "median")


def test_records_of_other_tasks_are_left_out(results):
  path = pathlib.Path(results, "records", "tasks", "other.json")
  path.write_text(json.dumps(_record() | {"task": "omniglot"}))
  assert len(task_rows.read_records(results, "median")) == 24
  assert len(task_rows.read_records(results, "omniglot")) == 1


def test_the_sentence_compares_with_equilibrium():
  def runs(readout, values, width=8):
    return [
      _record(seed, readout=readout, width=width, test=value)
      for seed, value in enumerate(values)
    ]

  rows = task_rows.summaries(
    runs("equilibrium", [0.1, 0.3])
    + runs("attention", [0.3, 0.2])
    + runs("sum", [7.9, 8.1])
    + runs("sum", [5.0], width=32)
    + runs("equilibrium", [2.0], width=32)
  )
  (sentence,) = tasks.statement(rows)
  assert sentence == (
    "Against that of equilibrium, the test mse is of attention 1.2 times (D ="
    " 8, within noise); of sum 40 times (D = 8), 2.5 times (D = 32, one seed"
    " each, which may be noise)."
  )
  assert tasks.statement(task_rows.summaries(runs("sum", [1.0, 2.0]))) == []


def test_only_runs_of_one_length_are_compared():
  def longer(**fields):
    record = _record(**fields) | {"steps": 3001}
    record["config"] |= {"num_steps": 3001}
    record["config"]["optimizer"]["schedule"] = "cosine"
    return record

  rows = task_rows.summaries(
    [
      _record(readout="equilibrium", test=0.1),
      _record(readout="sum", test=0.3),
      longer(readout="equilibrium", test=0.05),
      longer(readout="attention", test=0.2),
    ]
  )
  assert tasks.statement(rows) == [
    "Against that of equilibrium, the test mse is of attention 4 times (D = 8,"
    " 3,001 steps, one seed each, which may be noise); of sum 3 times (D = 8,"
    " 1,009 steps, one seed each, which may be noise)."
  ]
  rates = [tasks.display(row)["learning rate"] for row in rows]
  assert rates == ["0.001, cosine", "0.001", "0.001, cosine", "0.001"]


def test_scores_are_compared_in_points():
  rows = task_rows.summaries(
    _record(seed, readout=name, width=8, test=value, lower_is_better=False)
    for name, values in (("equilibrium", (0.5, 0.52)), ("sum", (0.4, 0.42)))
    for seed, value in enumerate(values)
  )
  assert "of sum -10.0 points (D = 8)" in tasks.statement(rows)[0]
