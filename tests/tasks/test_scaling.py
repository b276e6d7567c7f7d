"""Targets in units of their own spread."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.tasks import scaling
from gnn_readout.tasks.scaling import Scaling


def test_mean_and_deviation_of_what_is_known():
  rng = np.random.default_rng(0)
  labels = rng.normal(100, [1, 10, 1e-3], (31, 3)).astype(np.float32)
  labels[rng.random(labels.shape) < 0.3] = np.nan
  found = Scaling.of(labels)
  wide = labels.astype(np.float64)
  np.testing.assert_allclose(found.mean, np.nanmean(wide, axis=0), rtol=1e-12)
  np.testing.assert_allclose(found.std, np.nanstd(wide, axis=0), rtol=1e-9)
  z = found.scaled(wide)
  np.testing.assert_allclose(np.nanmean(z, axis=0), 0, atol=1e-9)
  np.testing.assert_allclose(np.nanstd(z, axis=0), 1)
  np.testing.assert_allclose(found.unscaled(z), wide)


@pytest.mark.parametrize(
  ("column", "mean", "std"),
  [
    ([0.1] * 7, np.float32(0.1), 1),  # Rounding would give 1e-17.
    ([np.nan, 5, np.nan], 5, 1),
    ([np.nan] * 3, 0, 1),
    ([], 0, 1),
    ([-3e38, 3e38], 0, np.float32(3e38)),
    (
      [0, 1e-44],
      float(np.float32(1e-44)) / 2,
      1,
    ),  # No float32 holds its inverse.
  ],
)
def test_targets_that_cannot_be_divided(column, mean, std):
  found = Scaling.of(np.array(column, np.float32)[:, None])
  assert (found.mean[0], found.std[0]) == (mean, std)
  scaled = found.scaled(np.array(column, np.float64)[:, None])
  assert (
    not np.isinf(scaled).any() and (np.abs(np.nan_to_num(scaled)) <= 1).all()
  )


def test_it_lies_in_the_state_of_the_model_and_comes_out_again():
  own = {"norm": {"mean": np.ones(2)}}
  made = Scaling(np.zeros(3), np.ones(3))
  state = scaling.put(own, made)
  found, rest = scaling.take(state)
  assert found == made and rest == own
  assert scaling.take(scaling.put(own, None)) == (None, own)
  assert Scaling.from_fields({**made.fields(), "rate": 1.0}) == made
