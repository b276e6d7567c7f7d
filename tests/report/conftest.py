"""Synthetic records, and folders of them."""

from __future__ import annotations

import copy
import json
import statistics

import pytest

_MOLECULE = {
  "schema_version": 1,
  "name": "run",
  "command": "python -m launch.train --config=configs/molpcba.py:gcn,sum",
  "config": {
    "seed": 0,
    "note": "",
    "batching": {"mode": "bucketed"},
    "model": {
      "message_passing": {"name": "gcn", "width": 128, "virtual_node": False},
      "readout": {"name": "sum"},
    },
    "optimizer": {"learning_rate": 0.001},
  },
  "config_hash": "3f1c",
  "git_commit": None,
  "git_dirty": None,
  "versions": {},
  "hardware": {"device": "a machine"},
  "seed": 0,
  "dataset": {"name": "ogbg-moltox21", "fingerprint": "aa", "num_train": 7,
              "num_valid": 3, "num_test": 2},
  "num_parameters": 11,
  "steps": 400,
  "epochs": 20.0,
  "curves": {},
  "best": {"step": 400, "valid": 0.7},
  "test": {"metric": "rocauc", "value": 0.7, "num_tasks_scored": 12,
           "step": 400},
  "wall_seconds": 60.0,
  "steps_per_second": 100.0,
  "graphs_per_second": 1.0,
  "padding": {},
  "num_compiled_shapes": 1,
  "finished_at": "2025-01-01T00:00:00+00:00",
  "note": "",
}  # fmt: skip

_CROSSVAL = {
  "schema_version": 1,
  "command": "python -m launch.crossval --config=configs/tu.py:MUTAG,sum",
  "config": {"model": {"readout": {"name": "sum"}, "head": {"name": "mlp"}}},
  "dataset": {"num_graphs": 188},
  "wall_seconds": 90.0,
}


@pytest.fixture
def molecule():
  """Makes a record of a molecule run."""

  def make(
    readout="sum", seed=0, test=0.7, valid=0.7, rate=1e-3, model="gcn",
    dataset="ogbg-moltox21", metric="rocauc", width=128, epochs=20.0,
    mode="bucketed", speed=100.0, **arguments
  ):  # fmt: skip
    record = copy.deepcopy(_MOLECULE)
    config = record["config"]
    words = (dataset, model, width, readout, seed, rate, *arguments.values())
    record["name"] = record["config_hash"] = "-".join(map(str, words))
    record["seed"] = config["seed"] = seed
    record["epochs"], record["steps_per_second"] = epochs, speed
    record["dataset"]["name"] = dataset
    config["batching"]["mode"] = mode
    config["optimizer"]["learning_rate"] = rate
    config["model"]["message_passing"].update(name=model, width=width)
    config["model"]["readout"] = {"name": readout, **arguments}
    record["best"]["valid"] = valid
    record["test"].update(metric=metric, value=test)
    return record

  return make


@pytest.fixture
def crossval():
  """Makes a record of a cross-validation from its test scores, repeat x fold.

  Splits have the hashes h0, h1, ..., or those given.
  """

  def make(
    dataset="tu/MUTAG", readout="sum", tests=((0.8, 0.9),), head="mlp",
    protocol="fspool2019", epochs=500.0, points=8, hashes=None,
    chosen_epochs=None, note=""
  ):  # fmt: skip
    record = copy.deepcopy(_CROSSVAL)
    once = protocol != "fspool2019"
    record["name"] = f"{dataset[3:]}-{readout}-{head}-{protocol}"
    record["config_hash"] = record["name"] + str(epochs)
    record["config"]["model"]["readout"]["name"] = readout
    record["config"]["model"]["head"]["name"] = head
    record["dataset"].update(name=dataset, fingerprint=dataset)
    record["protocol"] = {
      "name": protocol,
      "selected_on": "test" if protocol == "gin2019" else "valid",
      "repeats": len(tests),
      "repeats_published": 1 if once else 10,
      "num_folds": len(tests[0]),
      "grid": [{"model.head.dropout_rate": p / points} for p in range(points)],
      "epochs": epochs,
    }
    record["repeats"] = [
      {
        "folds_hash": hashes[r] if hashes else f"h{r}",
        "tests": list(row),
        "epochs": [(chosen_epochs or [7] * len(tests))[r]] * len(row),
      }
      for r, row in enumerate(tests)
    ]
    values = tests[0] if once else [statistics.fmean(row) for row in tests]
    record["test"] = {
      "metric": "accuracy",
      "value": statistics.fmean(values),
      "deviation": statistics.stdev(values) if len(values) > 1 else None,
      "count": len(values),
    }
    record["note"] = note
    return record

  return make


@pytest.fixture
def write_records(tmp_path):
  """Writes records into a results folder: molecule runs, or of a kind."""

  def write(records, kind=""):
    folder = tmp_path / "records" / kind
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
      (folder / f"{record['name']}.json").write_text(json.dumps(record))
    return tmp_path

  return write
