"""Sets to predict, and what describes them."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from gnn_readout.tasks import set_sources
from tests.tasks.digit_parts import PARTS

N = 4


@pytest.mark.parametrize("given", ["set", "rotation", "phase"])
def test_polygons_and_what_describes_them(given):
  fields = {"num_points": N, "input": given}
  sets, inputs = set_sources.polygon_data(fields).sample(jax.random.key(1), 11)
  assert sets.shape == (11, N, 3) and np.all(sets[..., 2] == 1)
  angles = np.arctan2(sets[..., 1], sets[..., 0])
  gaps = np.diff(np.sort(angles, axis=1), axis=1)
  np.testing.assert_allclose(gaps, 2 * np.pi / N, atol=1e-5)
  if given == "set":
    assert inputs is None
    return
  given_as = inputs[:, 0] + 1j * inputs[:, 1]  # [S], of the unit circle.
  corners = np.exp(1j * angles)  # [S, n]
  if given == "rotation":  # One of the corners is where the input says.
    gaps = np.abs(corners - given_as[:, None]).min(axis=1)
  else:
    gaps = np.abs(corners**N - given_as[:, None])
  np.testing.assert_allclose(gaps, 0, atol=1e-5)


def test_digits_are_filled_up_with_zeros():
  data = set_sources.digit_data({"input": "set"}, PARTS)
  most = max(
    (part.images > 0).sum(axis=(1, 2)).max() for part in PARTS.values()
  )
  for draw, part in zip(data, PARTS.values()):
    sets, _ = draw(jax.random.key(2), 7)
    assert sets.shape == (7, most, 3)
    known = {frozenset(map(tuple, np.argwhere(image))) for image in part.images}
    for own in np.asarray(sets):
      real = own[:, 2] == 1
      assert not own[~real].any()
      points = frozenset(map(tuple, np.round(own[real, :2] * 4).astype(int)))
      assert points in known and len(points) == real.sum()


def test_digits_have_no_rotation():
  with pytest.raises(ValueError, match="input 'phase' is for polygons"):
    set_sources.digit_data({"input": "phase"}, PARTS)
