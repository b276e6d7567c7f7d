"""A function and its gradients against those of another."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def assert_same(ours, theirs, arguments, weights, atol=1e-12):
  """Compares values, and the gradients of sum(values * weights).

  Args:
    ours: From the arguments to values, or to a tuple that begins with them.
    theirs: Likewise.
    arguments: The gradient is taken in all of them.
    weights: Of the values' shape.
    atol: Beside a relative tolerance of 1e-10.
  """

  def pulled(function):
    def objective(*arguments):
      values = function(*arguments)
      return jnp.sum(jax.tree.leaves(values)[0] * weights), values

    every = tuple(range(len(arguments)))
    return jax.jit(jax.grad(objective, every, has_aux=True))(*arguments)

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=atol),
    pulled(ours),
    pulled(theirs),
  )
