"""Records: what is whole, what is refused, which runs belong together."""

from __future__ import annotations

import copy
import json

import pytest

from gnn_readout import records

FACTS = {
  "kind": "run",
  "name": "run",
  "command": "python -m launch.train",
  "git_commit": None,
  "git_dirty": False,
  "versions": {},
  "hardware": {},
  "problem": "graph_property",
  "config": {
    "model": {"readout": {"name": "sum"}},
    "optimizer": {"learning_rate": 0.001},
  },
  "config_hash": "3f1c",
  "seed": 3,
  "dataset": {"name": "demo", "num_graphs": 83, "num_train": 53,
              "num_valid": 17, "num_test": 13, "fingerprint": "aa"},
  "num_parameters": 11,
  "steps": 7,
  "epochs": 1.5,
  "curves": {"train": [(3, 0.5), (7, -1e-09)], "valid": [], "diagnostics": {}},
  "best": {"step": 7, "valid": 0.7},
  "test": {"metric": "ap", "value": 0.6, "step": 7, "scores": {"ap": 0.6}},
  "lower_is_better": False,
  "failure": "",
  "wall_seconds": 2.0,
  "steps_per_second": 3.5,
  "graphs_per_second": None,
  "num_members": 1,
  "num_devices": 1,
  "padding": None,
  "num_compiled_shapes": None,
  "describe": {"shapes": [[3, 5, 7]]},
  "note": "[\n 1,\n 2\n]",
}  # fmt: skip

CROSSVAL = {
  **{key: FACTS[key] for key in ("name", "command", "git_commit", "git_dirty",
                                 "versions", "hardware", "config_hash",
                                 "wall_seconds", "note")},
  "kind": "crossval",
  "config": {"model": {"readout": {"name": "sum"}, "head": {"name": "mlp"}}},
  "dataset": {"name": "tu/MUTAG", "num_graphs": 188, "fingerprint": "aa"},
  "protocol": {"name": "fspool2019", "selected_on": "valid", "repeats": 2,
               "repeats_published": 10, "num_folds": 2, "grid": [{}],
               "epochs": 7.0},
  "repeats": [
    {"folds_hash": "h0", "tests": [0.8, 0.9], "epochs": [3, 5]},
    {"folds_hash": "h1", "tests": [0.7, 0.9], "epochs": [2, 7]},
  ],
  "test": {"metric": "accuracy", "value": 0.825, "deviation": 0.02, "count": 2},
}  # fmt: skip


def _changed(facts: dict, field: str, *value) -> dict:
  """A copy of which a field is another, or gone without a value."""
  changed = copy.deepcopy(facts)
  *outer, last = (int(x) if x.isdigit() else x for x in field.split("."))
  inner = changed
  for key in outer:
    inner = inner[key]
  if value:
    inner[last] = value[0]
  else:
    del inner[last]
  return changed


def _write_as_is(path, record: dict) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(record))


@pytest.mark.parametrize("facts", [FACTS, CROSSVAL], ids=["run", "crossval"])
def test_what_is_written_is_read(tmp_path, facts):
  record = records.write(tmp_path, facts)
  assert record["schema_version"] == records.VERSION == 2
  assert record["finished_at"].endswith("+00:00")
  kept = {key: record[key] for key in facts}
  assert kept == json.loads(json.dumps(facts))
  assert records.read(tmp_path / "record.json") == record


def test_a_point_of_a_curve_takes_one_line(tmp_path):
  records.write(tmp_path, FACTS)
  text = (tmp_path / "record.json").read_text()
  assert json.loads(text)["note"] == FACTS["note"]
  lines = [line.strip() for line in text.splitlines()]
  assert "[3, 0.5]," in lines
  assert "[7, -1e-09]" in lines


