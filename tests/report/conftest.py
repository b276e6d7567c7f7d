"""Synthetic records, and folders of them."""

from __future__ import annotations

import copy
import json
import statistics

import pytest

from gnn_readout.records import VERSION
from gnn_readout.report.figures import style

_EVERY = {
  "schema_version": VERSION,
  "git_commit": None,
  "git_dirty": None,
  "versions": {"jax": "1"},
  "hardware": {"platform": "cpu", "device": "a machine", "cpu_count": 3},
  "finished_at": "2025-01-01T00:00:00+00:00",
}

_RUN = {
  **_EVERY,
  "kind": "run",
  "config_hash": "3f1c",
  "num_parameters": 4321,
  "failure": "",
  "num_members": 6,
  "num_devices": 1,
  "describe": {},
  "note": "",
}

_MOLECULE = {
  **_RUN,
  "problem": "graph_property",
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
  "seed": 0,
  "dataset": {"name": "ogbg-moltox21", "fingerprint": "aa", "num_graphs": 12,
              "num_train": 7, "num_valid": 3, "num_test": 2},
  "steps": 400,
  "epochs": 20.0,
  "curves": {"train": [], "valid": [], "diagnostics": {}},
  "best": {"step": 400, "valid": 0.7},
  "test": {"metric": "rocauc", "value": 0.7, "num_tasks_scored": 12,
           "step": 400, "scores": {"rocauc": 0.7}},
  "lower_is_better": False,
  "wall_seconds": 60.0,
  "steps_per_second": 100.0,
  "graphs_per_second": 1.0,
  "padding": {},
  "num_compiled_shapes": 1,
}  # fmt: skip

_TASK = {
  **_RUN,
  "problem": "median",
  "command": "python -m launch.train --config=configs/median.py:sum",
  "config": {
    "task": "median",
    "seed": 0,
    "population": "",
    "batch_size": 64,
    "model": {"width": 8, "readout": {"name": "sum"}},
    "optimizer": {"learning_rate": 0.001},
    "note": "short",
  },
  "dataset": None,
  "steps": 1009,
  "epochs": None,
  "curves": {
    "train": [[500, 0.4], [1009, 0.2]],
    "valid": [[500, 0.3], [1009, 0.1]],
    "diagnostics": {"mse": [[500, 0.35], [1009, 0.15]]},
  },
  "best": {"step": 1009, "valid": 0.1},
  "test": {"metric": "mse", "value": 0.11, "step": 1009, "scores": {}},
  "lower_is_better": True,
  "wall_seconds": 90.0,
  "steps_per_second": 11.2,
  "graphs_per_second": None,
  "padding": None,
  "num_compiled_shapes": None,
  "note": "short",
}

