"""Which of one's own graphs are trained on, and which are tested on.

Letters: G graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gnn_readout.data.sources.molecules import SPLITS
from gnn_readout.data.sources.targets import SPLIT_WORDS
from gnn_readout.errors import quoted_value, suggest
from gnn_readout.wording import counted

Shares = tuple[float, float, float]


class Split(NamedTuple):
  """Graph indices by split, where they come from, and notes on that."""

  splits: dict[str, np.ndarray]
  origin: str = ""
  notes: tuple[str, ...] = ()


class _Graphs(NamedTuple):
  """What a split may be drawn by: [G] classes, [G] SMILES, where known."""

  num_graphs: int
  classes: np.ndarray | None
  smiles: Sequence[str] | None


def make_split(
  name: str,
  split: Any,
  num_graphs: int,
  classes: np.ndarray | None = None,
  smiles: Sequence[str] | None = None,
  shares: Shares = (0.8, 0.1, 0.1),
  seed: int = 0,
) -> Split:
  """Returns the split that was given, or draws one.

  Args:
    name: What a message begins with.
    split: A key of `DRAWN`; or [G] words such as 'train', 'valid' and 'test';
      or the indices of each split by such a word.
    num_graphs: G.
    classes: [G], what a stratified split has equal shares of.
    smiles: [G], whose scaffolds a split by scaffold keeps together.
    shares: Shares of train, valid and test, where they are drawn.
    seed: Seed of the draw.

  Raises:
    ValueError: The split cannot be drawn, a word is none of a split, or there
      is not one for each graph.
  """
  if isinstance(split, Mapping):
    splits = {
      _word(name, word): _indices(name, word, chosen, num_graphs)
      for word, chosen in split.items()
    }
    return Split(splits, "as it was given")
  if not isinstance(split, str):
    words = [_word(name, word) for word in np.asarray(split).ravel().tolist()]
    if len(words) != num_graphs:
      raise ValueError(
        f"{name}: {counted(len(words), 'word')} of a split for"
        f" {counted(num_graphs, 'graph')}"
      )
    found = np.asarray(words)
    return Split(
      {w: np.flatnonzero(found == w) for w in SPLITS if w in words},
      "as it was given",
    )
  if split not in DRAWN:
    raise ValueError(f"{name}: unknown split {split!r}.{suggest(split, DRAWN)}")
  if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
    raise ValueError(
      f"{name}: shares are {shares}, expected three positive numbers that add"
      " up to 1"
    )
  graphs = _Graphs(num_graphs, classes, smiles)
  return DRAWN[split](name, graphs, shares, seed)


def _word(name: str, word: Any) -> str:
  text = str(word).strip().lower()
  if text not in SPLIT_WORDS:
    raise ValueError(
      f"{name}: split {quoted_value(word)}.{suggest(text, SPLIT_WORDS)}"
    )
  return SPLIT_WORDS[text]


def _indices(name: str, word: str, chosen: Any, num_graphs: int) -> np.ndarray:
  """Returns indices, be they given as such or as a mask [G]."""
  chosen = np.asarray(chosen)
  if chosen.dtype == bool and chosen.shape == (num_graphs,):
    return np.flatnonzero(chosen)
  if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
    raise ValueError(
      f"{name}: the split {word!r} is of type {chosen.dtype} and shape"
      f" {chosen.shape}, expected a list of graph indices"
    )
  return chosen


def _cut(name: str, order: np.ndarray, shares: Shares, origin: str) -> Split:
  """Cuts an order of all graphs into train, valid and test."""
  total = len(order)
  if total < len(SPLITS):
    raise ValueError(
      f"{name}: {counted(total, 'graph')} cannot be split into"
      f" {', '.join(SPLITS)}"
    )
  valid, test = (max(1, int(share * total)) for share in shares[1:])
  parts = np.split(order, [total - valid - test, total - test])
  splits = {s: np.sort(part) for s, part in zip(SPLITS, parts, strict=True)}
  words = "in shares of {:g}, {:g} and {:g}".format(*shares)
  return Split(splits, f"{origin}, {words}")


def _random(name: str, graphs: _Graphs, shares: Shares, seed: int) -> Split:
  """Splits at random."""
  order = np.random.default_rng(seed).permutation(graphs.num_graphs)
  return _cut(name, order, shares, f"at random (seed {seed})")


def _stratified(name: str, graphs: _Graphs, shares: Shares, seed: int) -> Split:
  """Splits so that each part has its share of every class.

  The graphs of a class are spread evenly over an order that is then cut; where
  they begin is random, so that a rare class may be in any part.
  """
  if graphs.classes is None:
    raise ValueError(
      f"{name}: a stratified split needs classes, or one binary task"
    )
  rng = np.random.default_rng(seed)
  codes = np.unique(graphs.classes, return_inverse=True)[1]
  place = np.empty(len(codes))
  for code in range(codes.max(initial=-1) + 1):
    members = rng.permutation(np.flatnonzero(codes == code))
    place[members] = (np.arange(len(members)) + rng.random()) / len(members)
  order = np.argsort(place, kind="stable")
  return _cut(name, order, shares, f"stratified by class (seed {seed})")


def _scaffold(name: str, graphs: _Graphs, shares: Shares, seed: int) -> Split:
  """Splits molecules by their ring scaffolds."""
  del seed
  from gnn_readout.data.sources.scaffolds import scaffold_split

  if graphs.smiles is None:
    raise ValueError(f"{name}: a split by scaffold needs smiles=")
  if len(graphs.smiles) != graphs.num_graphs:
    raise ValueError(
      f"{name}: {len(graphs.smiles)} SMILES for"
      f" {counted(graphs.num_graphs, 'graph')}"
    )
  try:
    splits, notes = scaffold_split(graphs.smiles, shares)
  except ValueError as error:
    raise ValueError(f"{name}: {error}") from None
  words = "in shares of {:g}, {:g} and {:g}".format(*shares)
  return Split(splits, f"by scaffold, {words}", notes)


def _none(name: str, graphs: _Graphs, shares: Shares, seed: int) -> Split:
  """Leaves the graphs together: a config's folds split them."""
  del name, graphs, shares, seed
  return Split({})


DRAWN: dict[str, Callable[[str, _Graphs, Shares, int], Split]] = {
  "none": _none,
  "random": _random,
  "scaffold": _scaffold,
  "stratified": _stratified,
}
