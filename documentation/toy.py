"""What a readout does to a toy set: one element moves, and y answers.

Five points of the plane; the first moves along a line through the others. An
element has four features: its coordinates, and the same turned by 45 degrees.
The figure shows the set on the left and the first components of y, against the
place of that element, on the right. It is an SVG whose colours the page's style
sheet says, so that it follows light and dark.
"""

from __future__ import annotations

import dataclasses
import functools
import html
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gnn_readout import functional
from gnn_readout.graphs import Edges, Sets, make_sets

SET = np.array(
  [[0.0, 0.2], [-1.1, 0.9], [0.6, 1.4], [1.3, -0.7], [-0.4, -1.2]], np.float32
)
PLACES = np.linspace(-3, 3, 61, dtype=np.float32)  # Of the first element.
_SHOWN = 30  # The place that the left half shows, and its weights.
_CURVES = 3  # Components of y at most.

# Compiling takes longer than so few numbers.
_QUICK = {"xla_backend_optimization_level": 0}

_HEIGHT, _SIDE, _LEFT, _WIDE = 220, 180, 270, 330  # Of the two panels.
_TOP, _LIMIT = 14, 3.2


class Response(NamedTuple):
  """How a readout answers.

  Attributes:
    values: [P, D_out], y at each of P places.
    weights: [P, 5, H], how much each element weighs, or None.
  """

  values: np.ndarray
  weights: np.ndarray | None


def sets_of_places() -> np.ndarray:
  """Returns [P, 5, 4], the toy set at every place of its first element."""
  points = np.tile(SET, (len(PLACES), 1, 1))  # [P, 5, 2]
  points[:, 0, 0] = PLACES
  turned = points @ np.array([[1, 1], [1, -1]], np.float32) / np.sqrt(2)
  return np.concatenate([points, turned], axis=-1).astype(np.float32)


def respond(name: str) -> Response:
  """Returns what a readout makes of the toy set, at every place.

  Args:
    name: Of a readout; its arguments are the default ones, its parameters as
      they are initialised from seed 0.
  """
  table = sets_of_places()
  num_sets, size, width = table.shape
  elements = jnp.asarray(table.reshape(-1, width))  # [5 P, 4]
  sets = make_sets(jnp.full(num_sets, size), len(elements))
  # The elements are a path, for readouts that look at edges.
  first = np.arange(len(elements)).reshape(num_sets, size)
  ends = np.stack([first[:, :-1], first[:, 1:]]).reshape(2, -1)
  senders, receivers = np.concatenate([ends, ends[::-1]], axis=1)
  edges = Edges(
    jnp.asarray(senders), jnp.asarray(receivers), jnp.ones(len(senders), bool)
  )
  sets = dataclasses.replace(sets, edges=edges)
  init, apply = functional.readout(name)

  @functools.partial(jax.jit, compiler_options=_QUICK)
  def run(
    key: jax.Array, elements: jax.Array, sets: Sets
  ) -> tuple[jax.Array, jax.Array | None]:
    aggregate = apply(init(key, elements, sets), elements, sets)
    return aggregate.values, aggregate.weights

  values, weights = run(jax.random.key(0), elements, sets)
  if weights is not None:
    weights = np.asarray(weights).reshape(num_sets, size, -1)
  return Response(np.asarray(values), weights)


def svg(response: Response, label: str) -> str:
  """Returns the figure as an element of a page, without a blank line.

  Args:
    response: From `respond`.
    label: What a screen reader reads.
  """
  curves = response.values[:, :_CURVES]  # [P, at most 3]
  lines = [
    f'<svg class="toy" viewBox="0 0 {_LEFT + _WIDE + 20} {_HEIGHT + 26}"'
    f' role="img" aria-label="{html.escape(label)}">',
    *_points(response.weights),
    *_answers(curves),
    "</svg>",
  ]
  return "\n".join(lines)


def _points(weights: np.ndarray | None) -> list[str]:
  """Draws the set; an element's area is its weight, where there is one."""
  radii = np.full(len(SET), 5.0)
  if weights is not None:
    shares = np.abs(weights[_SHOWN]).mean(axis=-1)  # [5]
    radii = 10 * np.sqrt(shares / max(shares.max(), 1e-9)).clip(0.15)
  scale = _SIDE / (2 * _LIMIT)

  def place(x: float, y: float) -> tuple[float, float]:
    middle = _TOP + _SIDE / 2
    return 20 + _SIDE / 2 + scale * float(x), middle - scale * float(y)

  left, level = place(PLACES[0], SET[0, 1])
  right, _ = place(PLACES[-1], SET[0, 1])
  lines = [
    f'<rect class="frame" x="20" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>',
    f'<line class="path" x1="{left:.1f}" y1="{level:.1f}" x2="{right:.1f}"'
    f' y2="{level:.1f}"/>',
  ]
  for i, (x, y) in enumerate(SET):
    x = PLACES[_SHOWN] if i == 0 else x
    across, down = place(x, y)
    lines.append(
      f'<circle class="{"moves" if i == 0 else "stays"}" cx="{across:.1f}"'
      f' cy="{down:.1f}" r="{radii[i]:.1f}"/>'
    )
  lines.append(f'<text x="{20 + _SIDE / 2}" y="{_HEIGHT + 14}">the set</text>')
  return lines


def _answers(curves: np.ndarray) -> list[str]:
  """Draws y against the place of the first element."""
  low, high = float(curves.min()), float(curves.max())
  if high - low < 1e-6:
    low, high = low - 1, high + 1
  ticks = _ticks(low, high)
  span = high - low

  def across(x: float) -> float:
    return _LEFT + _WIDE * (float(x) + 3) / 6

  def down(y: float) -> float:
    return _TOP + _SIDE * (high - float(y)) / span

  lines = [
    f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_WIDE}"'
    f' height="{_SIDE}"/>'
  ]
  for tick in ticks:
    lines += [
      f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _WIDE}"'
      f' y1="{down(tick):.1f}" y2="{down(tick):.1f}"/>',
      f'<text class="tick" x="{_LEFT - 6}" y="{down(tick) + 4:.1f}">'
      f"{tick:.3g}</text>",
    ]
  for x in (-3, 0, 3):
    lines.append(
      f'<text x="{across(x):.1f}" y="{_TOP + _SIDE + 15}">{x}</text>'
    )
  for k, column in enumerate(curves.T):
    points = " ".join(
      f"{across(x):.1f},{down(y):.1f}"
      for x, y in zip(PLACES, column, strict=True)
    )
    lines.append(f'<polyline class="curve-{k + 1}" points="{points}"/>')
  names = ", ".join(f"y{chr(0x2081 + k)}" for k in range(curves.shape[1]))
  lines.append(
    f'<text x="{_LEFT + _WIDE / 2}" y="{_HEIGHT + 14}">{names} by the place'
    " of the orange element</text>"
  )
  return lines


def _ticks(low: float, high: float) -> Sequence[float]:
  """Returns two to five round numbers between two others."""
  span = high - low
  power = 10.0 ** np.floor(np.log10(span))
  step = next(f * power for f in (1, 0.5, 0.25, 0.1) if span / (f * power) >= 2)
  first = int(np.ceil(low / step))
  return [i * step for i in range(first, int(np.floor(high / step)) + 1)]
