"""One function for one member, run for all members of a population.

The member axis is the first axis of every array. It is laid over all devices;
on each the members run side by side on an accelerator, which would otherwise
idle, and one after another on a CPU core, whose caches hold one member and not
forty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "member"


def member_mesh(num_members: int) -> Mesh:
  """Returns a mesh of as many devices as there is use for.

  Args:
    num_members: M.
  """
  devices = np.array(jax.devices()[:num_members])
  return Mesh(devices, (AXIS,), axis_types=(AxisType.Auto,))


def padded_size(num_members: int, mesh: Mesh) -> int:
  """Returns the smallest multiple of the number of devices that is enough."""
  return -(-num_members // mesh.size) * mesh.size


def padded(tree: Any, mesh: Mesh) -> Any:
  """Returns arrays [M, ...] with copies of the first entry up to that size.

  Args:
    tree: Of arrays on the host, one entry per member.
    mesh: From `member_mesh`.
  """

  def pad(x: np.ndarray) -> np.ndarray:
    extra = padded_size(len(x), mesh) - len(x)
    return np.concatenate([x, x[:1].repeat(extra, axis=0)]) if extra else x

  return jax.tree.map(pad, tree)


def over_members(
  function: Callable[..., Any],
  mesh: Mesh,
  shared: Sequence[int] = (),
  donate: Sequence[int] = (),
) -> Callable[..., Any]:
  """Returns a jitted function of all members from that of one.

  Args:
    function: Of trees of arrays, for one member.
    mesh: From `member_mesh`.
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

    return jax.lax.map(member, own) if on_cpu else jax.vmap(member)(own)

  specs = PartitionSpec(), PartitionSpec(AXIS)

  def spread(*args):
    return jax.shard_map(
      all_members,
      mesh=mesh,
      in_specs=tuple(specs[i not in shared] for i in range(len(args))),
      out_specs=specs[1],
      check_vma=False,
    )(*args)

  return jax.jit(spread, donate_argnums=tuple(donate))


def sharding(mesh: Mesh, is_shared: bool = False) -> NamedSharding:
  """Returns how `over_members` wants arrays laid out; see `place`."""
  spec = PartitionSpec() if is_shared else PartitionSpec(AXIS)
  return NamedSharding(mesh, spec)


def place(tree: Any, mesh: Mesh, is_shared: bool = False) -> Any:
  """Moves arrays to where `over_members` wants them.

  Args:
    tree: Of arrays; their first axis is the member's unless shared.
    mesh: From `member_mesh`.
    is_shared: Whether all members get the same.
  """
  return jax.device_put(tree, sharding(mesh, is_shared))
