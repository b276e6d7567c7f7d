"""Reading records: what is a whole one, and what is said of others."""

from __future__ import annotations

import json

import pytest

from gnn_readout import records

FIELDS = {"schema_version": int, "a.b": (int, float), "rows.*.x": str}
WHOLE = {"schema_version": 1, "a": {"b": 2}, "rows": [{"x": "u"}, {"x": "v"}]}


@pytest.fixture
def path(tmp_path):
  return tmp_path / "r.json"


def test_a_whole_record(path):
  path.write_text(json.dumps(WHOLE))
  assert records.read_record(path, FIELDS) == WHOLE
  assert records.read_folder(path.parent, FIELDS) == {path: WHOLE}
  assert records.read_folder(path.parent / "nothing", FIELDS) == {}


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"a": {}}, "field 'a.b' is missing"),
    ({"a": 3}, "field 'a.b' is missing"),
    ({"a": {"b": float("inf")}}, "field 'a.b' cannot be inf"),
    ({"a": {"b": "2"}}, "field 'a.b' cannot be '2'"),
    ({"rows": [{"x": "u"}, {}]}, "field 'rows.1.x' is missing"),
    ({"rows": [{"x": 5}]}, "field 'rows.0.x' cannot be 5"),
    ({"rows": {}}, r"field 'rows.\*.x' is missing"),
    ({"schema_version": 2}, "schema_version 2 is newer than this program's 1"),
    ({"schema_version": "2"}, "field 'schema_version' cannot be '2'"),
  ],
)
def test_a_damaged_record_is_named_with_its_field(path, change, message):
  path.write_text(json.dumps(WHOLE | change))
  with pytest.raises(ValueError, match=rf"r\.json: {message}"):
    records.read_record(path, FIELDS)


def test_what_is_no_json(path):
  path.write_text("{")
  with pytest.raises(ValueError, match=r"r\.json: not a JSON file"):
    records.read_record(path, FIELDS)


def test_no_records_say_what_to_run():
  error = records.NoRecordsError("runs", "folder", "python -m x")
  assert error.command == "python -m x"
  assert (
    str(error) == "no runs in folder; a finished run writes one: python -m x"
  )
