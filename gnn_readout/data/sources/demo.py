"""A dataset for machines without a network: molecules made on the spot.

Molecules are cores, linkers and substituents joined by single bonds. Labels
are structural and physico-chemical predicates of the molecule, so a model has
something true to learn: presence of a group needs one atom's neighbourhood,
counts and whole-molecule sums need the readout, conjunctions need both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from gnn_readout.data.sources.smiles import smiles_to_store
from gnn_readout.data.store import GraphStore

_NUM_TASKS = 128
_MISSING = 0.4
_POSITIVE_RATE = (0.02, 0.3)
_HEAVY_ATOMS = (10, 40)
_MIN_MOLECULES = 200
# Tasks that agree on more than this share of their positives are one task.
_MAX_OVERLAP = 0.9

# fmt: off
# SMILES with slots: `_` takes a branch or a hydrogen. Digits close rings.
_CORES = (
  "c1cc_cc_c1_", "c1c_c_ccc1", "c1cc_c_cc1_", "c1cc_nc_c1", "c1nc_cc_n1",
  "c1c_nccc1_", "c1c_sc_c1", "c1c_oc_c1", "c1c_[nH]nc1_", "c1[nH]c_nc1_",
  "c1nc_c_o1", "c1nc_c_s1", "c1c_c2cc_ccc2[nH]1", "c1cc_c2cc_ccc2n1",
  "c1cc_c2ccc_cc2c1", "c1nc2cc_c_cc2s1", "c1c_c2ccccc2o1", "N1CC_OC_C1",
  "N1CCN(C_)CC1", "N1CC_CC_C1", "N1CCC_C1", "C1CC_CC_C1", "C1CC_C1", "C1CC1_",
  "C1CC_OC1", "N1C(=O)C_CC1=O", "C1C_NC(=O)C1_", "CC_C_", "C_C_CC", "CC_CCC_",
)
# Written from the atom that is bonded to the core to the one that goes on; a
# dash is a plain bond. What stands twice is twice as common.
_LINKERS = (
  "-", "-", "C", "CC", "CCC", "O", "OC", "CO", "S", "N", "CN", "NC", "C(=O)",
  "C(=O)N", "NC(=O)", "C(=O)NC", "NC(=O)C", "NC(=O)N", "C(=O)O", "OC(=O)",
  "S(=O)(=O)", "S(=O)(=O)N", "NS(=O)(=O)", "/C=C/", "C#C", "[C@H](C)N",
  "[C@@H](C)O",
)
_SUBSTITUENTS = (
  "F", "F", "Cl", "Cl", "Br", "I", "C", "C", "CC", "C(C)C", "C(C)(C)C",
  "CCCC", "C(F)(F)F", "OC(F)(F)F", "O", "OC", "OC", "OCC", "CO", "N", "NC",
  "N(C)C", "C#N", "C#C", "C=C", "[N+](=O)[O-]", "C=O", "C(C)=O", "C(=O)O",
  "C(=O)[O-]", "C(=O)OC", "C(N)=O", "NC(C)=O", "S", "SC", "S(C)(=O)=O",
  "S(N)(=O)=O", "P(=O)(O)O", "B(O)O", "[C@H](N)C(=O)O",
)
# fmt: on

# What is counted in a molecule: name -> SMARTS.
_PATTERNS = {
  "fluorine": "[F]",
  "chlorine": "[Cl]",
  "bromine": "[Br]",
  "iodine": "[I]",
  "halogen": "[F,Cl,Br,I]",
  "nitrogen": "[#7]",
  "oxygen": "[#8]",
  "sulfur": "[#16]",
  "heteroatom": "[!#6;!#1]",
  "charge": "[+,-]",
  "methyl": "[CH3]",
  "methylene": "[CH2]",
  "quaternary_carbon": "[CX4H0]",
  "branching_atom": "[*;D3]",
  "isopropyl": "[CH3][CH1][CH3]",
  "tert_butyl": "[CH3]C([CH3])[CH3]",
  "alkene": "[CX3]=[CX3]",
  "alkyne": "C#C",
  "nitrile": "C#N",
  "nitro": "[N+](=O)[O-]",
  "hydroxyl": "[OX2H]",
  "phenol": "c[OX2H]",
  "alcohol": "[CX4][OX2H]",
  "ether": "[OD2]([#6;!$(C=O)])[#6;!$(C=O)]",
  "methoxy": "[OX2][CH3]",
  "carbonyl": "[CX3]=[OX1]",
  "aldehyde": "[CX3H1]=O",
  "ketone": "[#6][CX3](=O)[#6]",
  "carboxylic_acid": "C(=O)[OX2H]",
  "carboxylate": "C(=O)[O-]",
  "ester": "C(=O)[OX2][#6]",
  "amide": "C(=O)[NX3]",
  "urea": "[NX3]C(=O)[NX3]",
  "imide": "C(=O)[NX3]C(=O)",
  "primary_amine": "[NX3;H2;!$(NC=O);!$(NS)]",
  "secondary_amine": "[NX3;H1;!$(NC=O);!$(NS)]([#6])[#6]",
  "tertiary_amine": "[NX3;H0;!$(NC=O);!$(NS)]([#6])([#6])[#6]",
  "aniline": "c[NX3;!$(NC=O)]",
  "sulfone": "[#6]S(=O)(=O)[#6]",
  "sulfonamide": "S(=O)(=O)[NX3]",
  "thioether": "[#6][SX2;!a][#6]",
  "thiol": "[SX2H]",
  "phosphonate": "[PX4](=O)[OH]",
  "boronic_acid": "B(O)O",
  "trifluoromethyl": "C(F)(F)F",
  "benzene": "c1ccccc1",
  "pyridine": "c1ccncc1",
  "diazine": "c1cncnc1",
  "thiophene": "c1ccsc1",
  "furan": "c1ccoc1",
  "azole": "n1aaaa1",
  "piperidine": "N1CCCCC1",
  "piperazine": "N1CCNCC1",
  "morpholine": "N1CCOCC1",
  "cyclohexane": "C1CCCCC1",
  "small_ring": "[r3,r4]",
  "ring_atom": "[R]",
  "fused_atom": "[R2]",
  "aromatic_nitrogen": "[n]",
  "aromatic_nh": "[nH]",
  "biaryl_bond": "a-!@a",
  "ortho_pair": "[!#1;!R]-c:c-[!#1;!R]",
  "para_pair": "[!#1;!R]-c:c:c:c-[!#1;!R]",
  "aryl_halide": "c[F,Cl,Br,I]",
  "benzyl": "c[CH2]",
  "long_chain": "[CH2][CH2][CH2]",
}

# A predicate of every molecule: what it says, and who satisfies it [M].
_Condition = tuple[str, np.ndarray]


def make_demo(
  num_molecules: int = 3000, seed: int = 0, num_workers: int | None = 1
) -> GraphStore:
  """Makes molecules with 128 sparse binary tasks, 40% of labels missing.

  Every task is positive for 2% to 30% of the molecules, and every split has
  labelled positives and negatives of it. A quarter each of the tasks ask for
  the presence of a group, a count, a whole-molecule sum beyond a threshold,
  and a conjunction of two of these. The split is random, 80/10/10.

  Args:
    num_molecules: How many distinct molecules, at least 200.
    seed: The same seed and rdkit give the same bytes, in any process.
    num_workers: Processes that turn SMILES into graphs; None = one per core.

  Returns:
    The dataset `demo`, scored by mean average precision.

  Raises:
    ValueError: If `num_molecules` is too small for sparse tasks.
  """
  if num_molecules < _MIN_MOLECULES:
    raise ValueError(
      f"num_molecules must be at least {_MIN_MOLECULES} for the demo's sparse "
      f"tasks, got {num_molecules}."
    )
  rng = np.random.default_rng(seed)
  smiles, counts, sums = _molecules(rng, num_molecules)
  splits = _random_split(rng, num_molecules)
  names, labels = _tasks(rng, counts, sums, list(splits.values()))
  return smiles_to_store(
    "demo",
    smiles,
    labels,
    names,
    splits,
    task_type="binary",
    metric="ap",
    num_workers=num_workers,
  )


def _write(rng: np.random.Generator, rings: Iterator[int], depth: int) -> str:
  """Writes a core and its branches as SMILES, `depth` more cores deep."""
  # A branch stands between the digits of its parent: no number may recur.
  numbers = str.maketrans({digit: f"%{next(rings)}" for digit in "12"})
  core = _CORES[rng.integers(len(_CORES))].translate(numbers)
  first, *rest = core.split("_")
  parts = [first]
  for part in rest:
    kind = rng.random()
    if depth and kind < 0.5:
      linker = _LINKERS[rng.integers(len(_LINKERS))]
      parts.append(f"({linker}{_write(rng, rings, depth - 1)})")
    elif kind < 0.85:
      parts.append(f"({_SUBSTITUENTS[rng.integers(len(_SUBSTITUENTS))]})")
    parts.append(part)
  return "".join(parts)


def _molecules(
  rng: np.random.Generator, num_molecules: int
) -> tuple[list[str], dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Returns canonical SMILES, pattern counts and whole-molecule sums [M]."""
  from rdkit import Chem, rdBase

  patterns = [Chem.MolFromSmarts(smarts) for smarts in _PATTERNS.values()]
  sums = _sums()
  rows: dict[str, tuple[list[int], list[float]]] = {}
  low, high = _HEAVY_ATOMS
  with rdBase.BlockLogs():
    while len(rows) < num_molecules:
      mol = Chem.MolFromSmiles(_write(rng, iter(range(10, 100)), depth=2))
      if mol is None or not low <= mol.GetNumAtoms() <= high:
        continue
      smiles = Chem.MolToSmiles(mol)
      if smiles not in rows:
        rows[smiles] = (
          [len(mol.GetSubstructMatches(p, maxMatches=99)) for p in patterns],
          [function(mol) for function in sums.values()],
        )
  count_rows, sum_rows = zip(*rows.values(), strict=True)
  counts = np.array(count_rows).T  # [patterns, M]
  # Rounded, as the last bits of a sum depend on the order of its atoms.
  values = np.array(sum_rows).T.round(6)  # [sums, M]
  return (
    list(rows),
    dict(zip(_PATTERNS, counts, strict=True)),
    dict(zip(sums, values, strict=True)),
  )