def test_nothing_is_written_of_half_a_record(tmp_path):
  with pytest.raises(ValueError, match=r"record\.json: field 'seed' is missin"):
    records.write(tmp_path, _changed(FACTS, "seed"))
  with pytest.raises(
    ValueError, match="'test.value' has the invalid value nan"
  ):
    records.write(tmp_path, _changed(FACTS, "test.value", float("nan")))
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["best", "test", "dataset", "git_commit"])
def test_what_may_be_null(tmp_path, field):
  records.write(tmp_path, _changed(FACTS, field, None))


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("kind", ("runs",), "the invalid value 'runs'. Did you mean 'run'"),
    ("kind", (), "field 'kind' is missing"),
    ("seed", (), "field 'seed' is missing"),
    ("git_commit", (), "field 'git_commit' is missing"),
    ("test.value", (), "field 'test.value' is missing"),
    ("test.value", ("high",), "'test.value' has the invalid value 'high'"),
    ("test.value", (None,), "'test.value' has the invalid value None"),
    ("test.value", (float("inf"),), "'test.value' has the invalid value inf"),
    ("test.num_tasks_scored", ("3",), "scored' has the invalid value '3'"),
    ("test", ("good",), "field 'test' has the invalid value 'good'"),
    ("curves", (None,), "field 'curves.train' is missing"),
    ("curves", ({"train": []},), "'curves.valid' is missing"),
    ("dataset.fingerprint", (), "field 'dataset.fingerprint' is missing"),
    ("config.model.readout.name", (3,), "name' has the invalid value 3"),
    ("schema_version", (), "field 'schema_version' is missing"),
    ("schema_version", ("2",), "'schema_version' has the invalid value '2'"),
    ("schema_version", (3,), "schema_version 3 is newer than this program's 2"),
    ("schema_version", (1,), "schema_version 1 is older than this program's 2"),
  ],
)  # fmt: skip
def test_a_damaged_run_is_named_with_its_field(tmp_path, field, value, message):
  record = records.write(tmp_path, FACTS)
  path = tmp_path / "r.json"
  _write_as_is(path, _changed(record, field, *value))
  with pytest.raises(ValueError, match=rf"r\.json: .*{message}"):
    records.read(path)


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("repeats.1.folds_hash", (), "field 'repeats.1.folds_hash' is missing"),
    ("repeats.0.tests", ([0.5],),
     "field 'repeats.0.tests' has 1 element, but its protocol has 2"),
    ("repeats.0.tests.1", ("high",),
     "field 'repeats.0.tests.1' has the invalid value 'high'"),
    ("repeats", ([],),
     "field 'repeats' has 0 elements, but its protocol has 2"),
    ("repeats", ({},), r"field 'repeats' has the invalid value {}"),
    ("protocol", (None,), "field 'protocol.name' is missing"),
    ("protocol.selected_on", (), "field 'protocol.selected_on' is missing"),
  ],
)  # fmt: skip
def test_a_damaged_cross_validation_is_named_with_its_field(
  tmp_path, field, value, message
):
  record = records.write(tmp_path, CROSSVAL)
  path = tmp_path / "r.json"
  _write_as_is(path, _changed(record, field, *value))
  with pytest.raises(ValueError, match=rf"r\.json: {message}"):
    records.read(path)


@pytest.mark.parametrize("text", ["{", "", "[1, 2"])
def test_what_is_no_json(tmp_path, text):
  path = tmp_path / "r.json"
  path.write_text(text)
  with pytest.raises(ValueError, match=r"r\.json: not a JSON file"):
    records.read(path)


def test_no_records_say_what_to_run():
  error = records.NoRecordsError("runs", "folder", "python -m x")
  assert error.command == "python -m x"
  assert (
    str(error) == "no runs in folder; a finished run writes one: python -m x"
  )


