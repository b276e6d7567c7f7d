"""Tables from synthetic records: means, order, published levels, refusals."""

from __future__ import annotations

import copy
import csv
import io
import json
import pathlib
import random

import numpy as np
import pytest

from gnn_readout.report import markup
from gnn_readout.report.results import molecules as tables
from gnn_readout.report.results import published as paper

RECORD = {
  "schema_version": 1,
  "name": "molhiv-gcn-mean-s0",
  "command": "python -m launch.train --config=configs/molpcba.py:gcn,mean",
  "config": {
    "dataset": "ogbg-molhiv",
    "seed": 0,
    "model": {
      "message_passing": {"name": "gcn", "width": 300, "virtual_node": False},
      "readout": {"name": "mean"},
    },
    "optimizer": {"learning_rate": 0.001},
    "num_steps": 1009,
    "log_every": 100,
  },
  "config_hash": "3f1c",
  "git_commit": "0123abc",
  "git_dirty": False,
  "versions": {"jax": "0.10.2"},
  "hardware": {"platform": "cpu", "device": "cpu", "cpu_count": 2,
               "memory_gb": 23.0},
  "seed": 0,
  "dataset": {"name": "ogbg-molhiv", "num_graphs": 41127, "num_train": 32901,
              "num_valid": 4113, "num_test": 4113, "fingerprint": "aa11"},
  "num_parameters": 527_701,
  "steps": 1009,
  "epochs": 0.98,
  "curves": {"train": [[1, 0.7]], "valid": [[1009, 0.81]]},
  "best": {"step": 1009, "valid": 0.81},
  "test": {"metric": "rocauc", "value": 0.75, "num_tasks_scored": 1,
           "step": 1009},
  "wall_seconds": 123.0,
  "steps_per_second": 8.2,
  "graphs_per_second": 262.0,
  "padding": {"nodes": 0.9, "edges": 0.9, "graphs": 0.97},
  "num_compiled_shapes": 3,
  "finished_at": "2025-01-01T00:00:00+00:00",
  "note": "1 epoch of 100",
}  # fmt: skip


def _record(seed: int = 0, test: float = 0.75, **changes) -> dict:
  """RECORD with another seed and score; `a__b=c` changes record['a']['b']."""
  record = copy.deepcopy(RECORD)
  record["name"] += f"-{seed}-{test}"
  record["seed"] = record["config"]["seed"] = seed
  record["test"]["value"] = test
  for path, value in changes.items():
    *outer, last = path.split("__")
    inner = record
    for key in outer:
      inner = inner[key]
    inner[last] = value
  return record


def _table(records: list[dict]) -> tuple[str, str]:
  """All rows as Markdown and as CSV."""
  rows = tables.molecule_rows(records)
  shown = [tables.display(row) for row in rows]
  return markup.markdown_table(shown), markup.csv_table(rows)


def _write(results: pathlib.Path, *records: dict) -> None:
  (results / "records").mkdir(parents=True, exist_ok=True)
  for i, record in enumerate(records):
    path = results / "records" / f"run{i}.json"
    path.write_text(json.dumps(record))


def _without(record: dict, field: str) -> dict:
  *outer, last = field.split(".")
  inner = record = copy.deepcopy(record)
  for key in outer:
    inner = inner[key]
  del inner[last]
  return record


def test_what_a_row_says_of_the_inner_loop():
  readout = {"name": "equilibrium", "num_steps": 5, "aux_weight": 0.01}
  records = [_record(config__model__readout=readout), _record()]
  rows = [tables.display(row) for row in tables.molecule_rows(records)]
  cells = [
    (row["readout"], row["inner steps"], row["auxiliary weight"])
    for row in rows
  ]
  assert cells == [("equilibrium", "5", "0.01"), ("mean", "", "")]
  assert rows[0]["learning rate"] == "0.001"


def test_seeds_of_one_configuration_become_one_row():
  values = [0.74, 0.77, 0.753]
  records = [_record(seed, value) for seed, value in enumerate(values)]
  records[1]["config"]["log_every"] = 7  # Does not change the result.
  records[1]["config"]["population"] = ""  # Older ones do not have it.
  (row,) = tables.molecule_rows(records)
  assert row["seeds"] == 3
  assert row["test"] == pytest.approx(np.mean(values), abs=1e-6)
  assert row["test_deviation"] == pytest.approx(
    np.std(values, ddof=1), abs=1e-6
  )
  assert (row["valid"], row["valid_deviation"]) == (0.81, 0)
  assert row["command"] == RECORD["command"]
  assert row["note"] == "1 epoch of 100"


def test_one_seed_has_no_deviation():
  (row,) = tables.molecule_rows([_record()])
  assert row["test_deviation"] is None
  assert tables.display(row)["test"] == "0.7500"


@pytest.mark.parametrize(
  "change",
  [
    {"config__model__message_passing__virtual_node": True},
    {"config__model__message_passing__width": 64},
    {"config__model__readout__name": "sum"},
    {"config__num_steps": 2003},
    {"dataset__fingerprint": "bb22"},
  ],
)
def test_whatever_decides_the_result_makes_another_row(change):
  rows = tables.molecule_rows([_record(0), _record(1, **change)])
  assert [row["seeds"] for row in rows] == [1, 1]


