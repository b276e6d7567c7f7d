"""Predictions for new molecules and graphs, from the folders of runs alone."""

from __future__ import annotations

import csv
import dataclasses
import json

import jax
import numpy as np
import pytest
from scipy import special

from configs import molpcba
from gnn_readout import data, models
from gnn_readout.data import packed, windows
from gnn_readout.data.batches import shapes
from gnn_readout.data.sources import chunks, featurise, smiles
from gnn_readout.runs import checkpoints
from gnn_readout.training import (
  ensemble,
  evaluation,
  inputs,
  predict,
  trainer,
)

pytest.importorskip("rdkit")

MOLECULES = (
  "CCO", "CC", "C=C", "CN", "O=C=O", "C", "CCN", "c1ccccc1", "CO", "CCCC",
  "C#N", "CS", "CCCO", "OCCO", "CCCl", "CF", "CBr", "NCCN", "CC(C)C", "C1CC1",
)  # fmt: skip
SPLITS = ("train", "train", "valid", "test")
LABELS = {
  "regression": lambda i: f"{1000 + 7.5 * i}",
  "binary": lambda i: str(i * i % 3 % 2),
  "multiclass": lambda i: ("low", "=mid", "high")[i * i % 7 % 3],
}


_LOAD_CONFIG = data.load_config


@pytest.fixture
def train(config, tmp_path):
  """Returns a function that trains on MOLECULES and deletes their file."""

  def train(workdir, kind="regression", seed=0, label=None, split=0, **fields):
    path = tmp_path / f"{workdir}.csv"
    lines = ["smiles,split,y"]
    for i, text in enumerate(MOLECULES):
      y = (label or LABELS[kind])(i)
      lines.append(f"{text},{SPLITS[(i + split) % 4]},{y}")
    path.write_text("\n".join(lines) + "\n")
    mine = config.copy_and_resolve_references()
    mine.update(dataset=str(path), seed=seed, **fields)
    mine.csv.label_columns = "y"
    trainer.train(mine, tmp_path / workdir, cache_dir=tmp_path / "cache")
    expected = evaluation.evaluate_checkpoint(
      tmp_path / workdir, "test", cache_dir=tmp_path / "cache"
    )
    path.unlink()
    return expected

  return train


@pytest.fixture
def new(tmp_path):
  """New molecules: one twice, one invalid, one that was tested, and a blank."""
  path = tmp_path / "new.csv"
  rows = ("-0.31,CCO,a", "+1e3,FAIL,=1+1", "2,CCO,", ",,", "007,CN,x y")
  path.write_text("\n".join(["logP,SMILES,name", *rows]) + "\n")
  return path


def table(path):
  with open(path, newline="") as file:
    return list(csv.DictReader(file))


def run(tmp_path, workdirs, name, output="out.csv", *wanted, **options):
  """Predicts without a word."""
  if isinstance(workdirs, str):
    workdirs = [workdirs]
  return predict.run(
    [str(tmp_path / workdir) for workdir in workdirs],
    str(name),
    str(tmp_path / output),
    predict.Wanted(*wanted),
    say=lambda text: None,
    **options,
  )


@pytest.mark.usefixtures("quick_model")
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("checkpoint", checkpoints.NAMES)
def test_predictions_are_those_of_evaluate(train, tmp_path, kind, checkpoint):
  expected = train("run", kind)
  expected.write_predictions(tmp_path / "expected.csv")
  (tmp_path / "all.smi").write_text("\n".join(MOLECULES))
  run(tmp_path, "run", tmp_path / "all.smi", checkpoint=checkpoint)
  found = {row["smiles"]: row for row in table(tmp_path / "out.csv")}
  assert [*found] == [*MOLECULES]
  if checkpoint == "latest" and expected.step != 11:
    return  # The best one was scored.
  same = table(tmp_path / "expected.csv")
  assert len(same) == 5
  for row in same:
    for name in row.keys() - {"graph_index", "row", "smiles", "y"}:
      value, there = row[name], found[row["smiles"]][name]
      if kind == "multiclass" and name == "predicted y":
        assert value == there and value in ("low", "'=mid", "high")
      else:
        np.testing.assert_allclose(float(there), float(value), rtol=1e-5)
  if kind == "regression":  # In the units of the labels.
    assert all(900 < float(row["predicted y"]) < 1300 for row in same)


