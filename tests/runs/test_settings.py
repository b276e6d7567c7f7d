"""Which configs are refused, and which are the same run."""

from __future__ import annotations

import json

import pytest

from configs.molpcba import get_config
from gnn_readout.runs import settings


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("batching.batch_size", 0, "batching.batch_size must be positive, got 0"),
    ("batching.batch_size", -3, "batching.batch_size must be positive, got -3"),
    ("batching.num_buckets", 0, "batching.num_buckets must be positive"),
    ("batching.mode", "bucket", "Did you mean 'bucketed'"),
    ("eval_batch_size", 0, "eval_batch_size must be positive"),
    ("log_every", 0, "log_every must be positive"),
    ("num_steps", -1, "num_steps must not be negative, got -1"),
    ("num_epochs", -0.5, "num_epochs must not be negative"),
    ("eval_every", -1, "eval_every must not be negative"),
    (
      "optimizer.learning_rate",
      0.0,
      "optimizer.learning_rate must be positive",
    ),
    ("optimizer.learning_rate", float("nan"), "must be finite, got nan"),
    ("num_epochs", float("inf"), "num_epochs must be finite, got inf"),
    ("model.readout.aux_weight", float("nan"), "aux_weight must be finite"),
    ("seed", 2**31, "seed must be at most 2147483647, got 2147483648"),
    ("optimizer.warmup_steps", 10**12, "warmup_steps must be at most"),
    ("model.message_passing.width", -8, "width must be positive, got -8"),
    ("model.message_passing.num_layers", 0, "num_layers must be positive"),
    ("optimizer.warmup_steps", -1, "warmup_steps must not be negative"),
    ("optimizer.schedule", "cosin", "Did you mean 'cosine'"),
    ("model.readout.name", "summ", "Did you mean 'sum'"),
  ],
)
def test_check_names_the_field(field, value, message):
  config = get_config("gcn,sum")
  settings.check(config)
  config.update_from_flattened_dict({field: value})
  with pytest.raises(ValueError, match=message):
    settings.check(config)


@pytest.mark.parametrize("name", ["seed", "model.message_passing.width"])
def test_a_missing_field_is_named(name):
  config = get_config("gcn,sum").unlock()
  path, _, last = name.rpartition(".")
  del (config[path] if path else config)[last]
  with pytest.raises(ValueError, match=f"the config has no field '{name}'"):
    settings.check(config)


def test_max_nodes_matters_in_paper_mode_only():
  config = get_config("gcn,sum")
  config.batching.max_nodes = 0
  settings.check(config)
  config.batching.mode = "paper"
  with pytest.raises(ValueError, match="max_nodes must be positive"):
    settings.check(config)


def test_differences_names_field_and_both_values():
  here = settings.as_json(get_config("gcn,sum"))
  there = settings.as_json(get_config("gin,sum"))
  there["seed"] = 7
  assert settings.differences(here, here) == []
  assert settings.differences(here, there) == [
    "model.message_passing.name='gin', not 'gcn'",
    "seed=7, not 0",
  ]
  del there["model"]["message_passing"]["name"]
  first = settings.differences(here, there)[0]
  assert first == "no model.message_passing.name, not 'gcn'"
  first = settings.differences(there, here)[0]
  assert first == "model.message_passing.name='gcn', which is not a field here"


def test_a_run_of_a_version_without_a_field(tmp_path):
  here = settings.as_json(get_config("gcn,sum"))
  there = json.loads(json.dumps(here))
  del there["csv"]["split_by"]
  (tmp_path / "config.json").write_text(json.dumps(there))
  wanted = "no csv.split_by, not '': it is of an earlier version"
  with pytest.raises(ValueError, match=wanted):
    settings.check_workdir(tmp_path, here)


def _length(schedule="constant", **lengths):
  config = get_config("gcn,sum")
  config.optimizer.schedule = schedule
  config.update({"num_steps": 0, "num_epochs": 0.0, **lengths})
  return settings.as_json(config)


