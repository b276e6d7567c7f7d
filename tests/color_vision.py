"""The contrast of colours, and how far apart the colour-blind see them.

Contrast is that of WCAG 2.2. Colour blindness is simulated by the matrices of
Machado, Oliveira and Fernandes 2009 (severity 1), which act on linear RGB, and
distances are those of CIE L*a*b* (1976) with the white point D65.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

VISIONS = {
  "normal": np.eye(3),
  "protanopia": np.array(
    [
      [0.152286, 1.052583, -0.204868],
      [0.114503, 0.786281, 0.099216],
      [-0.003882, -0.048116, 1.051998],
    ]
  ),
  "deuteranopia": np.array(
    [
      [0.367322, 0.860646, -0.227968],
      [0.280085, 0.672501, 0.047413],
      [-0.011820, 0.042940, 0.968881],
    ]
  ),
  "tritanopia": np.array(
    [
      [1.255528, -0.076749, -0.178779],
      [-0.078411, 0.930809, 0.147602],
      [0.004733, 0.691367, 0.303900],
    ]
  ),
}
_XYZ = np.array(
  [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
  ]
)


def contrast(first: str, second: str) -> float:
  """Returns the contrast of two colours such as '#0072b2', 1 to 21."""
  low, high = sorted(_XYZ[1] @ _linear(color) for color in (first, second))
  return float((high + 0.05) / (low + 0.05))


def closest(colors: Iterable[str]) -> tuple[float, str, str, str]:
  """Returns the least distance in any vision, that vision, and the two."""
  seen = {
    (color, vision): _lab(np.clip(matrix @ _linear(color), 0, 1))
    for color in set(colors)
    for vision, matrix in VISIONS.items()
  }
  pairs = itertools.combinations(sorted({color for color, _ in seen}), 2)
  return min(
    (float(np.linalg.norm(seen[a, v] - seen[b, v])), v, a, b)
    for a, b in pairs
    for v in VISIONS
  )


def _linear(color: str) -> np.ndarray:
  """Returns [3], linear RGB, of sRGB."""
  assert len(color) == 7 and color[0] == "#", color
  channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
  curved = ((channels + 0.055) / 1.055) ** 2.4
  return np.where(channels <= 0.04045, channels / 12.92, curved)


def _lab(rgb: np.ndarray) -> np.ndarray:
  """Returns [3], L*, a* and b*."""
  share = _XYZ @ rgb / _XYZ.sum(axis=1)
  edge = 6 / 29
  x, y, z = np.where(
    share > edge**3, np.cbrt(share), share / (3 * edge**2) + 4 / 29
  )
  return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