@pytest.mark.usefixtures("quick_model")
def test_columns_stay_and_what_is_invalid_is_empty(
  train, new, tmp_path, caplog
):
  train("run")
  result = run(tmp_path, "run", new)
  rows = table(tmp_path / "out.csv")
  assert [*rows[0]] == ["logP", "SMILES", "name", "predicted y"]
  # A number is no formula, and a text keeps its zeros.
  assert [row["logP"] for row in rows] == ["-0.31", "+1e3", "2", "007"]
  assert [row["name"] for row in rows] == ["a", "'=1+1", "", "x y"]
  empty = [not row["predicted y"] for row in rows]
  assert empty == [False, True, False, False]
  assert rows[0]["predicted y"] == rows[2]["predicted y"]
  assert "1 of 4 SMILES is invalid, row 2: 'FAIL': left empty" in (caplog.text)
  np.testing.assert_array_equal(result.input.rows, [1, 2, 3, 5])


@pytest.mark.usefixtures("quick_model")
def test_all_kinds_of_files_say_the_same(train, new, tmp_path):
  from pyarrow import parquet

  train("run", "binary")
  train("two", "binary", seed=1)
  for ending in ("csv", "parquet", "npz"):
    run(tmp_path, ["run", "two"], new, f"out.{ending}")
  rows = table(tmp_path / "out.csv")
  names = ["predicted y", "std of predicted y"]
  assert [*rows[0]][-2:] == names
  numbers = [[float(row[x] or "nan") for x in names] for row in rows]
  found = parquet.read_table(tmp_path / "out.parquet")
  assert found.column_names == [*rows[0]]
  assert found["name"].to_pylist() == ["a", "=1+1", None, "x y"]
  columns = [found[x].to_pylist() for x in names]
  assert columns[0][1] is None and columns[1][1] is None
  again = np.array(columns, float).T
  np.testing.assert_allclose(again, np.array(numbers), rtol=1e-7)
  arrays = np.load(tmp_path / "out.npz")  # Without pickle.
  assert set(arrays) == {
    "logP", "SMILES", "name", "names", "predictions", "std",
  }  # fmt: skip
  assert arrays["names"].tolist() == ["y"]
  made = np.concatenate([arrays["predictions"], arrays["std"]], axis=1)
  np.testing.assert_allclose(made, numbers, rtol=1e-7)


@pytest.mark.usefixtures("quick_model")
@pytest.mark.parametrize("kind", LABELS)
def test_an_ensemble_is_the_mean_and_the_deviation(train, tmp_path, kind):
  # Other seeds, and other splits of the same molecules.
  names = [f"run{k}" for k in range(3)]
  for k, name in enumerate(names):
    train(name, kind, seed=k, split=k)
  (tmp_path / "all.smi").write_text("\n".join([*MOLECULES, "nonsense"]))
  alone = [run(tmp_path, name, tmp_path / "all.smi").values for name in names]
  folders = ",".join(str(tmp_path / name) for name in names)
  result = predict.run(
    folders, str(tmp_path / "all.smi"), str(tmp_path / "out.csv"),
    say=lambda text: None,
  )  # fmt: skip
  np.testing.assert_allclose(result.values, np.mean(alone, 0), rtol=1e-6)
  np.testing.assert_allclose(
    result.std, np.std(alone, 0, ddof=1), rtol=1e-4, atol=1e-9
  )
  assert (result.std[:-1] > 0).all() and np.isnan(result.std[-1]).all()
  assert np.isnan(result.values[-1]).all()
  rows = table(tmp_path / "out.csv")
  if kind == "multiclass":
    classes = ["=mid", "high", "low"]
    best = [classes[c] for c in result.values[:-1].argmax(axis=1)]
    assert [row["predicted y"].strip("'") for row in rows[:-1]] == best
    assert rows[-1]["predicted y"] == ""
  else:
    found = [float(row["std of predicted y"]) for row in rows[:-1]]
    np.testing.assert_allclose(found, result.std[:-1, 0], rtol=1e-6)


