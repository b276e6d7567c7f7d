"""One function for one member, run for all members of a program.

Arrays have the member as their first axis, which is laid over the mesh axis
`member`. On each device the members run side by side on an accelerator, which
would otherwise idle, and one after another on a CPU core, whose caches hold one
member and not forty. The shares of a batch are laid over the mesh axis `data`,
along which all else is the same. Every process has equally many of the shares,
and all of the members: it can fetch what it needs without asking another.
Letters: M members, on the devices padded to a multiple of their number with
copies that never train; D shares of a batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gnn_readout import shares
from gnn_readout.wording import counted

MEMBER, DATA = "member", "data"


def make_mesh(num_members: int, num_shares: int = 1) -> Mesh:
  """Returns a mesh of as many devices as there is use for.

  Args:
    num_members: M.
    num_shares: D.

  Raises:
    ValueError: If there are fewer devices than shares, or the processes cannot
      have equally many of them.
  """
  own = shares.own(num_shares)
  size, available = own.stop - own.start, jax.local_device_count()
  if size > available:
    processes = jax.process_count()
    each = f" in each of {processes} processes" * (processes > 1)
    raise ValueError(
      f"num_devices={num_shares} is more than available: there are"
      f" {counted(available, 'device')}{each}, at most {available * processes}"
    )
  rows = max(1, min(num_members, available // size))
  by_process: dict[int, list[Any]] = {}
  for device in jax.devices():
    by_process.setdefault(device.process_index, []).append(device)
  columns = [
    np.array(by_process[process][: rows * size]).reshape(rows, size)
    for process in sorted(by_process)
  ]
  devices = np.concatenate(columns, axis=1)  # [rows, D]
  return Mesh(devices, (MEMBER, DATA), axis_types=(AxisType.Auto,) * 2)


def padded_size(num_members: int, mesh: Mesh) -> int:
  """Returns the smallest multiple of the mesh's members that is enough."""
  rows = mesh.shape[MEMBER]
  return -(-num_members // rows) * rows


def data_axis(mesh: Mesh) -> str | None:
  """Returns the mesh axis of the shares, None if a batch is whole."""
  return DATA if mesh.shape[DATA] > 1 else None


def _spec(is_shared: bool, axis: str | None = None) -> PartitionSpec:
  axes = () if is_shared else (MEMBER,)
  return PartitionSpec(*axes, *(() if axis is None else (axis,)))


def padded(tree: Any, mesh: Mesh) -> Any:
  """Returns arrays [M, ...] with copies of the first entry up to that size.

  Args:
    tree: Tree of arrays on the host, one entry per member.
    mesh: From `make_mesh`.
  """

  def pad(x: np.ndarray) -> np.ndarray:
    extra = padded_size(len(x), mesh) - len(x)
    return np.concatenate([x, x[:1].repeat(extra, axis=0)]) if extra else x

  return jax.tree.map(pad, tree)


def place(tree: Any, mesh: Mesh, is_shared: bool = False) -> Any:
  """Moves host arrays to where `over_members` wants them.

  Args:
    tree: Tree of arrays on the host, with one entry per member unless shared.
    mesh: From `make_mesh`.
    is_shared: Whether all members get the same.
  """
  if not is_shared:
    tree = padded(tree, mesh)
  sharding = NamedSharding(mesh, _spec(is_shared))
  if jax.process_count() > 1:
    return _from_parts(tree, sharding)
  # A program takes over memory, which must not be shared with numpy.
  return jax.device_put(tree, sharding, may_alias=False)


def place_batch(
  tree: Any, mesh: Mesh, is_shared: bool, own: slice = slice(None)
) -> Any:
  """Moves host arrays that are only read, and may stay where numpy has them.

  Args:
    tree: Tree of arrays on the host, with one entry per member unless shared,
      and then, if a batch is in several shares, one for each of some of them.
    mesh: From `make_mesh`.
    is_shared: Whether all members get the same.
    own: Which shares they are: those that the devices of this process have.
  """
  if not is_shared:
    tree = padded(tree, mesh)
  sharding = NamedSharding(mesh, _spec(is_shared, data_axis(mesh)))
  if jax.process_count() > 1:
    return _from_parts(tree, sharding, 0 if is_shared else 1, own)
  return jax.device_put(tree, sharding)


def _from_parts(
  tree: Any,
  sharding: NamedSharding,
  axis: int | None = None,
  own: slice = slice(None),
) -> Any:
  """Makes arrays of several processes of what each of them has.

  Args:
    tree: Tree of arrays on the host.
    sharding: Sharding of the result.
    axis: Mesh axis of the shares, if any.
    own: The shares that are in `tree`.
  """
  num_shares = sharding.mesh.shape[DATA]

  def make(x: np.ndarray) -> jax.Array:
    x, shape = np.asarray(x), np.shape(x)
    if axis is not None:
      shape = (*shape[:axis], num_shares, *shape[axis + 1 :])

    def part(index: tuple[slice, ...]) -> np.ndarray:
      index = list(index)
      if axis is not None:
        start = index[axis].start - own.start
        index[axis] = slice(start, start + 1)
      return x[tuple(index)]

    return jax.make_array_from_callback(shape, sharding, part)

  return jax.tree.map(make, tree)


def fetch(tree: Any) -> Any:
  """Returns arrays on the host, with the entries of all members.

  Args:
    tree: Tree of arrays that are the same along the mesh axis `data`.
  """

  def whole(x: Any) -> np.ndarray:
    if not isinstance(x, jax.Array) or x.is_fully_addressable:
      return np.asarray(x)
    result = np.empty(x.shape, x.dtype)
    for shard in x.addressable_shards:
      result[shard.index] = shard.data
    return result

  for x in jax.tree.leaves(tree):  # All at once, then one after another.
    if isinstance(x, jax.Array):
      x.copy_to_host_async()
  return jax.tree.map(whole, tree)


def over_members(
  function: Callable[..., Any],
  mesh: Mesh,
  shared: Sequence[int] = (),
  donate: Sequence[int] = (),
  per_share: Sequence[int] = (),
) -> Callable[..., Any]:
  """Returns a jitted function of all members from that of one.

  Args:
    function: A function of trees of arrays, for one member.
    mesh: From `make_mesh`.
    shared: Positions of the arguments that are the same for all members and
      have no member axis.
    donate: Positions of the arguments whose memory may be taken over.
    per_share: Positions of the arguments that are a batch: if it is in several
      shares, they have an axis of these, which `function` does not see.
  """
  on_cpu = mesh.devices.flat[0].platform == "cpu"
  axis = data_axis(mesh)

  def own_share(i, arg):
    if axis is None or i not in per_share:
      return arg
    position = 0 if i in shared else 1
    return jax.tree.map(lambda x: x.squeeze(position), arg)

  def all_members(*args):
    args = [own_share(i, arg) for i, arg in enumerate(args)]
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

  def sharded(*args):
    specs = [
      _spec(i in shared, axis if i in per_share else None)
      for i in range(len(args))
    ]
    return jax.shard_map(
      all_members,
      mesh=mesh,
      in_specs=tuple(specs),
      out_specs=_spec(is_shared=False),
      check_vma=False,
    )(*args)

  return jax.jit(
    sharded,
    donate_argnums=tuple(donate),
    compiler_options=_options(mesh),
  )


def _options(mesh: Mesh) -> dict[str, bool] | None:
  """Returns how to compile: a device that has one core gets one thread.

  The devices of a CPU share its threads. Where there is one for each core,
  splitting an operation over several threads costs their synchronisation and
  gains nothing. Processes with a device each count as one with all of them.
  """
  on_cpu = [x.platform == "cpu" for x in mesh.devices.flat]
  if not all(on_cpu) or len(os.sched_getaffinity(0)) > len(on_cpu):
    return None
  return {"xla_cpu_multi_thread_eigen": False}
