"""No molecule, and no scaffold, is in two splits."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from gnn_readout.data.sources import scaffolds
from gnn_readout.data.sources.scaffolds import scaffold_split

pytest.importorskip("rdkit")


@pytest.mark.parametrize("ring", ["c1ccccc1", "C1CCCCC1"])
def test_scaffold_split_keeps_scaffolds_together(ring):
  texts = [f"{'C' * (1 + i % 5)}{ring}" for i in range(13)]
  texts += [f"{'C' * (1 + i % 3)}N{'c1ccncc1'}" for i in range(3)]
  texts += ["C" * n for n in range(1, 8)]
  splits = scaffold_split(texts, (0.6, 0.2, 0.2)).splits
  together = np.concatenate(list(splits.values()))
  np.testing.assert_array_equal(np.sort(together), np.arange(len(texts)))
  assert {name: len(s) for name, s in splits.items()} == {
    "train": 15,
    "valid": 4,
    "test": 4,
  }
  for group in (range(13), range(13, 16)):
    assert sum(bool(set(group) & set(s)) for s in splits.values()) == 1
  again = scaffold_split(texts, (0.6, 0.2, 0.2)).splits
  for name, indices in splits.items():
    np.testing.assert_array_equal(indices, again[name])


def test_scaffold_split_of_one_large_group_fills_train():
  splits = scaffold_split(["Cc1ccccc1"] * 11 + ["C", "CC"]).splits
  np.testing.assert_array_equal(splits["train"], np.arange(11))
  assert [len(splits[name]) for name in ("valid", "test")] == [1, 1]


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.8, 0.2, 0), (0.8, 0.3, 0.1)])
def test_wrong_shares_are_refused(shares):
  with pytest.raises(ValueError, match="three positive shares"):
    scaffold_split(["C"] * 7, shares)


WRITTEN_TWICE = {
  "CCO": "OCC",
  "CC(=O)O": "[CH3:4][C:2](=[O:1])[OH:9]",
  "Cc1ccncc1": "n1ccc(C)cc1",
  "C1CC1CC": "[CH2:1]1[CH2:7][CH:3]1[CH2:4][CH3:2]",
}


def test_copies_of_a_molecule_are_in_one_split():
  texts = [*WRITTEN_TWICE, *WRITTEN_TWICE.values()] * 5
  found = scaffold_split(texts, (0.5, 0.25, 0.25))
  place = np.empty(len(texts), object)
  for name, indices in found.splits.items():
    place[indices] = name
  for i, (text, other) in enumerate(WRITTEN_TWICE.items()):
    same = {place[k] for k, t in enumerate(texts) if t in (text, other)}
    assert len(same) == 1, texts[i]
  assert {len(s) for s in found.splits.values()} == {20, 10}
  assert found.notes == (
    "36 of 40 rows repeat the molecule of an earlier row; all rows of a"
    " molecule are in one split",
  )
  assert scaffold_split(["C", "CC", "CCC"]).notes == ()


def test_large_molecules_have_the_scaffold_of_rdkit(monkeypatch):
  from rdkit import Chem
  from rdkit.Chem.Scaffolds import MurckoScaffold

  texts = [
    "CCCCc1ccc(CC(=O)Nc2c[nH]c(C)c2)cc1C(C)(C)C",
    "O=C1C[C@@H](CCC)N(CC=C)[C@H]1CC",
    "C=C1CC(=NO)C1CCCC1CC1",
    "Cn1cccc1-c1ccccc1C#N",
    "CC(C)=C1C=CC(=C(C)C)C=C1",
    "C[n+]1ccccc1CCCC",
    "CS(=O)(=O)C1CCCCC1P(=O)(O)O",
  ]
  expected = [
    MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(text))
    for text in texts
  ]
  assert [key for _, key in scaffolds._keys(texts)] == expected
  for text, scaffold in zip(texts, expected):
    core = scaffolds._core(Chem.MolFromSmiles(text))
    assert MurckoScaffold.MurckoScaffoldSmiles(mol=core) == scaffold
    assert core.GetNumAtoms() == Chem.MolFromSmiles(scaffold).GetNumAtoms()


@pytest.mark.parametrize(
  "text", ["C" * 3000, f"c1ccccc1{'C' * 3000}", f"C1{'C' * 3000}1"]
)
def test_long_chains_have_a_scaffold(text):
  short = text.replace("C" * 3000, "C" * 30)
  ((_, scaffold),) = scaffolds._keys([text])
  ((_, expected),) = scaffolds._keys([short])
  assert scaffold.replace("C" * 3000, "C" * 30) == expected


@pytest.mark.parametrize("name", ["molbace", "molesol", "moltox21", "molhiv"])
def test_real_molecules_have_the_scaffold_of_rdkit(data_dir, monkeypatch, name):
  from rdkit import Chem, rdBase
  from rdkit.Chem.Scaffolds import MurckoScaffold

  path = data_dir / "ogb" / f"ogbg_{name}" / "mapping" / "mol.csv.gz"
  with gzip.open(path, "rt", encoding="utf-8") as file:
    texts = [row["smiles"] for row in csv.DictReader(file)]
  # Of the largest set only what is large, and some others.
  step = max(1, len(texts) // 1000)
  chosen = [t for i, t in enumerate(texts) if len(t) > 250 or i % step == 0]
  expected = []
  with rdBase.BlockLogs():
    molecules = [Chem.MolFromSmiles(text) for text in chosen]
    whole = [t for t, m in zip(chosen, molecules) if m is not None]
    for molecule in filter(None, molecules):
      for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
      ring = molecule.GetRingInfo().NumRings()
      scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)
      expected.append(scaffold if ring else "")
  assert [key for _, key in scaffolds._keys(whole)] == expected
  # And what is done to large ones only, done to all.
  monkeypatch.setattr(scaffolds, "_LARGE", 0)
  monkeypatch.setattr(scaffolds, "_LARGEST_CORE", 10**6)
  assert [key for _, key in scaffolds._keys(whole)] == expected


def test_rdkit_sees_no_large_scaffold(monkeypatch):
  from rdkit.Chem.Scaffolds import MurckoScaffold

  sizes, real = [], MurckoScaffold.MurckoScaffoldSmiles

  def counting(mol):
    sizes.append(mol.GetNumAtoms())
    return real(mol=mol)

  monkeypatch.setattr(MurckoScaffold, "MurckoScaffoldSmiles", counting)
  chain, rings = "C" * 2000, "C1CCCCC1" * 200
  texts = [chain, f"c1ccccc1{chain}", f"c1ccc({chain})cc1O", rings]
  found = [key for _, key in scaffolds._keys(texts)]
  assert found[:3] == ["", "c1ccccc1", "c1ccccc1"] and len(found[3]) > 1000
  assert max(sizes) < 20
