"""One function for one member, run for all members of a program.

Arrays have the member as their first axis, which is laid over the mesh axis
`member`. On each device the members run side by side on an accelerator, which
would otherwise idle, and one after another on a CPU core, whose caches hold one
member and not forty. The mesh axis `data` is for the shares of a batch.
Letters: M members, on the devices padded to a multiple of their number with
copies that never train.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

MEMBER, DATA = "member", "data"


def make_mesh(num_members: int, num_shares: int = 1) -> Mesh:
  """Returns a mesh of as many devices as there is use for.

  Args:
    num_members: M.
    num_shares: Of a batch.
  """
  devices = jax.devices()
  rows = max(1, min(num_members, len(devices) // num_shares))
  devices = np.array(devices[: rows * num_shares]).reshape(rows, num_shares)
  return Mesh(devices, (MEMBER, DATA), axis_types=(AxisType.Auto,) * 2)


def padded_size(num_members: int, mesh: Mesh) -> int:
  """Returns the smallest multiple of the mesh's members that is enough."""
  rows = mesh.shape[MEMBER]
  return -(-num_members // rows) * rows


def sharding(mesh: Mesh, is_shared: bool = False) -> NamedSharding:
  """Returns how `over_members` wants arrays laid out.

  Args:
    mesh: From `make_mesh`.
    is_shared: Whether all members get the same.
  """
  spec = PartitionSpec() if is_shared else PartitionSpec(MEMBER)
  return NamedSharding(mesh, spec)


def padded(tree: Any, mesh: Mesh) -> Any:
  """Returns arrays [M, ...] with copies of the first entry up to that size.

  Args:
    tree: Of arrays on the host, one entry per member.
    mesh: From `make_mesh`.
  """

  def pad(x: np.ndarray) -> np.ndarray:
    extra = padded_size(len(x), mesh) - len(x)
    return np.concatenate([x, x[:1].repeat(extra, axis=0)]) if extra else x

  return jax.tree.map(pad, tree)


def place(tree: Any, mesh: Mesh, is_shared: bool = False) -> Any:
  """Moves host arrays to where `over_members` wants them.

  Args:
    tree: Of arrays on the host, with one entry per member unless shared.
    mesh: From `make_mesh`.
    is_shared: Whether all members get the same.
  """
  if not is_shared:
    tree = padded(tree, mesh)
  # A program takes over memory, which must not be shared with numpy.
  return jax.device_put(tree, sharding(mesh, is_shared), may_alias=False)


def over_members(
  function: Callable[..., Any],
  mesh: Mesh,
  shared: Sequence[int] = (),
  donate: Sequence[int] = (),
) -> Callable[..., Any]:
  """Returns a jitted function of all members from that of one.

  Args:
    function: Of trees of arrays, for one member.
    mesh: From `make_mesh`.
    shared: Positions of the arguments that are the same for all members and
      have no member axis.
    donate: Positions of the arguments whose memory may be taken over.
  """
  on_cpu = mesh.devices.flat[0].platform == "cpu"

  def all_members(*args):
    own = [a for i, a in enumerate(args) if i not in shared]

    def member(own):
      own = iter(own)
      return function(
        *(a if i in shared else next(own) for i, a in enumerate(args))
      )

    if {len(x) for x in jax.tree.leaves(own)} == {1}:
      result = member(jax.tree.map(lambda x: x[0], own))
      return jax.tree.map(lambda x: x[None], result)
    return jax.lax.map(member, own) if on_cpu else jax.vmap(member)(own)

  specs = PartitionSpec(), PartitionSpec(MEMBER)

  def sharded(*args):
    return jax.shard_map(
      all_members,
      mesh=mesh,
      in_specs=tuple(specs[i not in shared] for i in range(len(args))),
      out_specs=specs[1],
      check_vma=False,
    )(*args)

  return jax.jit(sharded, donate_argnums=tuple(donate))
