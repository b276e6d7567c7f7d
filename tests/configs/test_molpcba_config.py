"""The sweeps: what they run is what the paper's tables say, and can be run."""

from __future__ import annotations

import collections
import inspect
import json

import jax
import numpy as np
import pytest

from configs import molpcba
from gnn_readout import models
from gnn_readout.data import batches
from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources import molecules
from gnn_readout.fields import flatten
from gnn_readout.readouts import READOUTS
from gnn_readout.runs import settings

NUM_RUNS = {
  molpcba.table2: 27,
  molpcba.ablation_steps: 4,
  molpcba.ablation_time: 4,
  molpcba.ablation_aux: 5,
  molpcba.ablation_capacity: 5,
  molpcba.screens: 42,
  molpcba.screens_readouts: len(READOUTS),
  molpcba.screens_short: 8,
}


def _config(run):
  """Returns the config of a run, and refuses what a launcher would."""
  overrides = dict(run)
  config = molpcba.get_config(overrides.pop("variant"))
  assert config.is_locked
  config.update_from_flattened_dict(overrides)
  return config


def test_every_sweep_is_tested():
  sweeps = {
    function
    for name, function in inspect.getmembers(
      molpcba, inspect.isgeneratorfunction
    )
  }
  assert sweeps == set(NUM_RUNS)


@pytest.mark.parametrize("sweep", NUM_RUNS, ids=lambda sweep: sweep.__name__)
def test_every_run_is_valid_and_no_two_are_the_same(sweep):
  schema = molecules.molecule_schema("random", "binary", "ap", ("a", "b"))
  hashes = set()
  takes_names = inspect.signature(sweep).parameters
  runs = [*(sweep(list(READOUTS)) if takes_names else sweep())]
  for run in runs:
    config = _config(run)
    settings.check(config)
    assert models.build_model(config.model, schema)
    flat = flatten(config.to_dict())
    overrides = {key: run[key] for key in run if key != "variant"}
    assert overrides == {key: flat[key] for key in overrides}
    assert json.loads(json.dumps(run)) == run
    hashes.add(settings.config_hash(settings.as_json(config)))
  assert len(hashes) == len(runs) == NUM_RUNS[sweep]


def test_a_misspelt_field_is_refused():
  with pytest.raises(KeyError, match="hidden"):
    _config({"variant": "gcn,equilibrium", "model.readout.hiden": 300})
  with pytest.raises(KeyError):  # Sum has no inner steps.
    _config({"variant": "gcn,sum", "model.readout.num_steps": 2})


def test_table2_has_every_line_of_the_paper_at_three_rates():
  runs = collections.defaultdict(list)
  for run in molpcba.table2():
    config = _config(run)
    passing = config.model.message_passing
    name = passing.get("aggregator", passing).name
    key = (name, config.model.readout.name)
    runs[key].append(config.optimizer.learning_rate)
    if "equilibrium" in key:
      assert config.model.readout.aux_weight == 1.0
  readouts = ("sum", "attention", "pna", "equilibrium")
  lines = {(name, r) for name in ("gcn", "gin") for r in readouts}
  assert set(runs) == lines | {("equilibrium", "equilibrium")}
  assert set(map(tuple, runs.values())) == {(1e-4, 3e-4, 1e-3)}


@pytest.mark.parametrize(
  ("sweep", "field", "values"),
  [
    (molpcba.ablation_steps, "num_steps", [1, 2, 5, 10]),
    (molpcba.ablation_time, "num_steps", [None, 2, 5, 10]),
    (molpcba.ablation_aux, "aux_weight", [1e-4, 1e-3, 1e-2, 1e-1, 1]),
    (molpcba.ablation_capacity, "capacity", [0.1, 0.3, 0.6, 1, 1.3]),
  ],
)
def test_an_ablation_varies_one_thing(sweep, field, values):
  configs = [_config(run) for run in sweep()]
  assert [config.model.readout.get(field) for config in configs] == values
  model = "gin" if sweep is molpcba.ablation_aux else "gcn"
  rest = set()
  for config in configs:
    assert config.model.message_passing.name == model
    values = flatten(settings.as_json(config))
    values.pop(f"model.readout.{field}", None)
    if config.model.readout.name == "equilibrium":
      rest.add(json.dumps(values, sort_keys=True))
  assert len(rest) == 1


def test_time_is_that_of_the_papers_steps():
  for run in molpcba.ablation_time():
    config = _config(run)
    batches = config.batching
    assert (batches.mode, batches.batch_size, batches.max_nodes) == (
      "paper",
      8,
      1024,
    )
    assert (config.num_epochs, config.num_steps) == (0, 2000)
    assert config.note


def test_capacity_scales_the_potential_and_nothing_else():
  schema = molecules.molecule_schema("random", "binary", "ap", ("a", "b"))
  store = build_from_undirected(
    schema,
    np.array([2]),
    np.array([1]),
    np.zeros((2, len(schema.node_sizes)), np.uint8),
    np.array([[0, 1]], np.int32),
    np.zeros((1, len(schema.edge_sizes)), np.uint8),
    np.zeros((1, 2), np.float32),
    {},
  )
  (batch,) = batches.collate(
    store, np.array([0]), np.array([0, 1]), [batches.Budget(2, 3, 3)]
  )
  shapes = []
  for run in molpcba.ablation_capacity():
    config = _config({**run, "model.readout.num_steps": 1})
    model = models.build_model(config.model, schema)
    params, _ = jax.eval_shape(model.init, jax.random.key(0), batch)
    (potential,) = [p for p in params.values() if "lambda" in p]
    shapes.append([potential[f"w_{k}"].shape for k in range(3)])
    assert params["head"]["w"].shape == (100, 2)
  assert shapes == [
    [(200, 2 * h), (2 * h, h), (h, 32)] for h in (30, 90, 180, 300, 390)
  ]