@pytest.mark.usefixtures("quick_model")
def test_other_data_are_no_ensemble(train, new, tmp_path):
  train("run")
  train("labels", label=lambda i: f"{i / 8}")
  with pytest.raises(ValueError) as error:
    run(tmp_path, ["run", "labels"], new)
  folders = [tmp_path / name for name in ("run", "labels")]
  start = (
    f"{folders[0]} and {folders[1]} cannot form an ensemble because they were"
    " trained on"
  )
  assert str(error.value).startswith(
    f"{start} different data: some labels differ; fingerprint: "
  )
  with pytest.raises(ValueError, match="are the same run, given twice"):
    run(tmp_path, ["run", "labels/../run"], new)


def test_folders_whose_names_have_commas(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for name in ("a", "seed=0,rate=1", "rate=1"):
    (tmp_path / name).mkdir()
  text = "a,seed=0,rate=1,none,rate=1"
  expected = ["a", "seed=0,rate=1", "none", "rate=1"]
  assert ensemble.split_folders(text) == expected
  assert ensemble.split_folders("a") == ["a"]


def test_graphs_without_smiles(store, config, tmp_path, monkeypatch):
  """From the folder of a store, from a packed file, and by its name."""
  trainer.train(config, tmp_path / "run")
  expected = evaluation.evaluate_checkpoint(tmp_path / "run", "test")
  named = run(tmp_path, "run", "tiny").values
  monkeypatch.setattr(data, "load_config", _LOAD_CONFIG)
  store.save(tmp_path / "graphs")
  packed.write(store, tmp_path / f"graphs{packed.SUFFIX}", {"any": 1})
  for name in ("graphs", f"graphs{packed.SUFFIX}"):
    run(tmp_path, "run", tmp_path / name, "out.npz")
    found = np.load(tmp_path / "out.npz")
    assert found["graph_index"].tolist() == [*range(store.num_graphs)]
    np.testing.assert_allclose(
      found["predictions"][expected.predictions.index],
      special.expit(expected.predictions.logits),
      rtol=1e-5,
    )
  np.testing.assert_allclose(named, found["predictions"], rtol=1e-6)
  run(tmp_path, "run", tmp_path / "graphs")
  rows = table(tmp_path / "out.csv")
  titles = [f"predicted {name}" for name in "abc"]
  assert [*rows[0]] == ["graph_index", *titles]


def test_edges_of_one_direction_are_seen(store, config, monkeypatch):
  """The training set was symmetric, and the new graphs need not be."""
  symmetric = dataclasses.replace(store.schema, symmetric=True)
  run_ = ensemble.Run("w", _Problem(config, symmetric), {}, None, None)
  for there in (True, False):
    schema = dataclasses.replace(store.schema, symmetric=there)
    graphs = dataclasses.replace(store, schema=schema)
    monkeypatch.setattr(data, "load_config", lambda *x, g=graphs, **y: g)
    source = inputs.open_input("any", run_)
    assert source.schema.symmetric == there


@dataclasses.dataclass
class _Problem:
  config: object
  schema: object


@pytest.mark.usefixtures("quick_model")
def test_every_shape_is_compiled_once(train, tmp_path, monkeypatch):
  train("run")
  train("two", seed=1)
  monkeypatch.setattr(chunks, "_CHUNK", 3)
  monkeypatch.setattr(windows, "SIZE", 6)
  monkeypatch.setattr(predict, "_NODES", 12)
  texts = [f"{'C' * (1 + i % 5)}O{'N' * (i // 5)}" for i in range(40)]
  texts += ["C" * 90, "FAIL", "C" * 91]
  (tmp_path / "all.smi").write_text("\n".join(texts))
  traces = []
  real = models.build_model

  def build_model(config, schema):
    model = real(config, schema)

    def apply(*arguments, **options):
      traces.append(None)
      return model.apply(*arguments, **options)

    return model._replace(apply=apply)

  runs = ensemble.open_runs([str(tmp_path / name) for name in ("run", "two")])
  monkeypatch.setattr(models, "build_model", build_model)
  found = {}
  for worth in (1 << 30, 10):
    monkeypatch.setattr(shapes, "_WORTH", worth)
    traces.clear()
    name = str(tmp_path / "all.smi")
    source = inputs.open_input(name, runs[0])
    found[worth], spent = predict.predict(runs, source)
    # Both members share what is compiled.
    assert len(traces) == spent.shapes
    assert spent.shapes >= 2
    np.testing.assert_array_equal(
      np.isnan(found[worth].values[:, 0]), [t == "FAIL" for t in texts]
    )
  assert spent.shapes > 2
  few, many = found.values()
  np.testing.assert_allclose(few.values, many.values, rtol=1e-5)


@pytest.fixture(scope="module")
def weighing(tmp_path_factory):
  """The folder of a small run with attention."""
  folder = tmp_path_factory.mktemp("weighing")
  lines = ["smiles,split,y"]
  for i, text in enumerate(MOLECULES):
    lines.append(f"{text},{SPLITS[i % 4]},{LABELS['regression'](i)}")
  (folder / "a.csv").write_text("\n".join(lines) + "\n")
  config = molpcba.get_config("gcn,attention")
  config.model.message_passing.update(width=8, num_layers=1)
  config.batching.update(batch_size=5, num_buckets=1)
  config.update(num_steps=3, num_epochs=0.0, eval_every=3, log_every=3)
  config.update(dataset=str(folder / "a.csv"), tensorboard=False)
  trainer.train(config, folder / "run", cache_dir=folder / "cache")
  (folder / "a.csv").unlink()
  return folder


def test_vectors_and_weights_belong_together(weighing, new, tmp_path):
  """From the states of the atoms all the rest follows, by the formula."""
  wanted = (True, True, True)
  run(weighing, "run", new, "out.npz", *wanted)
  found = np.load(weighing / "out.npz")
  (opened,) = ensemble.open_runs([str(weighing / "run")])
  params = {k.rpartition("/")[2]: v for k, v in opened.params.items()}
  layer = params["attention"]
  offsets = found["offsets"]
  assert np.diff(offsets).tolist() == [3, 0, 3, 2]
  for i in (0, 2, 3):
    x = found["node_embeddings"][offsets[i] : offsets[i + 1]]  # [n, 8]
    direction = np.einsum(
      "dhk,hk->dh", layer["key"].reshape(8, 4, 2), layer["query"]
    )
    weights = special.softmax(x @ direction / np.sqrt(2), axis=0)  # [n, 4]
    np.testing.assert_allclose(
      found["weights"][offsets[i] : offsets[i + 1]], weights, rtol=1e-4
    )
    mapped = (x @ layer["value"]).reshape(-1, 4, 2)  # [n, 4, 2]
    vector = np.einsum("nh,nhk->hk", weights, mapped).ravel()
    vector += layer["value_bias"]
    np.testing.assert_allclose(found["embedding"][i], vector, atol=1e-4)
    z = vector @ params["head"]["w"] + params["head"]["b"]
    targets = opened.model_state["targets"]
    np.testing.assert_allclose(
      found["predictions"][i], targets["mean"] + targets["std"] * z, rtol=1e-5
    )
  assert np.isnan(found["embedding"][1]).all()
  # The same molecule twice.
  np.testing.assert_array_equal(found["weights"][:3], found["weights"][3:6])


def test_weights_in_the_other_files(weighing, new):
  from pyarrow import parquet

  run(weighing, "run", new, "out.npz", True, True, True)
  arrays = np.load(weighing / "out.npz")
  run(weighing, "run", new, "out.csv", True, False, True)
  rows = table(weighing / "out.csv")
  texts = [row["weights"] for row in rows]
  assert texts[1] == "" and [len(x.split()) for x in texts] == [3, 0, 3, 2]
  np.testing.assert_allclose(
    [float(x) for text in texts for x in text.split()],
    arrays["weights"].mean(axis=1),
    rtol=1e-5,
  )
  names = [f"embedding {i}" for i in range(8)]
  vectors = [[float(row[x] or "nan") for x in names] for row in rows]
  np.testing.assert_allclose(vectors, arrays["embedding"], rtol=1e-5)
  run(weighing, "run", new, "out.parquet", True, True, True)
  found = parquet.read_table(weighing / "out.parquet")
  assert found["embedding"].to_pylist()[1] is None
  for name in ("weights", "node_embeddings"):
    lists = found[name].to_pylist()
    assert [len(x) for x in lists] == [3, 0, 3, 2]
    flat = np.array([row for x in lists for row in x])
    np.testing.assert_allclose(flat, arrays[name], rtol=1e-6)


def test_weights_of_an_ensemble_are_the_mean(weighing, new):
  (opened,) = ensemble.open_runs([str(weighing / "run")])
  params = jax.tree.map(lambda x: 1.5 * x, opened.params)
  other = opened._replace(params=params)
  wanted = predict.Wanted(weights=True)

  def weights(*runs):
    source = inputs.open_input(str(new), opened)
    return predict.predict(runs, source, wanted)[0].weights.values

  mean = np.mean([weights(x).mean(axis=1) for x in (opened, other)], axis=0)
  np.testing.assert_allclose(weights(opened, other), mean[:, None], rtol=1e-5)


def test_no_molecule_can_be_read(weighing, tmp_path, caplog):
  (tmp_path / "bad.smi").write_text("FAIL\nC(\n")
  run(weighing, "run", tmp_path / "bad.smi", "out.npz", False, False, True)
  found = np.load(weighing / "out.npz")
  assert np.isnan(found["predictions"]).all()
  assert found["offsets"].tolist() == [0, 0, 0]
  assert "2 of 2 SMILES are invalid" in caplog.text
  for ending in ("csv", "parquet", "npz"):
    run(weighing, "run", tmp_path / "bad.smi", f"o.{ending}", True, False, True)


@pytest.mark.usefixtures("quick_model")
def test_a_checkpoint_of_another_version(train, new, tmp_path, monkeypatch):
  train("run")
  with monkeypatch.context() as patch:
    patch.setattr(checkpoints, "VERSION", 2)
    with pytest.raises(ValueError) as error:
      run(tmp_path, "run", new)
  folder = tmp_path / "run" / "checkpoints" / "best"
  assert str(error.value).startswith(f"{folder}/")
  assert str(error.value).endswith(
    " was written by another version of this program: its format is version"
    " 1, and this program reads 2"
  )
  file = tmp_path / "run" / "config.json"
  text = json.loads(file.read_text())
  text["model"]["readout"]["name"] = "of_tomorrow"
  file.write_text(json.dumps(text))
  with pytest.raises(ValueError, match="Unknown readout 'of_tomorrow'"):
    run(tmp_path, "run", new)


@pytest.mark.usefixtures("quick_model")
@pytest.mark.parametrize(
  ("workdirs", "output", "wanted", "options", "message"),
  [
    (["run"], "out.txt", (), {}, r"out.txt': its name must end in one of"),
    (["run"], "out.csv", (False, True), {}, "out.csv: a .csv file cannot hold"),
    (["run", "two"], "o.npz", (True,), {}, "an ensemble has no embeddings"),
    (["none"], "out.csv", (), {}, "none holds no run"),
    (["run"], "out.csv", (), {"checkpoint": "last"}, "mean 'latest'"),
    (
      ["run"],
      "out.csv",
      (),
      {"smiles_column": "smile"},
      "no column 'smile'; 'SMILES' looks like one: --smiles_column='SMILES'",
    ),
  ],
)
def test_what_cannot_be_is_said(
  train, new, tmp_path, workdirs, output, wanted, options, message
):
  for k, name in enumerate(("run", "two")):
    if name in workdirs:
      train(name, seed=k)
  with pytest.raises((ValueError, FileNotFoundError), match=message):
    run(tmp_path, workdirs, new, output, *wanted, **options)
  assert not (tmp_path / output).exists()


def test_a_readout_without_weights(store, config, tmp_path):
  trainer.train(config, tmp_path / "run")
  for options in ({"draws": True}, {}):
    with pytest.raises(ValueError) as error:
      wanted = (False, False, not options)
      run(tmp_path, "run", "tiny", "out.csv", *wanted, **options)
    assert str(error.value) == (
      f"{tmp_path / 'run'} has the readout 'sum', which does not weigh nodes;"
      " those that do are adaptive, attention, equilibrium, fspool,"
      " gated_attention, optimal_transport, soft_median, softmax"
    )


@pytest.mark.usefixtures("quick_model")
def test_inputs_that_do_not_fit(train, tmp_path, make_store):
  train("run")
  path = tmp_path / "again.csv"
  path.write_text("smiles,predicted y\nCC,1\n")
  with pytest.raises(ValueError, match="already has a column 'predicted y'"):
    run(tmp_path, "run", path)
  # The names of .npz are others.
  run(tmp_path, "run", path, "out.npz")
  path.write_text("file,predictions\nCC,1\n")
  with pytest.raises(ValueError, match="already has a column 'predictions'"):
    run(tmp_path, "run", path, "out.npz", smiles_column="file")
  run(tmp_path, "run", path, "out.csv", smiles_column="file")
  path.write_text(f"smiles,file\nCC,{'x' * 70_000}\n" + "C,y\n" * 20_000)
  with pytest.raises(ValueError, match="has a text of 70,000 characters, and"):
    run(tmp_path, "run", path, "out.npz")
  path.write_text("name\nCC\n")
  with pytest.raises(ValueError, match="again.csv: no column 'smiles'"):
    run(tmp_path, "run", path)
  make_store().save(tmp_path / "tiny")
  with pytest.raises(ValueError) as error:
    run(tmp_path, "run", tmp_path / "tiny")
  assert "cannot predict for" in str(error.value)
  assert "trained on different node feature tables: 174 rows" in str(
    error.value
  )
  with pytest.raises(ValueError, match="--smiles_column=x applies to files of"):
    run(tmp_path, "run", tmp_path / "tiny", smiles_column="x")
  with pytest.raises(FileNotFoundError, match="none.csv: no such file"):
    run(tmp_path, "run", tmp_path / "none.csv")
  with pytest.raises(FileNotFoundError, match="none.columns.zip: no such"):
    run(tmp_path, "run", tmp_path / "none.columns.zip")
  with pytest.raises(ValueError, match="not the folder of a store"):
    run(tmp_path, "run", tmp_path / "run")
  with pytest.raises(ValueError, match="unknown dataset 'demoo'"):
    run(tmp_path, "run", "demoo")


def test_a_task_without_graphs(tmp_path):
  from configs import median
  from gnn_readout.runs import settings

  (tmp_path / "run").mkdir()
  config = settings.as_json(median.get_config("sum")) | {"population": ""}
  (tmp_path / "run" / "config.json").write_text(json.dumps(config))
  with pytest.raises(
    ValueError, match="was trained on the task 'median', which draws"
  ):
    run(tmp_path, "run", "any")


@pytest.mark.usefixtures("quick_model")
def test_a_dataset_by_name_is_read_as_in_training(train, tmp_path, monkeypatch):
  """With the options of the run, and without a fold."""
  train("run")
  asked = []

  def load_config(config, *unused, with_fold):
    asked.append((config.dataset, config.csv.label_columns, with_fold))
    return smiles.smiles_to_store(
      "x", ["CO", "CC"], np.zeros((2, 1)), ["y"], {}, "regression", "rmse"
    )

  monkeypatch.setattr(data, "load_config", load_config)
  result = run(tmp_path, "run", "ogbg-molhiv")
  assert asked == [("ogbg-molhiv", "y", False)]
  assert result.input.smiles.tolist() == ["CO", "CC"]
  rows = table(tmp_path / "out.csv")
  assert [*rows[0]] == ["graph_index", "smiles", "predicted y"]


def test_features_that_only_some_molecules_have():
  """A SMILES that cannot have a feature is not asked for it."""
  texts = ["F/C=C/F", "F/C=C\\F", "C[C@@H](N)O", "C[C@H](N)O", "CC=CC |t:1|"]
  alone = [featurise.columns_of([text]) for text in texts]
  stereo = [set(x.bond_features[:, 1].tolist()) for x in alone]
  assert stereo[:2] == [{0, 2}, {0, 1}]
  chiral = [x.nodes[1, 1] for x in alone]
  assert sorted(chiral[2:4]) == [1, 2]


def test_the_progress_is_told(weighing, tmp_path, capsys, monkeypatch):
  from gnn_readout.runs import progress

  monkeypatch.setattr(progress, "_PLAIN_SECONDS", 0.0)
  (tmp_path / "all.smi").write_text("\n".join(MOLECULES))
  run(weighing, "run", tmp_path / "all.smi")
  assert "20 of 20 molecules  ETA 0:00" in capsys.readouterr().out
