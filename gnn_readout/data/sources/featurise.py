"""Atoms and bonds of molecules in columns, with OGB's features.

They are those of `ogb.utils.smiles2graph`. RDKit parses a SMILES in about as
much time as Python needs to read the features of its atoms and bonds one by
one. So each feature is read of all atoms in a row, and becomes its place in the
vocabulary for many molecules at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gnn_readout.data.sources.chunks import chunks, in_chunks
from gnn_readout.data.sources.molecules import ATOM_SIZES, BOND_SIZES

MOST_CHARACTERS = 5_000  # Of a SMILES: far more than any molecule's.

# What a SMILES holds if its atoms may be chiral or its bonds have a stereo, or
# if it says more after a blank, which may say anything.
_CHIRAL, _STEREO = re.compile(r"[@\s|]"), re.compile(r"[/\\\s|]")


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


class _Feature(NamedTuple):
  """A feature of atoms or bonds.

  Attributes:
    read: A function that returns a whole number for an atom or a bond.
    place: Maps that number to its place in the vocabulary, of whole arrays.
    shows: Only a SMILES in which this is found has it; None: any may.
    otherwise: What is read in all others.
  """

  read: Callable[[object], int]
  place: Callable[[np.ndarray], np.ndarray]
  shows: re.Pattern[str] | None = None
  otherwise: int = 0


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
  parts = in_chunks(columns_of, smiles, num_workers)
  if not parts:
    parts = [columns_of([])]
  return Columns(*(np.concatenate(c) for c in zip(*parts, strict=True)))


def stream_columns(
  smiles: Sequence[str], num_workers: int | None = None
) -> Iterator[Columns]:
  """Yields the columns of one run of molecules after another.

  Args:
    smiles: As `molecules_to_columns` takes it.
    num_workers: As `molecules_to_columns` takes it.
  """
  return chunks(columns_of, smiles, num_workers)


def columns_of(smiles: Sequence[str]) -> Columns:
  """Returns the columns of a few molecules, in this process."""
  from rdkit import Chem, rdBase

  of_atoms, of_bonds = _features()
  num_nodes, num_bonds, begins, ends = [], [], [], []
  atom_values = [[] for _ in of_atoms]
  bond_values = [[] for _ in of_bonds]
  begin, end = Chem.Bond.GetBeginAtomIdx, Chem.Bond.GetEndAtomIdx
  with rdBase.BlockLogs():
    for text in smiles:
      fits = len(text) <= MOST_CHARACTERS
      molecule = Chem.MolFromSmiles(text) if fits else None
      if molecule is None:
        num_nodes.append(0)
        num_bonds.append(0)
        continue
      # An atom or bond is an object that is made anew whenever it is asked for,
      # by its number in half the time that RDKit's iterators take.
      num_nodes.append(molecule.GetNumAtoms())
      num_bonds.append(molecule.GetNumBonds())
      atoms = [*map(molecule.GetAtomWithIdx, range(num_nodes[-1]))]
      bonds = [*map(molecule.GetBondWithIdx, range(num_bonds[-1]))]
      _read(text, atoms, of_atoms, atom_values)
      _read(text, bonds, of_bonds, bond_values)
      begins += map(begin, bonds)
      ends += map(end, bonds)
  return Columns(
    num_nodes=np.asarray(num_nodes, np.int32),
    num_bonds=np.asarray(num_bonds, np.int32),
    nodes=_places(atom_values, of_atoms),
    bonds=np.asarray([begins, ends], np.int32).T,  # [B, 2]
    bond_features=_places(bond_values, of_bonds),
  )


def _read(
  text: str,
  things: Sequence[object],
  features: Sequence[_Feature],
  values: Sequence[list[int]],
) -> None:
  """Appends each feature of the atoms or bonds of a molecule to its list."""
  for feature, column in zip(features, values, strict=True):
    if feature.shows is None or feature.shows.search(text):
      column += map(feature.read, things)
    else:
      column += [feature.otherwise] * len(things)


def _places(
  values: Sequence[list[int]], features: Sequence[_Feature]
) -> np.ndarray:
  """Returns the places in the vocabularies, [N, features] uint8."""
  return np.stack(
    [
      feature.place(np.array(column, np.int64)).astype(np.uint8)
      for feature, column in zip(features, values, strict=True)
    ],
    axis=1,
  )


@functools.cache
def _features() -> tuple[list[_Feature], list[_Feature]]:
  """Returns the features of atoms and of bonds, as OGB has them."""
  from rdkit import Chem

  tag, hybrid = Chem.ChiralType, Chem.HybridizationType
  kind, stereo = Chem.BondType, Chem.BondStereo
  atom, bond = Chem.Atom, Chem.Bond
  atoms = [
    _Feature(
      atom.GetAtomicNum,
      lambda x: np.where((x >= 1) & (x <= 118), x - 1, 118),
    ),
    _Feature(
      atom.GetChiralTag,
      _listed(
        tag.CHI_UNSPECIFIED,
        tag.CHI_TETRAHEDRAL_CW,
        tag.CHI_TETRAHEDRAL_CCW,
        tag.CHI_OTHER,
      ),
      _CHIRAL,
      tag.CHI_UNSPECIFIED,
    ),
    _Feature(atom.GetTotalDegree, lambda x: np.minimum(x, 11)),
    _Feature(atom.GetFormalCharge, lambda x: np.where(abs(x) <= 5, x + 5, 11)),
    _Feature(atom.GetTotalNumHs, lambda x: np.minimum(x, 9)),
    _Feature(atom.GetNumRadicalElectrons, lambda x: np.minimum(x, 5)),
    _Feature(
      atom.GetHybridization,
      _listed(hybrid.SP, hybrid.SP2, hybrid.SP3, hybrid.SP3D, hybrid.SP3D2),
    ),
    _Feature(atom.GetIsAromatic, lambda x: x),
    _Feature(atom.IsInRing, lambda x: x),
  ]
  bonds = [
    _Feature(
      bond.GetBondType,
      _listed(kind.SINGLE, kind.DOUBLE, kind.TRIPLE, kind.AROMATIC),
    ),
    _Feature(
      bond.GetStereo,
      _listed(
        stereo.STEREONONE,
        stereo.STEREOZ,
        stereo.STEREOE,
        stereo.STEREOCIS,
        stereo.STEREOTRANS,
      ),
      _STEREO,
      stereo.STEREONONE,
    ),
    _Feature(bond.GetIsConjugated, lambda x: x),
  ]
  assert (len(atoms), len(bonds)) == (len(ATOM_SIZES), len(BOND_SIZES))
  return atoms, bonds


def _listed(*values: int) -> Callable[[np.ndarray], np.ndarray]:
  """Returns the function to the place of a value; all others come last."""
  table = np.full(256, len(values), np.uint8)
  table[[int(value) for value in values]] = range(len(values))
  return lambda x: table[x]