def _sums() -> dict[str, Callable[..., float]]:
  """Returns the whole-molecule descriptors that get a threshold."""
  from rdkit.Chem import rdMolDescriptors as descriptors

  crippen = descriptors.CalcCrippenDescriptors
  return {
    "logp": lambda mol: crippen(mol)[0],
    "refractivity": lambda mol: crippen(mol)[1],
    "tpsa": descriptors.CalcTPSA,
    "weight": descriptors.CalcExactMolWt,
    "surface_area": descriptors.CalcLabuteASA,
    "heavy_atoms": lambda mol: mol.GetNumAtoms(),
    "rings": descriptors.CalcNumRings,
    "aromatic_rings": descriptors.CalcNumAromaticRings,
    "donors": descriptors.CalcNumHBD,
    "acceptors": descriptors.CalcNumHBA,
    "rotatable_bonds": descriptors.CalcNumRotatableBonds,
    "hydrogens": lambda mol: sum(a.GetTotalNumHs() for a in mol.GetAtoms()),
    "stereo_centres": descriptors.CalcNumAtomStereoCenters,
    "sp3_fraction": descriptors.CalcFractionCSP3,
    "flexibility": descriptors.CalcPhi,
    "chi1": descriptors.CalcChi1v,
    "kappa2": descriptors.CalcKappa2,
  }