@pytest.mark.parametrize(
  ("schedule", "here", "there", "reason"),
  [
    ("constant", {"num_epochs": 4.0}, {"num_epochs": 3.0}, None),
    ("halving", {"num_epochs": 4.0}, {"num_epochs": 3.0}, None),
    ("constant", {"num_steps": 9}, {"num_steps": 7}, None),
    ("constant", {"num_steps": 9}, {}, None),
    (
      "cosine",
      {"num_epochs": 4.0},
      {"num_epochs": 3.0},
      "num_epochs=3.0, not 4.0. Its length cannot be changed because the"
      " schedule 'cosine' spreads over the whole run",
    ),
    (
      "constant",
      {"num_epochs": 3.0},
      {"num_epochs": 4.0},
      "A run can only be extended, by num_epochs above 4;",
    ),
    (
      "constant",
      {"num_steps": 900},
      {"num_epochs": 4.0},
      "A run can only be extended, by num_epochs above 4;",
    ),
  ],
)
def test_a_run_can_be_made_longer(tmp_path, schedule, here, there, reason):
  here, there = _length(schedule, **here), _length(schedule, **there)
  (tmp_path / "config.json").write_text(json.dumps(there))
  assert settings.is_longer(here, there) == (reason is None)
  if reason is None:
    settings.check_workdir(tmp_path, here)
    here = {**here, "seed": 1}
    reason = "seed=0, not 1$"  # Nothing of the length.
    assert not settings.is_longer(here, there)
  with pytest.raises(ValueError, match=reason):
    settings.check_workdir(tmp_path, here)
  assert not settings.is_longer(there, there)


def test_what_is_measured_on_the_data_is_no_difference():
  here = settings.as_json(get_config("gcn,pna"))
  there = settings.as_json(get_config("gcn,pna"))
  there["model"]["readout"]["delta"] = 2.9
  assert settings.differences(here, there) == []
  here["model"]["readout"]["delta"] = 2.8
  assert settings.differences(here, there) == [
    "model.readout.delta=2.9, not 2.8"
  ]


def test_harmless_fields_change_neither_hash_nor_owner():
  here = settings.as_json(get_config("gcn,sum"))
  there = {**here, "log_every": 1, "eval_batch_size": 3, "note": "short"}
  assert settings.differences(here, there) == []
  assert settings.config_hash(here) == settings.config_hash(there)
  assert settings.config_hash(here) != settings.config_hash({**here, "seed": 1})


def test_a_damaged_file_is_named(tmp_path):
  (tmp_path / "config.json").write_text('{"seed": ')
  with pytest.raises(ValueError, match=r"config\.json is damaged: Expecting"):
    settings.read_json(tmp_path / "config.json")
  (tmp_path / "config.json").write_text("[]")
  with pytest.raises(ValueError, match=r"config\.json is damaged: it holds no"):
    settings.read_json(tmp_path / "config.json")


def test_a_config_is_checked_as_it_is_read(tmp_path):
  values = settings.as_json(get_config("gcn,sum"))
  file = tmp_path / "config.json"
  file.write_text(json.dumps(values))
  assert settings.read_config(file).to_dict() == values
  for change, message in (
    ({"model": {}}, "the config has no field 'model.readout.name'"),
    ({"num_steps": "many"}, "'>=' not supported between"),
    ({"num_steps": -1}, "num_steps must not be negative, got -1"),
  ):
    file.write_text(json.dumps({**values, **change}))
    with pytest.raises(
      ValueError, match=rf"config\.json is damaged: {message}"
    ):
      settings.read_config(file)


def test_a_config_is_written_by_the_first_process_with_a_whole_path(
  tmp_path, monkeypatch
):
  config = get_config("gcn,sum")
  config.dataset = "mine.csv"
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(settings.processes, "is_first", lambda: False)
  settings.write_config(tmp_path, config)
  assert not (tmp_path / "config.json").exists()
  monkeypatch.setattr(settings.processes, "is_first", lambda: True)
  settings.write_config(tmp_path, config)
  there = settings.read_json(tmp_path / "config.json")
  assert there == {
    **settings.as_json(config),
    "dataset": str(tmp_path / "mine.csv"),
  }