def test_published_levels_stand_beside_the_same_experiment_only():
  (row,) = tables.molecule_rows([_record()])
  assert (row["published"], row["published_deviation"]) == (0.7606, 0.0097)
  shown = tables.display(row)["published test"]
  assert shown == "0.7606 ± 0.0097 (OGB leaderboard)"
  (virtual,) = tables.molecule_rows(
    [_record(config__model__message_passing__virtual_node=True)]
  )
  assert virtual["model"] == "gcn+virtual_node"
  assert virtual["published"] == 0.7599
  for change in (
    {"config__model__message_passing__width": 64},
    {"config__model__readout__name": "max"},
    {"dataset__name": "demo"},
  ):
    (row,) = tables.molecule_rows([_record(**change)])
    assert row["published"] is None
    assert tables.display(row)["published test"] == ""


def test_local_aggregation_has_the_name_of_its_aggregator():
  record = _record(dataset__name="ogbg-molpcba", test__metric="ap")
  model = record["config"]["model"]
  model["message_passing"] |= {
    "name": "aggregate",
    "aggregator": {"name": "equilibrium", "num_steps": 15},
  }
  model["readout"]["name"] = "equilibrium"
  (row,) = tables.molecule_rows([record])
  assert row["model"] == "equilibrium"
  assert row["published"] == 0.258


def test_the_bytes_do_not_depend_on_the_order_of_records():
  records = [
    _record(seed, 0.7 + seed / 31, config__model__readout__name=readout)
    for seed in range(5)
    for readout in ("mean", "sum", "max")
  ]
  expected = _table(records)
  for seed in range(3):
    random.Random(seed).shuffle(records)
    assert _table(records) == expected


def test_markdown_and_csv_hold_the_same_rows():
  note = "pipe | and\nnew line"
  records = [
    _record(),
    _record(1, config__model__readout__name="sum", note=note),
  ]
  markdown, text = _table(records)
  header, rule, *lines = markdown.split("\n")
  assert len(lines) == 2
  columns = header.count("|")
  for line in (rule, *lines):
    assert line.count("|") - line.count("\\|") == columns
  assert "pipe \\| and new line" in lines[1]
  rows = list(csv.DictReader(io.StringIO(text)))
  assert [row["readout"] for row in rows] == ["mean", "sum"]
  assert rows[1]["note"] == note
  assert rows[0]["test_deviation"] == ""


def test_the_same_run_twice_is_refused():
  records = [_record(3, 0.7), _record(3, 0.8)]
  names = [record["name"] for record in records]
  with pytest.raises(ValueError, match="the same seed 3") as error:
    tables.molecule_rows(records)
  assert all(name in str(error.value) for name in names)


def test_records_are_read_in_the_order_of_their_names(tmp_path):
  records = [_record(seed) for seed in (2, 0, 1)]
  _write(tmp_path, *records)
  (tmp_path / "records" / "notes.txt").write_text("not a record")
  assert tables.read_records(tmp_path) == records
  assert tables.read_records(tmp_path / "nothing") == []


@pytest.mark.parametrize(
  "field",
  ["schema_version", "seed", "command", "git_commit", "test.value",
   "dataset.fingerprint", "config.model.readout.name", "note"],
)  # fmt: skip
def test_a_missing_field_is_named_with_its_file(tmp_path, field):
  _write(tmp_path, _record(), _without(_record(1), field))
  with pytest.raises(ValueError, match=r"run1\.json: field") as error:
    tables.read_records(tmp_path)
  assert f"{field!r} is missing" in str(error.value)


def test_a_field_of_the_wrong_type_is_named_with_its_file(tmp_path):
  for value in ("high", None, float("nan")):
    _write(tmp_path, _record(test__value=value))
    with pytest.raises(ValueError, match=r"run0\.json: field 'test.value'"):
      tables.read_records(tmp_path)


def test_a_record_of_a_newer_version_is_refused(tmp_path):
  _write(tmp_path, {"schema_version": 3})
  with pytest.raises(
    ValueError, match=r"run0\.json: schema_version 3 is newer"
  ):
    tables.read_records(tmp_path)


def test_a_broken_file_is_named(tmp_path):
  _write(tmp_path, _record())
  path = tmp_path / "records" / "run0.json"
  path.write_text(path.read_text()[:-20])
  with pytest.raises(ValueError, match=r"run0\.json: not a JSON file"):
    tables.read_records(tmp_path)


def test_published_numbers_are_fractions_and_unique():
  keys = set()
  for row in paper.PUBLISHED:
    assert row.metric == "hours" or 0 < row.value < 1
    assert row.split in ("test", "valid", "train")
    key = (row.dataset, row.model, row.readout, row.width, row.metric,
           row.split, row.source, row.setting)  # fmt: skip
    assert key not in keys
    keys.add(key)


def test_published_numbers_match_the_papers():
  def value(model: str, readout: str, split: str) -> float:
    return paper.find("ogbg-molpcba", model, readout, 300, "ap", split).value

  assert value("gcn", "equilibrium", "test") == 0.252
  assert value("gin", "pna", "valid") == 0.262
  assert value("equilibrium", "equilibrium", "test") == 0.258
  assert value("gin+virtual_node", "mean", "test") == 0.2703
  hours = [row.value for row in paper.PUBLISHED if row.metric == "hours"]
  minutes = [330, 470, 608, 944]
  np.testing.assert_allclose(hours, [m / 60 for m in minutes])
  assert paper.find("ogbg-molpcba", "gcn", "sum", 64, "ap", "test") is None