def _random_split(
  rng: np.random.Generator, num_molecules: int
) -> dict[str, np.ndarray]:
  """Returns sorted indices of a random 80/10/10 split."""
  order = rng.permutation(num_molecules).astype(np.int32)
  tenth = num_molecules // 10
  parts = np.split(order, [num_molecules - 2 * tenth, num_molecules - tenth])
  names = ("train", "valid", "test")
  return {k: np.sort(part) for k, part in zip(names, parts, strict=True)}


def _tasks(
  rng: np.random.Generator,
  counts: dict[str, np.ndarray],
  sums: dict[str, np.ndarray],
  splits: list[np.ndarray],
) -> tuple[list[str], np.ndarray]:
  """Chooses conditions that make good tasks and hides part of their labels.

  Returns:
    Task names and labels [M, 128] float32, NaN where missing.
  """
  presence = [(f"{k}>=1", v >= 1) for k, v in counts.items()]
  counting = [
    (f"{k}>={n}", v >= n) for k, v in counts.items() for n in range(2, 25)
  ]
  families = [presence, counting, _thresholds(sums)]
  names, hits, labels = [], [], []

  def add(conditions: Iterable[_Condition], limit: int) -> None:
    for name, hit in conditions:
      if len(names) == limit:
        return
      hidden = rng.random(hit.size) < _MISSING
      if _is_good_task(hit, hidden, hits, splits):
        names.append(name)
        hits.append(hit)
        labels.append(np.where(hidden, np.nan, hit))

  for i, family in enumerate(families):
    shuffled = [family[j] for j in rng.permutation(len(family))]
    add(shuffled, (i + 1) * _NUM_TASKS // 4)
  # A family that runs short is made up for by the next ones.
  add(_conjunctions(rng, [*itertools.chain(*families)]), _NUM_TASKS)
  if len(names) < _NUM_TASKS:
    raise ValueError(
      f"Only {len(names)} of {_NUM_TASKS} tasks have labels of both kinds in "
      f"every split of {hits[0].size} molecules: ask for more molecules."
    )
  return names, np.stack(labels, axis=1).astype(np.float32)  # [M, 128]


def _thresholds(sums: dict[str, np.ndarray]) -> list[_Condition]:
  """Returns `sum >= t` and `sum <= t` for round t near some quantiles."""
  conditions = []
  for name, values in sums.items():
    for tail in (0.03, 0.07, 0.12, 0.18, 0.25):
      cuts = np.quantile(values, [tail, 1 - tail])
      low, high = (float(f"{cut:.3g}") for cut in cuts)
      conditions.append((f"{name}>={high:g}", values >= high))
      conditions.append((f"{name}<={low:g}", values <= low))
  return conditions


def _conjunctions(
  rng: np.random.Generator, conditions: list[_Condition]
) -> Iterator[_Condition]:
  """Yields random pairs of conditions that are neither rare nor universal."""
  common = [(k, v) for k, v in conditions if 0.1 <= v.mean() <= 0.7]
  for _ in range(10_000):
    i, j = rng.integers(len(common), size=2)
    (first, a), (second, b) = common[i], common[j]
    # A pair in which one side decides alone is no conjunction.
    if np.mean(a & b) <= 0.8 * min(a.mean(), b.mean()):
      yield f"{first} & {second}", a & b


def _is_good_task(
  hit: np.ndarray,
  hidden: np.ndarray,
  taken: list[np.ndarray],
  splits: list[np.ndarray],
) -> bool:
  """Says whether a task is sparse, new, and can be scored on every split."""
  low, high = _POSITIVE_RATE
  if not low <= hit.mean() <= high:
    return False
  if any((hit & t).sum() > _MAX_OVERLAP * (hit | t).sum() for t in taken):
    return False
  shown = [hit[split][~hidden[split]] for split in splits]
  return all(s.any() and not s.all() for s in shown)
