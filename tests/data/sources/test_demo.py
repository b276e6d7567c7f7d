"""The demo's molecules are real, its labels true, its bytes always the same."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors
from sklearn.metrics import average_precision_score

from gnn_readout.data.sources import demo

ROOT = pathlib.Path(__file__).parents[3]
SMALL = 307
HALOGENS = ("F", "Cl", "Br", "I")


def _digest(store):
  """Returns a hash of everything in the store."""
  digest = hashlib.sha256(repr(store.schema).encode())
  columns = ("node_offsets", "edge_offsets", "nodes", "edges")
  for name in (*columns, "senders", "receivers", "labels"):
    array = getattr(store, name)
    digest.update(f"{name} {array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
  for name, split in sorted(store.splits.items()):
    digest.update(name.encode() + split.tobytes())
  return digest.hexdigest()


@pytest.fixture(scope="module")
def store():
  return demo.make_demo()


@pytest.fixture(scope="module")
def parts():
  """Molecules, counts and sums of a small demo, before they become graphs."""
  return demo._molecules(np.random.default_rng(0), SMALL)


def test_schema(store):
  schema = store.schema
  assert (schema.name, schema.task_type, schema.metric) == (
    "demo",
    "binary",
    "ap",
  )
  assert schema.num_tasks == 128 == len(set(schema.task_names))
  assert (schema.node_dim, schema.edge_dim) == (9, 3)
  assert store.labels.shape == (3000, 128)
  assert store.labels.dtype == np.float32


def test_molecules_are_of_the_usual_size(store):
  assert store.num_nodes.min() >= 10 and store.num_nodes.max() <= 40
  assert 15 <= store.num_nodes.mean() <= 30
  assert (store.num_edges > 0).all()


def test_labels_are_sparse_and_missing(store):
  labels = np.asarray(store.labels)
  assert set(np.unique(labels[~np.isnan(labels)])) == {0, 1}
  assert 0.39 < np.isnan(labels).mean() < 0.41
  rates = np.nanmean(labels, axis=0)
  # The bounds hold for all molecules, here a part of them is seen.
  assert rates.min() > 0.01 and rates.max() < 0.34
  assert 0.05 < rates.mean() < 0.2


def test_split_is_a_partition(store):
  sizes = {name: len(split) for name, split in store.splits.items()}
  assert sizes == {"train": 2400, "valid": 300, "test": 300}
  everything = np.concatenate(list(store.splits.values()))
  np.testing.assert_array_equal(np.sort(everything), np.arange(3000))


def test_every_task_can_be_scored_on_every_split(store):
  for split in store.splits.values():
    labels = store.labels[split]
    assert ((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).all()


def test_smiles_are_valid_canonical_and_unique(parts):
  smiles, _, _ = parts
  assert len(set(smiles)) == SMALL
  assert [Chem.CanonSmiles(s) for s in smiles] == smiles


def test_every_fragment_is_written_to_a_valid_molecule():
  rng = np.random.default_rng(0)
  written = [demo._write(rng, iter(range(10, 100)), 2) for _ in range(1009)]
  assert all(Chem.MolFromSmiles(s) is not None for s in written)


def test_counts_and_sums_are_rdkits(parts):
  smiles, counts, sums = parts
  for i in range(0, SMALL, 7):
    mol = Chem.MolFromSmiles(smiles[i])
    symbols = [atom.GetSymbol() for atom in mol.GetAtoms()]
    assert counts["nitrogen"][i] == symbols.count("N")
    assert counts["halogen"][i] == sum(map(symbols.count, HALOGENS))
    assert counts["ring_atom"][i] == sum(a.IsInRing() for a in mol.GetAtoms())
    assert sums["logp"][i] == round(Descriptors.MolLogP(mol), 6)
    assert sums["tpsa"][i] == round(Descriptors.TPSA(mol), 6)
    assert sums["donors"][i] == Descriptors.NumHDonors(mol)
    assert sums["heavy_atoms"][i] == mol.GetNumHeavyAtoms()


def test_labels_are_what_their_names_say(parts):
  _, counts, sums = parts
  columns = counts | sums
  splits = demo._random_split(np.random.default_rng(0), SMALL)
  names, labels = demo._tasks(
    np.random.default_rng(0), counts, sums, list(splits.values())
  )

  def holds(condition):
    for sign in (">=", "<="):
      if sign in condition:
        column, limit = condition.split(sign)
        sides = columns[column], float(limit)
        return sides[0] >= sides[1] if sign == ">=" else sides[0] <= sides[1]
    raise AssertionError(condition)

  for name, label in zip(names, labels.T, strict=True):
    truth = np.all([holds(c) for c in name.split(" & ")], axis=0)
    shown = ~np.isnan(label)
    np.testing.assert_array_equal(label[shown], truth[shown], err_msg=name)
  kinds = [">=1", "&"]
  assert all(sum(kind in n for n in names) > 20 for kind in kinds)


def test_same_bytes_again_and_in_another_process():
  expected = _digest(demo.make_demo(SMALL, seed=3))
  assert _digest(demo.make_demo(SMALL, seed=3)) == expected
  assert _digest(demo.make_demo(SMALL, seed=4)) != expected
  program = (
    "from tests.data.sources import test_demo as t; "
    "print(t._digest(t.demo.make_demo(t.SMALL, seed=3)))"
  )
  for hash_seed in ("0", "11"):
    done = subprocess.run(
      [sys.executable, "-c", program],
      cwd=ROOT,
      env=os.environ | {"PYTHONHASHSEED": hash_seed},
      capture_output=True,
      text=True,
      check=True,
      timeout=600,
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("num_molecules", [-1, 0, 199])
def test_too_few_molecules(num_molecules):
  with pytest.raises(ValueError, match=f"at least 200 .* got {num_molecules}"):
    demo.make_demo(num_molecules)


@pytest.mark.parametrize("seed", range(3))
def test_fewest_molecules_still_make_128_tasks(seed):
  rng = np.random.default_rng(seed)
  _, counts, sums = demo._molecules(rng, 200)
  splits = demo._random_split(rng, 200)
  names, _ = demo._tasks(rng, counts, sums, list(splits.values()))
  assert len(names) == 128


def _fragment_features(store):
  """Returns how often each feature value occurs in each molecule [G, F]."""
  graph = np.repeat(np.arange(store.num_graphs), store.num_nodes)
  blocks = []
  for column, size in zip(store.nodes.T, store.schema.node_sizes, strict=True):
    counts = np.zeros((store.num_graphs, size))
    np.add.at(counts, (graph, column), 1)
    blocks += [counts, counts > 0]
  features = np.concatenate(blocks, axis=1)
  features = features[:, features.std(axis=0) > 0]
  return (features - features.mean(axis=0)) / features.std(axis=0)


def _mean_average_precision(labels, scores):
  values = []
  for label, score in zip(labels.T, scores.T, strict=True):
    shown = ~np.isnan(label)
    values.append(average_precision_score(label[shown], score[shown]))
  return np.mean(values)


def test_a_linear_model_learns_and_a_constant_does_not(store):
  features = _fragment_features(store)
  train, test = store.splits["train"], store.splits["test"]
  scores = np.zeros((len(test), store.schema.num_tasks))
  for task, label in enumerate(store.labels[train].T):
    shown = ~np.isnan(label)
    x, y = features[train][shown], label[shown]
    ridge = x.T @ x + 30 * np.eye(x.shape[1])
    scores[:, task] = features[test] @ np.linalg.solve(
      ridge, x.T @ (y - y.mean())
    )
  labels = store.labels[test]
  base_rate = np.nanmean(labels, axis=0).mean()
  constant = _mean_average_precision(labels, np.zeros_like(scores))
  np.testing.assert_allclose(constant, base_rate, rtol=1e-6)
  linear = _mean_average_precision(labels, scores)
  # Atom counts alone tell much, and leave much to a graph network.
  assert 3 * base_rate < linear < 0.8
