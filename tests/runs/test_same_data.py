"""Finished runs are compared with the data of today."""

from __future__ import annotations

import json

import pytest

from gnn_readout import tasks
from gnn_readout.runs import same_data


def facts(fingerprint):
  return {
    "name": "d",
    "num_graphs": 3,
    "task_names": ["y"],
    "description": [],
    "parts": {"graphs": fingerprint, "labels": "0", "splits": "0"},
    "fingerprint": fingerprint,
  }


def test_a_missing_dataset_is_told_and_no_error(monkeypatch, capsys):
  def missing(*unused):
    raise FileNotFoundError("a.csv: no such file")

  monkeypatch.setattr(tasks, "dataset_facts", missing)
  assert same_data.facts_now([], "run/record.json", None, None) is None
  assert capsys.readouterr().out == (
    "the dataset of run/record.json is missing and cannot be compared: a.csv:"
    " no such file\n"
  )


def test_a_damaged_dataset_is_an_error(monkeypatch):
  def damaged(*unused):
    raise ValueError("a.csv: row 3")

  monkeypatch.setattr(tasks, "dataset_facts", damaged)
  with pytest.raises(ValueError, match=r"a\.csv: row 3"):
    same_data.facts_now([], "run", None, None)


def test_a_record_of_other_data_is_refused_by_name(tmp_path):
  paths = [tmp_path / f"{name}.json" for name in ("same", "drawn", "other")]
  for path, there in zip(paths, (facts("a"), None, facts("b")), strict=True):
    path.write_text(json.dumps({"dataset": there}))
  same_data.check_records([(paths[0], facts("a")), (paths[1], None)])
  with pytest.raises(ValueError, match=r"other\.json was made with data that"):
    same_data.check_records((path, facts("a")) for path in paths)
  paths[0].write_text("{")
  with pytest.raises(ValueError, match=r"same\.json is damaged"):
    same_data.check_records([(paths[0], facts("a"))])