def _run(seed=0, rate=0.001, **changes) -> dict:
  record = {**copy.deepcopy(FACTS), "schema_version": records.VERSION}
  record["finished_at"] = "2025-01-01T00:00:00+00:00"
  record["seed"] = record["config"]["seed"] = seed
  record["config"]["optimizer"]["learning_rate"] = rate
  for field, value in changes.items():
    record = _changed(record, field.replace("__", "."), value)
  return record


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
  crossval = records.write(tmp_path / "elsewhere", CROSSVAL)
  written = {"b": _run(2), "c": crossval, "a": _run(1), "d": _run(0)}
  for name, record in written.items():
    _write_as_is(tmp_path / f"{name}.json", record)
  (tmp_path / "notes.txt").write_text("not a record")
  found = records.read_folder(tmp_path)
  assert [path.stem for path in found] == ["a", "b", "c", "d"]
  assert found[tmp_path / "d.json"] == json.loads(json.dumps(written["d"]))
  assert list(records.read_folder(tmp_path, "crossval").values()) == [crossval]
  assert [p.stem for p in records.read_folder(tmp_path, "run")] == [
    "a",
    "b",
    "d",
  ]
  assert records.read_folder(tmp_path, "benchmark") == {}
  assert records.read_folder(tmp_path / "nothing") == {}


def test_the_same_run_twice_is_refused(tmp_path):
  _write_as_is(tmp_path / "a.json", _run(3))
  _write_as_is(tmp_path / "b.json", _run(5))
  records.read_folder(tmp_path)
  _write_as_is(tmp_path / "c.json", _run(3, config__note="again", name="other"))
  with pytest.raises(
    ValueError, match=r"c\.json is a record of the same .*a\.json"
  ):
    records.read_folder(tmp_path)


def test_the_same_cross_validation_twice_is_refused(tmp_path):
  record = records.write(tmp_path / "elsewhere", CROSSVAL)
  _write_as_is(tmp_path / "a.json", record)
  other = _changed(record, "protocol.name", "gin2019")
  _write_as_is(tmp_path / "b.json", other)
  records.read_folder(tmp_path)
  _write_as_is(tmp_path / "c.json", record | {"name": "copy"})
  with pytest.raises(
    ValueError, match=r"c\.json is a record of the same .*a\.json"
  ):
    records.read_folder(tmp_path)


@pytest.mark.parametrize(
  ("change", "same"),
  [
    ({"config__seed": 7}, True),
    ({"config__log_every": 7}, True),
    ({"config__population": ""}, True),  # Older ones do not have it.
    ({"config__note": "short"}, True),
    ({"note": "short", "name": "another", "steps": 9}, True),
    ({"config__num_steps": 2003}, False),
    ({"config__model__readout": {"name": "max"}}, False),
    ({"config__optimizer__learning_rate": 0.1}, False),
    ({"dataset__fingerprint": "bb"}, False),
    ({"dataset": None}, False),
    ({"problem": "median"}, False),
  ],
)
def test_what_decides_a_result(change, same):
  first, second = _run(), _run(**change)
  groups = records.group([first, second])
  assert groups == ([[first, second]] if same else [[first], [second]])


def test_fields_in_which_a_group_may_differ():
  rate, readout = "optimizer.learning_rate", "model.readout"
  runs = [
    _run(0, 0.1),
    _run(1, 0.2),
    _run(0, 0.1, config__model__readout={"name": "equilibrium", "steps": 5}),
    _run(0, 0.1, config__model__readout={"name": "equilibrium", "steps": 7}),
  ]
  sizes = {
    without: [len(g) for g in records.group(runs, without)]
    for without in [(), (rate,), (readout,), (rate, readout),
                    (rate, "model.readout.steps"), ("nothing.there",)]
  }  # fmt: skip
  assert list(sizes.values()) == [
    [1, 1, 1, 1], [2, 1, 1], [3, 1], [4], [2, 2], [1, 1, 1, 1]
  ]  # fmt: skip


def test_what_has_a_record_can_be_grouped():
  runs = [("a", _run(0)), ("b", _run(0, 0.1)), ("c", _run(1))]
  groups = records.group(runs, record=lambda pair: pair[1])
  assert [[name for name, _ in g] for g in groups] == [["a", "c"], ["b"]]


def test_a_field_of_a_config():
  assert records.field(_run(), "model.readout.name") == "sum"
  assert records.field(_run(), "model.readout.steps.more") is None
  assert records.field(_run(), "batching.mode") is None
