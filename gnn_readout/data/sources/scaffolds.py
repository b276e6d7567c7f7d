"""A split of molecules by what rings and linkers they are built on.

Letters: M molecules.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gnn_readout.data.sources.chunks import in_chunks
from gnn_readout.data.sources.molecules import SPLITS
from gnn_readout.wording import counted

if TYPE_CHECKING:
  from rdkit import Chem

# RDKit's scaffold takes time as the cube of the atoms; from so many on, all
# that hangs from the rings is taken off before.
_LARGE = _LARGEST_CORE = 150
_MARGIN = 2


class ScaffoldSplit(NamedTuple):
  """Sorted int32 indices of each split, and what is worth telling of them."""

  splits: dict[str, np.ndarray]
  notes: tuple[str, ...]


def scaffold_split(
  smiles: Sequence[str],
  shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
  num_workers: int | None = None,
) -> ScaffoldSplit:
  """Splits molecules so that no ring scaffold is in two splits.

  Groups of one Bemis-Murcko scaffold go, the largest first, to train while
  they fit, then to valid, then to test. A molecule without rings is grouped
  with its own copies. Numbers of atom maps count for nothing, and neither does
  the way in which a molecule is written.

  Args:
    smiles: M valid SMILES strings.
    shares: Shares of train, valid and test.
    num_workers: Processes; None = one per core.

  Returns:
    The splits, and how many molecules come more than once.

  Raises:
    ValueError: The shares are not three positive numbers that add up to 1, or
      there are fewer scaffolds than splits.
  """
  _check_shares(shares)
  keys = [*itertools.chain(*in_chunks(_keys, smiles, num_workers))]
  groups: dict[str, list[int]] = {}
  for i, (molecule, scaffold) in enumerate(keys):
    groups.setdefault(scaffold or f"{molecule} itself", []).append(i)
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
  repeated = len(keys) - len({molecule for molecule, _ in keys})
  notes = []
  if repeated:
    notes.append(
      f"{repeated:,} of {len(keys):,} rows repeat the molecule of an earlier"
      " row; all rows of a molecule are in one split"
    )
  if len(groups) < len(SPLITS):
    rows = counted(len(keys), "row")
    molecules = counted(len(keys) - repeated, "molecule")
    raise _too_few(f"{rows} with {molecules}", len(groups))
  return ScaffoldSplit(_sorted(splits), tuple(notes))


def ogb_scaffold_split(
  smiles: Sequence[str],
  shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
  num_workers: int | None = None,
) -> ScaffoldSplit:
  """Splits molecules as ogbg-molbace and ogbg-molesol are split.

  Scaffolds with another chirality are other scaffolds, and all molecules
  without rings have the same one. Groups go, the largest first and of equal
  ones that whose first row is last, to train while they fit, then to valid,
  then to test; copies of a molecule that are written alike stay together.

  Args:
    smiles: M valid SMILES strings.
    shares: Shares of train, valid and test.
    num_workers: Processes; None = one per core.

  Returns:
    The splits, without notes.

  Raises:
    ValueError: As `scaffold_split`.
  """
  _check_shares(shares)
  keys = itertools.chain(*in_chunks(_chiral_scaffolds, smiles, num_workers))
  groups: dict[str, list[int]] = {}
  for i, scaffold in enumerate(keys):
    groups.setdefault(scaffold, []).append(i)
  ends = [shares[0] * len(smiles), (shares[0] + shares[1]) * len(smiles)]
  splits: dict[str, list[int]] = {split: [] for split in SPLITS}
  train, valid, test = splits.values()
  for group in sorted(groups.values(), key=lambda g: (-len(g), -g[0])):
    if len(train) + len(group) <= ends[0]:
      train += group
    elif len(train) + len(valid) + len(group) <= ends[1]:
      valid += group
    else:
      test += group
  if not all(splits.values()):
    raise _too_few(counted(len(smiles), "molecule"), len(groups))
  return ScaffoldSplit(_sorted(splits), ())


def _check_shares(shares: Sequence[float]) -> None:
  if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
    raise ValueError(
      f"split is {shares}, expected three positive shares that add up to 1"
    )


def _too_few(what: str, num_groups: int) -> ValueError:
  return ValueError(
    f"{what} in {counted(num_groups, 'group')} of one scaffold are too few for"
    f" {len(SPLITS)} splits: a column 'split' may assign the rows to splits"
  )


def _sorted(splits: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
  return {s: np.sort(np.asarray(i, np.int32)) for s, i in splits.items()}


def _chiral_scaffolds(smiles: Sequence[str]) -> list[str]:
  from rdkit import rdBase
  from rdkit.Chem.Scaffolds import MurckoScaffold

  with rdBase.BlockLogs():
    return [
      MurckoScaffold.MurckoScaffoldSmiles(smiles=text, includeChirality=True)
      for text in smiles
    ]


def _keys(smiles: Sequence[str]) -> list[tuple[str, str]]:
  """Returns canonical SMILES and scaffold, '' for one without rings."""
  from rdkit import Chem, rdBase
  from rdkit.Chem.Scaffolds import MurckoScaffold

  keys = []
  with rdBase.BlockLogs():
    for text in smiles:
      molecule = Chem.MolFromSmiles(text)
      for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
      written, scaffold = Chem.MolToSmiles(molecule), ""
      if molecule.GetRingInfo().NumRings():
        small, is_large = molecule, molecule.GetNumAtoms() > _LARGE
        if is_large:
          core = _core(molecule)
          is_large = core.GetNumAtoms() > _LARGEST_CORE
          small = _core(molecule, _MARGIN)
        if is_large:  # All through.
          scaffold = Chem.MolToSmiles(core, isomericSmiles=False)
        else:
          scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=small)
      keys.append((written, scaffold))
  return keys


def _core(molecule: Chem.Mol, margin: int = 0) -> Chem.Mol:
  """Returns the rings, what joins them and what is double bonded to these.

  Args:
    molecule: Molecule with rings.
    margin: So many bonds of what hangs from them are kept, for RDKit to take
      off in its own way.
  """
  from rdkit import Chem

  neighbours = [
    {n.GetIdx() for n in atom.GetNeighbors()} for atom in molecule.GetAtoms()
  ]
  in_ring = [atom.IsInRing() for atom in molecule.GetAtoms()]
  left = [len(n) for n in neighbours]
  gone = {i for i, n in enumerate(left) if n <= 1 and not in_ring[i]}
  ends = list(gone)
  while ends:
    for i in neighbours[ends.pop()] - gone:
      left[i] -= 1
      if left[i] <= 1 and not in_ring[i]:
        gone.add(i)
        ends.append(i)
  for bond in molecule.GetBonds():
    if bond.GetBondType() == Chem.BondType.DOUBLE:
      pair = {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()}
      if len(pair & gone) == 1:
        pair &= gone
        gone -= pair
  for _ in range(margin):
    gone = {i for i in gone if neighbours[i] <= gone}
  if not gone:
    return molecule
  core = Chem.RWMol(molecule)
  core.BeginBatchEdit()
  for i in gone:
    for j in neighbours[i] - gone:
      atom, bond = core.GetAtomWithIdx(j), core.GetBondBetweenAtoms(i, j)
      is_hetero = atom.GetIsAromatic() and atom.GetAtomicNum() != 6
      if atom.GetNoImplicit() or is_hetero:
        added = int(bond.GetBondTypeAsDouble())
        atom.SetNumExplicitHs(atom.GetNumExplicitHs() + added)
      atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    core.RemoveAtom(i)
  core.CommitBatchEdit()
  core = core.GetMol()
  Chem.SanitizeMol(core)
  return core
