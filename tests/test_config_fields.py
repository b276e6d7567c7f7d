"""Fields of a config: those it names, and the arguments of its parts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from configs import demo, graphs, median, molpcba, omniglot, polygons, tu
from gnn_readout import config_fields, models
from gnn_readout.fields import flatten
from gnn_readout.layers.heads import HEADS
from gnn_readout.message_passing import NETWORKS, network_class
from gnn_readout.readouts import (
  OF_GRAPHS,
  ORDER_DEPENDENT,
  READOUTS,
  readout_class,
)
from gnn_readout.runs import settings
from gnn_readout.training import members

CONFIGS = {
  "demo": demo.get_config,
  "graphs": lambda name: graphs.get_config(f"gcn,{name}"),
  "median": median.get_config,
  "molpcba": lambda name: molpcba.get_config(f"gcn,{name}"),
  "omniglot": omniglot.get_config,
  "polygons": lambda name: polygons.get_config(f"mlp,chamfer,{name}"),
  "tu": lambda name: tu.get_config(f"MUTAG,{name}"),
}


@pytest.fixture
def config():
  return molpcba.get_config("gcn,fspool")


@pytest.mark.parametrize("name", sorted(READOUTS | ORDER_DEPENDENT | OF_GRAPHS))
@pytest.mark.parametrize("get_config", CONFIGS.values(), ids=CONFIGS)
def test_every_argument_of_every_readout_is_a_field(get_config, name):
  config = get_config(name)
  before = flatten(settings.as_json(config))
  for argument, (_, default) in readout_class(name).arguments().items():
    field = f"model.readout.{argument}"
    text = config_fields.write(default)
    changed = config_fields.with_fields(config, {field: text})
    assert changed.model.readout[argument] == default
    assert changed.is_locked
    after = flatten(settings.as_json(changed))
    assert after | {field: before.get(field)} == {field: None} | before


@pytest.mark.parametrize("get_config", CONFIGS.values(), ids=CONFIGS)
def test_how_often_a_run_is_saved_is_a_field(get_config):
  config = get_config("mean")
  changed = config_fields.with_fields(config, {"checkpoint_every": "7"})
  assert changed.checkpoint_every == 7
  # It makes no other run.
  assert not settings.differences(*map(settings.as_json, (config, changed)))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_argument_of_every_network_is_a_field(config, name):
  field = "model.message_passing.name"
  config = config_fields.with_fields(config, {field: name})
  known = config_fields.known(config)
  arguments = network_class(name).arguments(name)
  for argument in arguments.keys() - {"aggregator"}:
    assert f"model.message_passing.{argument}" in known
  # Of the old network nothing is left that the new one would refuse.
  assert set(config.model.message_passing) <= {"name", *arguments}


@pytest.mark.parametrize("name", sorted(HEADS))
def test_every_argument_of_every_head_is_a_field(name):
  config = tu.get_config("MUTAG,sum")
  config = config_fields.with_fields(config, {"model.head.name": name})
  known = set(config_fields.known(config))
  own = {"mlp": {"dropout_rate", "initialisation"}, "linear": set()}
  expected = own.get(name, {"dropout_rate"}) | {"name"}
  assert {f for f in known if f.startswith("model.head.")} == {
    f"model.head.{argument}" for argument in expected
  }


def test_what_is_not_set_is_not_there(config):
  assert config.model.readout.to_dict() == {"name": "fspool", "aux_weight": 0.0}
  changed = config_fields.with_fields(config, {"model.readout.num_knots": "10"})
  assert changed.model.readout.num_knots == 10
  assert "num_knots" not in config.model.readout
  assert "initialisation" not in changed.model.readout


@pytest.mark.parametrize(
  ("values", "lengths"),
  [
    ({"num_steps": "200"}, (200, 0.0)),
    ({"num_epochs": "2"}, (0, 2.0)),
    ({"num_steps": "200", "num_epochs": "0"}, (200, 0.0)),
    ({"num_steps": 0, "num_epochs": 3.0}, (0, 3.0)),
    ({"num_steps": "0"}, (0, 100.0)),
    ({"seed": "1"}, (0, 100.0)),
  ],
)
def test_the_length_that_is_given_counts(config, values, lengths):
  changed = config_fields.with_fields(config, values)
  assert (changed.num_steps, changed.num_epochs) == lengths
  assert type(changed.num_epochs) is float


def test_two_lengths_are_one_too_many(config):
  values = {"num_steps": "200", "num_epochs": "3"}
  message = (
    "^--config.num_epochs=3 and --config.num_steps=200 both set the length of"
    " the run; give one of them$"
  )
  with pytest.raises(ValueError, match=message):
    config_fields.with_fields(config, values, "--config.")
  # A task counts steps alone.
  changed = config_fields.with_fields(median.get_config(), {"num_steps": "7"})
  assert changed.num_steps == 7 and "num_epochs" not in changed


def test_a_placeholder_can_be_set_and_emptied():
  config = polygons.get_config()
  field = "model.latent_value"
  full = config_fields.with_fields(config, {field: "0.5"})
  assert full.model.latent_value == 0.5
  assert config_fields.with_fields(config, {field: "None"}) == config
  config = molpcba.get_config("gcn,equilibrium")
  field = "model.readout.hidden"
  full = config_fields.with_fields(config, {field: "7"})
  assert full.model.readout.hidden == 7
  assert config_fields.with_fields(full, {field: "None"}) == config


def test_the_name_of_a_part_comes_first_and_decides():
  config = molpcba.get_config("equilibrium,equilibrium")
  changed = config_fields.with_fields(
    config,
    {
      "model.message_passing.aggregator.num_heads": "2",
      "model.message_passing.aggregator.name": "attention",
      "model.readout.name": "sum",
      "model.readout.aux_weight": 0.5,
    },
  )
  assert changed.model.message_passing.aggregator.to_dict() == {
    "name": "attention",
    "aux_weight": 1e-4,
    "num_heads": 2,
  }
  assert changed.model.readout.to_dict() == {"name": "sum", "aux_weight": 0.5}


def test_a_part_that_is_not_there_can_be_named(config):
  changed = config_fields.with_fields(
    config,
    {
      "model.message_passing.name": "aggregate",
      "model.message_passing.aggregator.name": "moment",
      "model.message_passing.aggregator.order": "3",
    },
  )
  passing = changed.model.message_passing
  assert passing.aggregator.to_dict() == {"name": "moment", "order": 3}
  assert passing.width == config.model.message_passing.width


@pytest.mark.parametrize(
  ("values", "message"),
  [
    (
      {"model.readout.num_knot": "3"},
      "no field 'model.readout.num_knot'. Did you mean"
      " 'model.readout.num_knots'. Known: model.readout.aux_weight,"
      " model.readout.name, model.readout.num_knots,"
      " model.readout.initialisation.$",
    ),
    (
      {"model.readout.num_knots": "four"},
      "^model.readout.num_knots expects an integer, got 'four'$",
    ),
    (
      {"model.readout.num_knots": 2.5},
      "num_knots expects an integer, got '2.5'",
    ),
    ({"model.readout.pos_weight": "3"}, r"no field '.*pos_weight'\. Known: "),
    ({"seed": "1_0"}, "seed expects an integer, got '1_0'"),
    ({"seed": None}, "seed expects an integer, got 'None'"),
    ({"learning_rate": 1}, "Did you mean 'optimizer.learning_rate'"),
    ({"model.readout": "sum"}, "no field 'model.readout'"),
    ({"model.message_passing.aggregator.name": "sum"}, "no field"),
    ({"model.readout.name": "fspol"}, "Did you mean 'fspool'"),
    (
      {"model.readout.name": "sum", "model.readout.num_knots": "3"},
      "no field 'model.readout.num_knots'",
    ),
  ],
)
def test_what_cannot_be_set(config, values, message):
  with pytest.raises(ValueError, match=message):
    config_fields.with_fields(config, values)


@pytest.mark.parametrize(
  ("text", "kind", "value"),
  [
    ("true", bool, True),
    ("False", bool, False),
    ("-3", int, -3),
    ("1e-3", float, 0.001),
    ("3", float, 3.0),
    ("None", str, "None"),
    ("None", int | None, None),
    ("7", int | None, 7),
    ("None", str | None, None),
    ("0.5", float | Sequence[float], 0.5),
    ("0,0.5,1", float | Sequence[float], (0.0, 0.5, 1.0)),
    ("(256, 256, 1)", Sequence[int], (256, 256, 1)),
    ("[256,1]", Sequence[int] | None, (256, 1)),
    ("8", Sequence[int], (8,)),
    ("(8,)", Sequence[int], (8,)),
    ("()", Sequence[int], ()),
    ("", Sequence[int], ()),
    ("mean,max", Sequence[str | Mapping[str, Any]], ("mean", "max")),
    ("('mean', \"max\")", Sequence[str], ("mean", "max")),
    (
      "sum,{'name': 'moment', 'order': 3}",
      Sequence[str | Mapping[str, Any]],
      ("sum", {"name": "moment", "order": 3}),
    ),
    ("3", Any, 3),
    ("0.5", Any, 0.5),
    ("None", Any, None),
    ("abc", Any, "abc"),
    ("1,x", Sequence, (1, "x")),
  ],
)
def test_texts_and_values(text, kind, value):
  found = config_fields.read(text, kind)
  assert found == value and type(found) is type(value)
  again = config_fields.write(found)
  assert config_fields.read(again, kind) == value
  assert " " not in again


@pytest.mark.parametrize(
  ("text", "kind", "words"),
  [
    ("yes", bool, "true or false"),
    ("1.0", int, "an integer"),
    ("1_0.0", float, "a number"),
    ("x", int | None, "None or an integer"),
    ("1,x", Sequence[int], "an integer or several separated by commas"),
    ("{'name': 'sum'}", Sequence[int], "an integer or several"),
    ("{'a': ", Sequence[str | Mapping[str, Any]], "a word or several"),
    ("[" * 9000, Sequence[float], "a number or several"),
    (
      "x",
      float | Sequence[float],
      "a number or several separated by commas",
    ),
  ],
)
def test_bad_texts_say_what_would_be_right(text, kind, words):
  with pytest.raises(ValueError, match=f"^expects {words}"):
    config_fields.read(text, kind)


def test_populations_and_grids_see_them(config):
  text = "model.readout.num_knots=5,10 seed=0,1"
  config.population = text
  configs = members.expand(config)
  found = [(c.model.readout.num_knots, c.seed) for c in configs]
  assert found == list(itertools.product((5, 10), (0, 1)))
  assert len(members.group_by_program(configs)) == 2
  assert members.names(config)[0] == "num_knots=5,seed=0"
  config = molpcba.get_config("gcn,deep_sets")
  found = members.overrides(config, "model.readout.phi_widths=(8,4),(6)")
  field = "model.readout.phi_widths"
  assert found == [{field: (8, 4)}, {field: (6,)}]


@pytest.mark.parametrize("get_config", CONFIGS.values(), ids=CONFIGS)
def test_what_is_measured_on_the_data_is_none_until_then(get_config):
  config = get_config("pna")
  assert "delta" not in config.model.readout
  fields = settings.as_json(config)
  assert fields["model"]["readout"]["delta"] is None
  done = json.loads(json.dumps(fields))
  done["model"]["readout"]["delta"] = 2.5
  assert settings.differences(fields, done) == []
  given = config_fields.with_fields(config, {"model.readout.delta": 2.0})
  assert settings.differences(settings.as_json(given), done) == [
    "model.readout.delta=2.5, not 2.0"
  ]


def test_another_value_than_the_default_is_another_run():
  """What is None and not measured is a value like any other."""
  here = settings.as_json(molpcba.get_config("gcn,equilibrium"))
  there = json.loads(json.dumps(here))
  there["model"]["readout"]["hidden"] = 64
  assert settings.differences(here, there) == [
    "model.readout.hidden=64, not None"
  ]


def test_a_completed_config_is_the_same_run():
  """Sort pooling's k, too, is measured, and a run of it can go on."""
  config = molpcba.get_config("equilibrium,sort_pool")
  config = config_fields.with_fields(
    config, {"model.message_passing.aggregator.name": "pna"}
  )
  before = settings.as_json(config)
  models.complete_config(
    config.model, np.array([3, 9, 20]), lambda: np.array([1, 2, 2])
  )
  after = settings.as_json(config)
  assert after["model"]["readout"]["k"] == 3
  assert after["model"]["message_passing"]["aggregator"]["delta"] > 0
  assert settings.differences(before, after) == []
