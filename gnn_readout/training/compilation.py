"""What is compiled for a program, and kept for other programs like it.

Every function takes trees with an entry for each member, which lie on a mesh of
devices.
"""

from __future__ import annotations

import collections
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from gnn_readout.tasks import Problem
from gnn_readout.tasks.base import Functions
from gnn_readout.training import sharding
from gnn_readout.training import step as step_lib

_MOST_COMPILED = 8  # Problems whose functions are kept for others like them.


class Compiled:
  """What is compiled of a problem, for trees with an entry per member.

  Attributes:
    init: (hyper, seeds, example batch) -> states before the first step.
    first_best: states -> what is kept of them as the best so far.
    keep: (better, states, best) -> the best so far, [M] bool `better`.
    predict: Two of (hyper, parameters, model states, batch) -> predictions, by
      whether all members get the same batch.
    step: (hyper, active, states, batch) -> states and losses, to be compiled
      for each shape; where batches come from the host.
    steps: What `step` is compiled to, by shape.
    advance: (hyper, active, number of steps, states) -> states, where batches
      are drawn on the devices; else None.
    is_warm: Whether `advance` has been compiled, by a call.
  """

  def __init__(self, functions: Functions, mesh: Mesh, is_shared: bool):
    """Names what is compiled at the first call.

    Args:
      functions: The pure functions of a member.
      mesh: The devices that the members lie on.
      is_shared: Whether all members are trained on the same batches.
    """
    over = functools.partial(sharding.over_members, mesh=mesh)
    self.init = over(step_lib.make_init(functions), shared=(2,))
    self.first_best = over(
      lambda state: jax.tree.map(jnp.copy, step_lib.best_of(state))
    )
    self.keep = over(_keep, donate=(2,))
    self.predict = [
      over(functions.predict, shared=(3,) if shared else ())
      for shared in (False, True)
    ]
    self.steps: dict[Any, Any] = {}  # By shape.
    self.advance, self.is_warm = None, False
    if functions.sample:
      make = step_lib.make_advance(functions, sharding.data_axis(mesh))
      self.advance = over(make, shared=(2,), donate=(3,))
    else:
      self.step = over(
        step_lib.make_host_step(functions, sharding.data_axis(mesh)),
        shared=(3,) if is_shared else (),
        donate=(2,),
        per_share=(3,),
      )


def _keep(better: Array, state: step_lib.State, best: step_lib.Best) -> Any:
  return jax.tree.map(
    lambda x, y: jnp.where(better, x, y), step_lib.best_of(state), best
  )


_kept: collections.OrderedDict[Any, Compiled] = collections.OrderedDict()


def compiled_for(
  problem: Problem, mesh: Mesh, num_members: int, is_shared: bool
) -> Compiled:
  """Returns what is compiled, for problems of equal identity the same.

  Args:
    problem: The problem of any member.
    mesh: The devices that the members lie on.
    num_members: M.
    is_shared: Whether all members are trained on the same batches.
  """
  if problem.identity is None:
    return Compiled(problem.functions(), mesh, is_shared)
  # With double precision switched on, other types are compiled.
  key = problem.identity, mesh, num_members, is_shared, jax.config.x64_enabled
  if key not in _kept:
    _kept[key] = Compiled(problem.functions(), mesh, is_shared)
  _kept.move_to_end(key)
  while len(_kept) > _MOST_COMPILED:
    _kept.popitem(last=False)
  return _kept[key]
