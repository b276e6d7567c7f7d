"""Sets of every awkward size, for the tests of single readouts.

All in float64, and jitted: a readout called op by op compiles each of them.
"""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gnn_readout.graphs import make_sets

D = 5
SIZES = (7, 0, 1, 11, 2)
S = len(SIZES)
N = sum(SIZES) + 3  # Three of padding.
STARTS = np.cumsum((0, *SIZES))


def example(width=D):
  """Returns elements [N, width]; those of the padding are not numbers."""
  elements = np.random.default_rng(0).normal(size=(N, width))
  elements[sum(SIZES) :] = np.nan
  return elements


def each(function, elements, empty=0.0):
  """Returns [S, ...]: `function` of the elements of each set, or `empty`."""
  rows = [
    function(elements[start : start + size]) if size else None
    for start, size in zip(STARTS, SIZES)
  ]
  filler = np.full(np.shape(rows[0]), empty)
  return np.stack([filler if row is None else row for row in rows])


def transformed(make):
  """Returns the Haiku functions of `make()`, of the elements alone."""

  def forward(elements):
    return make()(elements, make_sets(np.array(SIZES), N)).values

  return hk.without_apply_rng(hk.transform(forward))


def init(make, elements):
  """Returns the parameters of `make()`, a readout."""
  with jax.enable_x64(True):
    params = jax.jit(transformed(make).init)(jax.random.key(0), elements)
    return jax.tree.map(np.asarray, params)


def random_parameters(make, elements):
  """Returns parameters of `make()` of which none, no bias either, is zero."""
  rng = np.random.default_rng(1)
  return {
    module: {key: rng.normal(size=np.shape(x)) for key, x in layer.items()}
    for module, layer in init(make, elements).items()
  }


def pool(make, elements, params=None):
  """Returns the values of `make()`; `params` as drawn unless given."""
  params = init(make, elements) if params is None else params
  with jax.enable_x64(True):
    return np.asarray(jax.jit(transformed(make).apply)(params, elements))


def peer(aggregation, elements):
  """Returns what a module of PyTorch Geometric makes of the same sets."""
  import torch

  index = torch.tensor(np.repeat(np.arange(S), SIZES))
  with torch.no_grad():
    values = aggregation.double()(
      torch.tensor(elements[: sum(SIZES)]), index, dim_size=S
    )
  return values.numpy()


def memory_of_large_sets(f):
  """Returns the bytes that a gradient needs, compiled and not run.

  Of 32 sets, 14,000 elements of 64 features in all; a test that asks for it is
  skipped where the backend does not tell.

  Args:
    f: Haiku functions of (elements, sets) to values.
  """
  elements = jax.ShapeDtypeStruct((14_000, 64), jnp.float32)
  sizes = jax.ShapeDtypeStruct((32,), jnp.int32)

  def loss(params, elements, sizes):
    sets = make_sets(sizes, elements.shape[0])
    return jnp.sum(f.apply(params, elements, sets))

  init = lambda x, n: f.init(jax.random.key(0), x, make_sets(n, x.shape[0]))
  params = jax.eval_shape(init, elements, sizes)
  gradient = jax.jit(jax.grad(loss, (0, 1)))
  compiled = gradient.lower(params, elements, sizes).compile()
  memory = compiled.memory_analysis()
  if memory is None:
    pytest.skip("this backend does not tell its memory")
  return memory.temp_size_in_bytes


def set_linear(linear, layer):
  """Copies {'w', 'b'} of Haiku into a torch.nn.Linear."""
  import torch

  with torch.no_grad():
    linear.weight.copy_(torch.tensor(np.asarray(layer["w"]).T))
    linear.bias.copy_(torch.tensor(np.asarray(layer["b"])))
