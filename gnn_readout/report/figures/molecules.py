"""Molecules whose atoms are coloured by their weights, as RDKit draws them.

White is 0, and the strongest colour the largest weight of the molecule: blue if
it is positive, red if it is negative. The legend says how large that is.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from gnn_readout.files import atomic_write_text
from gnn_readout.report.figures import palette

_WIDTH, _HEIGHT = 360, 300  # Pixels.
_RADIUS = 0.42  # Of an atom's disc, in Angstrom.
_LONGEST = 60  # Characters of a line below a molecule.


def draw(smiles: str, weights: np.ndarray, caption: str = "") -> str:
  """Returns an SVG of a molecule.

  Args:
    smiles: SMILES of the molecule.
    weights: [n] or [n, H] of its atoms; of several the mean counts.
    caption: A line below it; a second one says what the colours mean.

  Raises:
    ValueError: If the molecule has another number of atoms, or cannot be read.
  """
  from rdkit import Chem, rdBase
  from rdkit.Chem.Draw import rdMolDraw2D

  weights = np.asarray(weights, np.float64).reshape(len(weights), -1)
  weights = weights.mean(axis=1)  # [n]
  with rdBase.BlockLogs():
    molecule = Chem.MolFromSmiles(smiles)
  if molecule is None or molecule.GetNumAtoms() != len(weights):
    raise ValueError(f"{smiles!r} has no {len(weights)} atoms to colour")
  atoms = range(len(weights))
  canvas = rdMolDraw2D.MolDraw2DSVG(_WIDTH, _HEIGHT)
  options = canvas.drawOptions()
  options.useBWAtomPalette()
  options.legendFontSize = 13
  options.legendFraction = 0.16
  options.fillHighlights = True
  options.highlightBondWidthMultiplier = 8
  rdMolDraw2D.PrepareAndDrawMolecule(
    canvas,
    molecule,
    legend=f"{_short(caption)}\n{scale(weights)}",
    highlightAtoms=[*atoms],
    highlightAtomColors=dict(zip(atoms, colors(weights), strict=True)),
    highlightBonds=[],
    highlightAtomRadii=dict.fromkeys(atoms, _RADIUS),
  )
  canvas.FinishDrawing()
  return canvas.GetDrawingText()


def colors(weights: np.ndarray) -> list[tuple[float, float, float]]:
  """Returns the colour of each of [n] weights, from 0 to 1 a channel."""
  largest = np.abs(weights).max(initial=0)
  shares = weights / largest if largest > 0 and np.isfinite(largest) else 0
  shares = np.broadcast_to(shares, weights.shape)
  hues = np.where(
    shares[:, None] >= 0, _channels(palette.BLUE), _channels(palette.RED)
  )
  # Letters stay legible on the strongest colour.
  strength = 0.75 * np.abs(shares)[:, None]
  return [tuple(color) for color in (1 + strength * (hues - 1)).tolist()]


def scale(weights: np.ndarray) -> str:
  """Returns what the colours mean, such as 'weights from 0.01 to 0.2'."""
  if not len(weights):
    return "no atoms"
  return f"atoms' weights from {weights.min():.3g} to {weights.max():.3g}"


def write(
  folder: str | os.PathLike[str],
  rows: Sequence[int],
  smiles: Sequence[str],
  weights: Iterable[np.ndarray],
  captions: Sequence[str],
) -> int:
  """Writes `row_NUMBER.svg` for each molecule; one without atoms has none.

  Args:
    folder: Made if need be.
    rows: [M] the numbers.
    smiles: [M].
    weights: Weights of the atoms of each molecule.
    captions: [M], a line below each.

  Returns:
    How many there are.

  Raises:
    OSError: If a file cannot be written.
  """
  digits, count = len(str(max(rows))), 0
  for row, text, values, caption in zip(
    rows, smiles, weights, captions, strict=True
  ):
    if len(values):
      file = pathlib.Path(folder) / f"row_{row:0{digits}d}.svg"
      atomic_write_text(file, draw(text, values, caption))
      count += 1
  return count


def _channels(color: str) -> np.ndarray:
  return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _short(text: str) -> str:
  line = " ".join(text.split())
  return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
