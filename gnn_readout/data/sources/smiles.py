"""Molecules written as SMILES, from a list or a user's own CSV file.

Features are those of `ogb.utils.smiles2graph`, so that a model trained on a
dataset of OGB reads them. RDKit is needed, and imported where it is used.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np
from absl import logging

from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources.molecules import (
  ATOM_SIZES,
  BOND_SIZES,
  SPLITS,
  molecule_schema,
)
from gnn_readout.data.sources.text_table import read_table
from gnn_readout.data.store import METRICS, GraphStore
from gnn_readout.errors import suggest

_CHUNK = 512  # Molecules per message to a worker.
_PARALLEL_FROM = 2_000  # Starting processes costs as much as so many molecules.


class Columns(NamedTuple):
  """Molecules in columns; those that RDKit refuses have no atoms.

  Attributes:
    num_nodes: [M] int32 atoms of each molecule.
    num_bonds: [M] int32 bonds of each molecule.
    nodes: [N, 9] uint8 atom features.
    bonds: [B, 2] int32 pairs of atoms, counted within the molecule.
    bond_features: [B, 3] uint8.
  """

  num_nodes: np.ndarray
  num_bonds: np.ndarray
  nodes: np.ndarray
  bonds: np.ndarray
  bond_features: np.ndarray


def molecules_to_columns(
  smiles: Sequence[str], num_workers: int | None = None
) -> Columns:
  """Returns atoms and bonds of molecules, with OGB's features.

  Bonds with the stereo of an atropisomer, for which OGB has no value, count as
  STEREOANY.

  Args:
    smiles: M SMILES strings.
    num_workers: Processes; None = one per core. Few molecules take one.
  """
  parts = _in_chunks(_columns, smiles, num_workers)
  if not parts:
    parts = [_columns([])]
  return Columns(*(np.concatenate(c) for c in zip(*parts, strict=True)))


def smiles_to_store(
  name: str,
  smiles: Sequence[str],
  labels: np.ndarray,
  task_names: Sequence[str],
  splits: Mapping[str, np.ndarray],
  task_type: str = "binary",
  metric: str = "ap",
  num_workers: int | None = 1,
) -> GraphStore:
  """Builds a store from SMILES.

  Args:
    name: Of the dataset.
    smiles: G SMILES strings.
    labels: [G, tasks], NaN = missing.
    task_names: One per column of `labels`.
    splits: Indices into `smiles` by split name.
    task_type: `'binary'`, `'multiclass'` or `'regression'`.
    metric: As in `Schema`.
    num_workers: Processes; None = one per core.

  Returns:
    The store.

  Raises:
    ValueError: RDKit refuses a molecule (named by its index), or labels or
      splits are wrong.
  """
  columns = molecules_to_columns(smiles, num_workers)
  invalid = np.flatnonzero(columns.num_nodes == 0)
  if len(invalid):
    raise ValueError(f"{name}: {_list_invalid(smiles, invalid, invalid)}")
  return _store(name, columns, labels, task_names, splits, task_type, metric)


def read_csv(
  path: str | os.PathLike[str],
  smiles_column: str = "smiles",
  label_columns: Sequence[str] | None = None,
  task_type: str | None = None,
  metric: str | None = None,
  on_invalid: str = "error",
  num_workers: int | None = None,
  split: tuple[float, float, float] = (0.8, 0.1, 0.1),
) -> GraphStore:
  """Reads a CSV file of SMILES and labels.

  A column `split` that says train, valid or test in every row is followed.
  Without it, molecules are split by scaffold, the same way every time.

  Args:
    path: A CSV file with a header, possibly compressed.
    smiles_column: The column of SMILES.
    label_columns: The columns of labels, where an empty field is a missing
      label; None = every other column that holds numbers.
    task_type: `'binary'`, `'multiclass'` or `'regression'`; None = binary if
      all labels are 0 or 1, else regression.
    metric: As in `Schema`; None = the first of `METRICS[task_type]`.
    on_invalid: `'error'` or `'skip'` rows with a SMILES that RDKit refuses.
    num_workers: Processes; None = one per core.
    split: Shares of train, valid and test, where there is no column `split`.

  Returns:
    The store.

  Raises:
    FileNotFoundError: There is no such file.
    ValueError: The file, a label or a SMILES is wrong; the message names file
      and row. Rows count from 1 after the header.
  """
  if on_invalid not in ("error", "skip"):
    raise ValueError(
      f"on_invalid is {on_invalid!r}.{suggest(on_invalid, ('error', 'skip'))}"
    )
  table = read_table(path)
  if label_columns is None:
    label_columns = [
      name
      for name in table.columns
      if name not in (smiles_column, "split") and table.has_numbers(name)
    ]
    logging.info("%s: labels are %s", path, ", ".join(label_columns))
  if not label_columns:
    raise ValueError(
      f"{path}: no column of numbers to take as labels; its columns are"
      f" {', '.join(table.columns)}"
    )
  labels = np.stack([table.numbers(n) for n in label_columns], axis=1)
  columns = molecules_to_columns(table.column(smiles_column), num_workers)
  valid = columns.num_nodes > 0
  if not valid.all():
    invalid = np.flatnonzero(~valid)
    message = f"{path}: " + _list_invalid(
      table.column(smiles_column), invalid, table.rows[invalid]
    )
    if on_invalid == "error":
      raise ValueError(message)
    logging.warning("%s: skipped", message)
    # They have neither atoms nor bonds: only the counts know of them.
    columns = columns._replace(
      num_nodes=columns.num_nodes[valid], num_bonds=columns.num_bonds[valid]
    )
    table, labels = table.keep(valid), labels[valid]
  if "split" in table.columns:
    named = table.words("split", SPLITS)
    splits = {s: np.flatnonzero(named == s) for s in SPLITS}
  else:
    splits = scaffold_split(table.column(smiles_column), split, num_workers)
  task_type = task_type or _infer_task_type(path, labels, label_columns)
  return _store(
    os.path.basename(path),
    columns,
    labels,
    label_columns,
    splits,
    task_type,
    metric or METRICS.get(task_type, ("",))[0],
    table.rows,
  )


def scaffold_split(
  smiles: Sequence[str],
  shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
  num_workers: int | None = None,
) -> dict[str, np.ndarray]:
  """Splits molecules so that no ring scaffold is in two splits.

  Groups of one Bemis-Murcko scaffold go, the largest first, to train while
  they fit, then to valid, then to test. A molecule without rings is its own
  group.

  Args:
    smiles: M valid SMILES strings.
    shares: Of train, valid and test.
    num_workers: Processes; None = one per core.

  Returns:
    Sorted int32 indices of each split.

  Raises:
    ValueError: The shares are not three positive numbers that add up to 1.
  """
  if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
    raise ValueError(
      f"split is {shares}, expected three positive shares that add up to 1"
    )
  groups: dict[object, list[int]] = {}
  chunks = _in_chunks(_scaffolds, smiles, num_workers)
  for i, scaffold in enumerate(itertools.chain(*chunks)):
    groups.setdefault(scaffold or i, []).append(i)
  room = {
    split: max(1, int(share * len(smiles)))
    for split, share in zip(SPLITS, shares, strict=True)
  }
  room["train"] = len(smiles) - room["valid"] - room["test"]
  splits: dict[str, list[int]] = {split: [] for split in SPLITS}
  for group in sorted(groups.values(), key=lambda g: (-len(g), g[0])):
    fits = (s for s in SPLITS if len(group) <= room[s])
    chosen = next(fits, max(SPLITS, key=room.get))
    splits[chosen] += group
    room[chosen] -= len(group)
  return {s: np.sort(np.asarray(i, np.int32)) for s, i in splits.items()}


def _columns(smiles: Sequence[str]) -> Columns:
  """Returns the columns of a few molecules, in this process."""
  from rdkit import Chem, rdBase

  tag, hybrid = Chem.ChiralType, Chem.HybridizationType
  kind, stereo = Chem.BondType, Chem.BondStereo
  # Values that are not listed take the last place of their vocabulary.
  chirality = _places(
    tag.CHI_UNSPECIFIED,
    tag.CHI_TETRAHEDRAL_CW,
    tag.CHI_TETRAHEDRAL_CCW,
    tag.CHI_OTHER,
  )
  hybridisation = _places(
    hybrid.SP, hybrid.SP2, hybrid.SP3, hybrid.SP3D, hybrid.SP3D2
  )
  bond_type = _places(kind.SINGLE, kind.DOUBLE, kind.TRIPLE, kind.AROMATIC)
  bond_stereo = _places(
    stereo.STEREONONE,
    stereo.STEREOZ,
    stereo.STEREOE,
    stereo.STEREOCIS,
    stereo.STEREOTRANS,
  )
  num_nodes, num_bonds, bonds = [], [], []
  nodes, bond_features = bytearray(), bytearray()
  with rdBase.BlockLogs():
    for text in smiles:
      molecule = Chem.MolFromSmiles(text)
      if molecule is None:
        num_nodes.append(0)
        num_bonds.append(0)
        continue
      num_nodes.append(molecule.GetNumAtoms())
      num_bonds.append(molecule.GetNumBonds())
      for atom in molecule.GetAtoms():
        number, charge = atom.GetAtomicNum(), atom.GetFormalCharge()
        nodes += bytes(
          (
            number - 1 if 1 <= number <= 118 else 118,
            chirality.get(atom.GetChiralTag(), 4),
            min(atom.GetTotalDegree(), 11),
            charge + 5 if -5 <= charge <= 5 else 11,
            min(atom.GetTotalNumHs(), 9),
            min(atom.GetNumRadicalElectrons(), 5),
            hybridisation.get(atom.GetHybridization(), 5),
            atom.GetIsAromatic(),
            atom.IsInRing(),
          )
        )
      for bond in molecule.GetBonds():
        bonds.append((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
        bond_features += bytes(
          (
            bond_type.get(bond.GetBondType(), 4),
            bond_stereo.get(bond.GetStereo(), 5),
            bond.GetIsConjugated(),
          )
        )
  return Columns(
    num_nodes=np.asarray(num_nodes, np.int32),
    num_bonds=np.asarray(num_bonds, np.int32),
    nodes=np.frombuffer(nodes, np.uint8).reshape(-1, len(ATOM_SIZES)),
    bonds=np.asarray(bonds, np.int32).reshape(-1, 2),
    bond_features=np.frombuffer(bond_features, np.uint8).reshape(
      -1, len(BOND_SIZES)
    ),
  )


def _places(*values: object) -> dict[object, int]:
  return {value: i for i, value in enumerate(values)}


def _scaffolds(smiles: Sequence[str]) -> list[str]:
  """Returns the Bemis-Murcko scaffolds; '' where there is no ring."""
  from rdkit import Chem, rdBase
  from rdkit.Chem.Scaffolds import MurckoScaffold

  with rdBase.BlockLogs():
    return [
      MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(text))
      for text in smiles
    ]


def _in_chunks(
  function: Callable[[Sequence[str]], object],
  items: Sequence[str],
  num_workers: int | None,
) -> list:
  """Returns `function` of runs of items, from several processes."""
  chunks = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
  workers = min(num_workers or _num_cores(), len(chunks))
  if workers > 1 and len(items) >= _PARALLEL_FROM:
    # Fresh processes: a copy of this one would have locks that its threads
    # hold.
    context = multiprocessing.get_context("spawn")
    try:
      with ProcessPoolExecutor(workers, context) as pool:
        return list(pool.map(function, chunks))
    except BrokenProcessPool:
      logging.warning("A process for SMILES died; going on in one process.")
  return [function(chunk) for chunk in chunks]


def _num_cores() -> int:
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))  # A container may allow but a few.
  return os.cpu_count() or 1


def _list_invalid(
  smiles: Sequence[str], invalid: np.ndarray, rows: np.ndarray
) -> str:
  """Returns a sentence with the first ten of the invalid SMILES."""
  pairs = zip(invalid[:10], rows[:10], strict=True)
  shown = [f"{row}: {smiles[i]!r}" for i, row in pairs]
  more = ", ..." if len(invalid) > len(shown) else ""
  return (
    f"{len(invalid)} of {len(smiles)} SMILES are invalid, at rows"
    f" {', '.join(shown)}{more}"
  )


def _store(
  name: str,
  columns: Columns,
  labels: np.ndarray,
  task_names: Sequence[str],
  splits: Mapping[str, np.ndarray],
  task_type: str,
  metric: str,
  rows: np.ndarray | None = None,
) -> GraphStore:
  labels = np.asarray(labels, np.float32)
  num_classes = 0
  if task_type == "multiclass":
    num_classes = int(np.nanmax(labels, initial=0)) + 1
  return build_from_undirected(
    molecule_schema(name, task_type, metric, task_names, num_classes),
    labels=labels,
    splits=splits,
    source=name,
    rows=rows,
    **columns._asdict(),
  )


def _infer_task_type(
  path: str | os.PathLike[str], labels: np.ndarray, names: Sequence[str]
) -> str:
  """Returns 'binary' if all labels are 0 or 1, 'regression' if none are."""
  binary = ((labels == 0) | (labels == 1) | np.isnan(labels)).all(axis=0)
  if binary.any() and not binary.all():
    other = [name for name, b in zip(names, binary, strict=True) if not b]
    raise ValueError(
      f"{path}: the columns {', '.join(other)} are not 0 or 1 as the others"
      " are: say label_columns or task_type"
    )
  return "binary" if binary.all() else "regression"
