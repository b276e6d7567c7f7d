"""Schedules of the learning rate."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout import optimizers


def _updates(schedule, num_steps, count=7):
  """Returns the steps that a constant gradient causes, one after another."""
  optimizer = optimizers.make_optimizer(0.1, schedule, 3, num_steps, 2)
  state, found = optimizer.init(jnp.zeros(())), []
  for _ in range(count):
    update, state = optimizer.update(jnp.ones(()), state)
    found.append(float(update))
  return found


@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
def test_the_length_of_a_run_matters_to_those_that_say_so(schedule):
  is_same = np.array_equal(_updates(schedule, 10), _updates(schedule, 20))
  assert is_same == (schedule not in optimizers.OF_LENGTH)