_CROSSVAL = {
  **_EVERY,
  "kind": "crossval",
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
    record["test"].update(metric=metric, value=test, scores={metric: test})
    record["lower_is_better"] = metric == "rmse"
    return record

  return make


# The steps at which a record of `inner_loop_run` has values.
INNER_STEPS = range(101, 1010, 101)


@pytest.fixture
def inner_loop_run(molecule):
  """Makes a record with the curves of an inner loop."""

  def make(name="eq", seed=0, num_steps=15, **fields):
    record = molecule("equilibrium", seed, num_steps=num_steps, **fields)
    record |= {"name": name, "steps": 1009}
    record["curves"]["diagnostics"] = {
      "inner_aux_loss": [[s, 1 / s] for s in INNER_STEPS],
      "inner_max_norm": [[s, 10 / s] for s in INNER_STEPS],
      "inner_mean_max_norm": [[s, 3 / s] for s in INNER_STEPS],
      "inner_learning_rate": [[s, 0.125 + s / 7000] for s in INNER_STEPS],
      "inner_momentum": [[s, 0.9] for s in INNER_STEPS],
      "inner_regulariser": [[s, 0.69 - s / 9000] for s in INNER_STEPS],
      "grad_norm": [[s, 1.0] for s in INNER_STEPS],
    }
    return record

  return make


@pytest.fixture
def task():
  """Makes a record of a task that draws its examples."""

  def make(
    seed=0, rate=1e-3, readout="sum", width=8, valid=0.1, test=0.11, **fields
  ):
    record = copy.deepcopy(_TASK) | fields
    record["seed"] = record["config"]["seed"] = seed
    record["name"] = f"{readout}-{width}-{seed}-{rate}"
    record["config"]["optimizer"]["learning_rate"] = rate
    record["config"]["model"]["width"] = width
    record["config"]["model"]["readout"]["name"] = readout
    record["best"] = record["best"] and {"step": 1009, "valid": valid}
    if record["test"]:
      record["test"]["value"] = test
    return record

  return make


@pytest.fixture
def failed(task):
  """Makes a record of a run that was given up before it had a score."""

  def make(**fields):
    text = "the loss was not finite at step 3"
    return task(**fields) | {"best": None, "test": None, "failure": text}

  return make


@pytest.fixture
def medians(task):
  """Two readouts, two widths, three seeds with the rates 1e-3 and 1e-4."""
  return [
    task(
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
def polygon(task):
  """Makes a record of an auto-encoder of polygons."""

  def make(variant, num_points, seed, hungarian, **model):
    decoder, loss = variant.split(",")
    readout = {"name": "fspool", "num_knots": 3, "temperature": 1.0}
    readout |= {k: v for k, v in model.items() if k in readout}
    fields = {"decoder": decoder, "latent_value": None, "readout": readout}
    fields |= {k: v for k, v in model.items() if k in fields}
    return task(problem="polygons") | {
      "name": "-".join(map(str, (variant, num_points, seed, *model))),
      "command": f"train {variant} {num_points}",
      "config": {
        "seed": seed,
        "batch_size": 16,
        "loss": loss,
        "num_points": num_points,
        "model": fields,
        "optimizer": {"learning_rate": 0.001},
      },
      "seed": seed,
      "steps": 1024,
      "best": {"step": 512, "valid": hungarian},
      "test": {
        "metric": "hungarian",
        "value": hungarian,
        "step": 512,
        "scores": {
          "hungarian": hungarian,
          "chamfer": 2 * hungarian,
          "direct": 3 * hungarian,
        },
      },
      "describe": {"fspool_knots": [[1.0, 0.0, num_points]] * 2},
      "note": "",
    }

  return make


@pytest.fixture
def crossval():
  """Makes a record of a cross-validation from its test scores, repeat x fold.

  Splits have the hashes h0, h1, ..., or those given.
  """

  def make(
    dataset="tu/MUTAG", readout="sum", tests=((0.8, 0.9),), head="mlp",
    protocol="fspool2019", epochs=500.0, points=8, hashes=None,
    epochs_to_best=None, note=""
  ):  # fmt: skip
    record = copy.deepcopy(_CROSSVAL)
    once = protocol != "fspool2019"
    record["name"] = f"{dataset[3:]}-{readout}-{head}-{protocol}"
    record["config_hash"] = record["name"] + str(epochs)
    record["config"]["model"]["readout"]["name"] = readout
    record["config"]["model"]["head"]["name"] = head
    record["config"] |= {"num_epochs": epochs, "grid": points}
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
        "epochs": [(epochs_to_best or [7] * len(tests))[r]] * len(row),
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
def card():
  """Makes a record of the benchmark of all readouts."""

  def make(**fields):
    row = {
      "formula": "y = |x|",
      "reference": "Author 2000",
      "reduces_to": "itself",
      "parameters": 1234,
      "mebibytes": 1.4,
      "large_mebibytes": 15.7,
      "deviations": {"order": 1e-7, "company": 1.0, "padding": 0.0},
      "forward": 2.0,
      "training": 3.0,
    }
    return {
      **_EVERY,
      "kind": "benchmark",
      "benchmark": "readout_card",
      "name": "readouts",
      "command": "python -m launch.benchmark readout_card",
      "given": {"dataset": "some", "graphs": 7, "width": 5, "dtype": "float64"},
      "large": {"dataset": "tu/LARGE", "graphs": 3, "width": 2, "nodes": 70,
                "largest": 30},
      "rows": [
        {"name": "sum", **row},
        {"name": "max", **row, "forward": 5.0, "training": 4.5},
      ],
      **fields,
    }  # fmt: skip

  return make


@pytest.fixture
def write_records(tmp_path):
  """Writes records of any kind into the one folder of a results folder."""

  def write(records):
    folder = tmp_path / "records"
    folder.mkdir(exist_ok=True)
    for record in records:
      (folder / f"{record['name']}.json").write_text(json.dumps(record))
    return tmp_path

  return write


@pytest.fixture
def drawn(monkeypatch):
  """The figures, as they are drawn on."""
  made, real = [], style.empty
  monkeypatch.setattr(
    style, "empty", lambda height: made.append(real(height)) or made[-1]
  )
  return made


@pytest.fixture
def on_sets(task):
  def make(problem, name, seed=0, value=0.5, lower=False, scores=(), **fields):
    """A record of a readout, or of a model of that name without one."""
    record = task(seed, readout=name, problem=problem, test=value, valid=value)
    model = fields.pop("model", {})
    record["config"].update(fields)
    record["config"]["model"].update(model)
    if "name" in model:
      del record["config"]["model"]["readout"]
    metric = "mse" if lower else "accuracy"
    record["lower_is_better"] = lower
    record["test"].update(metric=metric, scores={metric: value, **dict(scores)})
    return record

  return make
