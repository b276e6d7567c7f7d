"""Options of training: what they can be, and the table of the docs."""

from __future__ import annotations

import inspect
import pathlib
import re

import pytest

from configs import median, molpcba, tu
from gnn_readout import optimizers, options
from gnn_readout.config_fields import known, with_fields
from gnn_readout.runs import settings
from gnn_readout.training import crossval, trainer

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "training.md"


@pytest.mark.parametrize("name", options.OPTIONS)
def test_the_page_says_what_they_are(name):
  row = re.search(rf"\| `{name}` \| (.+) \| .+ \| (.+) \|", PAGE.read_text())
  default, example = row.groups()
  option = options.OPTIONS[name]
  if not default.startswith("("):
    assert default == str(option.default)
  else:
    assert not option.default
  config = with_fields(molpcba.get_config("gcn,sum"), {name: example})
  settings.check(config)


def test_the_page_names_no_other():
  found = re.findall(r"^\| `([a-z_.]+)` \|", PAGE.read_text(), re.MULTILINE)
  assert found == list(options.OPTIONS)


def test_no_config_names_them_and_the_optimizer_has_their_defaults():
  config = molpcba.get_config("gcn,sum")
  fields = config.to_dict()
  signature = inspect.signature(optimizers.make_optimizer).parameters
  for name, option in options.OPTIONS.items():
    part, _, last = name.rpartition(".")
    assert last not in (fields[part] if part else fields)
    if part == "optimizer":
      assert signature[last].default == option.default


@pytest.mark.parametrize(
  ("values", "message"),
  [
    (
      {"optimizer.weight_decay": -0.1},
      "optimizer.weight_decay must not be negative, got -0.1",
    ),
    ({"optimizer.clip_norm": -1}, "clip_norm must not be negative, got -1.0"),
    (
      {"optimizer.accumulate_steps": 0},
      "optimizer.accumulate_steps must be at least 1, got 0",
    ),
    ({"optimizer.ema_decay": 1}, "at least 0 and less than 1, got 1.0"),
    ({"optimizer.plateau_factor": 0}, "must be between 0 and 1, got 0.0"),
    ({"optimizer.plateau_patience": -1}, "must not be negative, got -1"),
    ({"patience": -3}, "patience must not be negative, got -3"),
    (
      {"class_weights": "1,-2"},
      "class_weights must be non-negative numbers, at least one of them"
      " positive, or 'balanced', got 1.0,-2.0",
    ),
    ({"class_weights": "equal"}, "or 'balanced', got 'equal'"),
    ({"task_weights": "0,0"}, "at least one of them positive, got 0.0,0.0"),
    (
      {"model.precision": "float16"},
      "model.precision must be one of float32, bfloat16, got 'float16'",
    ),
    (
      {"optimizer.schedule": "plato"},
      "unknown optimizer.schedule 'plato'. Did you mean 'plateau'",
    ),
  ],
)
def test_what_cannot_be(values, message):
  config = with_fields(molpcba.get_config("gcn,sum"), values)
  with pytest.raises(ValueError, match=re.escape(message)):
    settings.check(config)


def test_a_field_of_the_optimizer_that_is_none():
  config = molpcba.get_config("gcn,sum")
  with config.unlocked():
    config.optimizer.weight_decai = 0.1
  with pytest.raises(ValueError, match="no field 'weight_decai'. Did you mean"):
    settings.check(config)


def test_tasks_that_draw_their_examples_have_no_classes():
  config = median.get_config()
  assert "optimizer.ema_decay" in known(config)
  for name in ("class_weights", "metric", "model.precision"):
    with pytest.raises(ValueError, match=f"has no field '{name}'"):
      with_fields(config, {name: "1"})
  with config.unlocked():
    config.class_weights = (1.0, 2.0)
  with pytest.raises(
    ValueError, match="applies to datasets of graphs, not to the"
  ):
    settings.check(config)


@pytest.mark.parametrize(
  ("values", "message"),
  [
    (
      {"optimizer.warmup_steps": 12},
      "optimizer.warmup_steps must be at most the length of the run, 11 steps,"
      " got 12",
    ),
    (
      {"optimizer.accumulate_steps": 12},
      "at most the length of the run, 11 steps, got 12",
    ),
    (
      {"metric": "r2"},
      "tiny cannot be scored by 'r2'. Known: accuracy, ap, f1",
    ),
    ({"metrics": "f1,mmc"}, "scored by 'mmc'. Did you mean 'mcc'"),
    (
      {"class_weights": "1,2,3"},
      "dataset 'tiny': class_weights must be one weight for each of 2 classes,"
      " got 3: 1, 2, 3",
    ),
    ({"task_weights": "1,2"}, "each of 3 tasks, got 2: 1, 2"),
  ],
)
def test_what_the_data_and_the_length_do_not_allow(
  tmp_path, store, config, values, message
):
  with pytest.raises(ValueError, match=re.escape(message)):
    trainer.train(with_fields(config, values), tmp_path)
  assert not (tmp_path / "config.json").exists()


def test_patience_without_a_split_to_be_patient_about(tmp_path, store, config):
  store.splits["valid"] = store.splits["valid"][:0]
  with pytest.raises(
    ValueError,
    match="patience=3 needs validation scores, but the split 'valid'",
  ):
    trainer.train(with_fields(config, {"patience": 3}), tmp_path)


def test_the_patience_of_a_cross_validation_is_the_protocols(tmp_path):
  config = with_fields(tu.get_config("MUTAG,sum"), {"patience": 3})
  with pytest.raises(ValueError, match="the protocol 'gin2019' decides"):
    crossval.run(config, "gin2019", tmp_path)


def test_weights_in_a_population_are_written_in_brackets(config):
  config = with_fields(
    config, {"population": "class_weights=(1,5),balanced task_weights=(1,2)"}
  )
  members = trainer.members_lib.expand(config)
  assert [m.class_weights for m in members] == [(1.0, 5.0), "balanced"]
