"""Several processes that train together, on one host or on many.

Each has some of the devices. The first, process 0, alone writes and speaks.
Whether to stop, and whether something went wrong before the first step, they
agree upon. A process alone is the first, and agrees with itself.
"""

from __future__ import annotations

import functools
import itertools
import os
import socket
import sys
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:  # At run time it is imported where it is needed.
  from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")

_LONGEST = 2000  # Bytes of a message.

_calls = itertools.count(1)
_shared: list[Exception] = []  # Errors for which all processes end.


class Launcher(NamedTuple):
  """What starts processes together, and tells each of them about it.

  Attributes:
    name: Its name.
    size: The variable that holds the number of processes.
    rank: The variable that holds the number of this one.
  """

  name: str
  size: str
  rank: str


LAUNCHERS = (
  # Of the step: a batch script is one process, however many tasks it may start.
  Launcher("Slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
  Launcher("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
)


def join(
  coordinator: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
) -> int:
  """Joins the other processes of a run, if there are any.

  To be called before JAX looks for its devices. What processes but the first
  print on standard output goes nowhere.

  Args:
    coordinator: HOST:PORT of the first process; None if Slurm or Open MPI has
      started them all.
    num_processes: Number of processes; it comes with a coordinator.
    process_id: Number of this process, from 0; it comes with a coordinator.

  Returns:
    The number of processes.

  Raises:
    ValueError: If the arguments do not fit together, or the others cannot be
      reached.
  """
  given = coordinator, num_processes, process_id
  if given == (None, None, None):
    found = [x for x in LAUNCHERS if int(os.environ.get(x.size, 1)) > 1]
    if not found:
      return 1
    size, rank = (int(os.environ[name]) for name in found[0][1:])
    arguments = {}
  else:
    _check(*given)
    size, rank = num_processes, process_id
    arguments = {
      "coordinator_address": coordinator,
      "num_processes": size,
      "process_id": rank,
    }
  import jax

  try:
    jax.distributed.initialize(**arguments)
  except (RuntimeError, ValueError) as error:
    text = str(error).strip().splitlines()[0]
    raise ValueError(
      f"process {rank} of {size} cannot join the others: {text}; give each of"
      " them --coordinator=HOST:PORT, --num_processes and --process_id"
    ) from error
  if rank:
    # To the very end.
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
  return size


def _check(
  coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
  if None in (coordinator, num_processes, process_id):
    raise ValueError(
      "--coordinator, --num_processes and --process_id belong together, got"
      f" {coordinator}, {num_processes} and {process_id}"
    )
  if not coordinator.rpartition(":")[2].isdecimal():
    raise ValueError(f"--coordinator must be HOST:PORT, got {coordinator!r}")
  if not 0 <= process_id < num_processes:
    raise ValueError(
      f"--process_id must be from 0 to {num_processes - 1}, got {process_id}"
    )


def count() -> int:
  """Returns how many processes train together."""
  import jax

  return jax.process_count()


def is_first() -> bool:
  """Returns whether this process is the one that writes."""
  import jax

  return jax.process_index() == 0


@functools.cache
def num_hosts() -> int:
  """Returns on how many hosts the processes are; all of them must ask."""
  name = zlib.crc32(socket.gethostname().encode())
  return len(set(gather([name])[:, 0].tolist()))


def gather(numbers: ArrayLike) -> NDArray[Any]:
  """Returns [processes, K] the K numbers of each; all of them must ask."""
  import numpy as np

  numbers = np.asarray(numbers, np.uint32)
  if count() == 1:
    return numbers[None]
  from jax.experimental import multihost_utils

  return np.asarray(multihost_utils.process_allgather(numbers))


def first(function: Callable[[], T]) -> T | None:
  """Calls a function in the first process; its error is that of all.

  Returns:
    What it returns; None in the other processes.

  Raises:
    ValueError: If the function does.
    OSError: If the function does.
    SystemExit: In the other processes, with status 1.
  """
  return _together(function, is_first())


def in_turn(function: Callable[[], T]) -> T:
  """Calls a function in the first process and then in the others.

  So the others find what the first has written. An error of one is that of
  all; see `first`.
  """
  result = first(function)
  if count() == 1:
    return result
  rest = _together(function, not is_first())
  return result if is_first() else rest


def _together(function: Callable[[], T], is_asked: bool) -> T | None:
  result, error = None, None
  try:
    if is_asked:
      result = function()
  except (ValueError, OSError) as raised:
    if count() == 1:
      raise
    error = raised
  if count() == 1:
    return result
  text = "" if error is None else f"{error}"[:_LONGEST] or "an error"
  sent = list(text.encode()[:_LONGEST].ljust(_LONGEST, b"\0"))
  received = [bytes(row.astype("u1")).rstrip(b"\0") for row in gather(sent)]
  for number, said in enumerate(received):
    if not said:
      continue
    if error is None and is_first():
      error = ValueError(f"process {number}: {said.decode(errors='replace')}")
    if error is None:  # Who had the error says so.
      sys.exit(1)
    _shared.append(error)
    raise error
  return result


def check_same(number: int, what: str) -> None:
  """Refuses to continue where the processes do not see the same files.

  Args:
    number: What this process sees.
    what: What it is the number of.

  Raises:
    ValueError: If another process sees another one.
  """
  seen = gather([number])[:, 0].tolist()
  if len(set(seen)) > 1:
    raise ValueError(
      f"{what} is {', '.join(map(str, seen))} for processes 0 to"
      f" {len(seen) - 1}: all processes must see the same folder"
    )


def agree_to_stop(stop: list[str]) -> None:
  """Adds an entry to `stop` if some process has had the signal to stop.

  All processes must call it after every step, and get it after the same one.

  Args:
    stop: As `signals.stop_signals` yields it.
  """
  if count() == 1 or stop:
    return
  from jax.experimental import multihost_utils

  if multihost_utils.reached_preemption_sync_point(next(_calls)):
    stop.append("SIGTERM")


def leave(status: int) -> None:
  """Ends this process at once, if there are others that do not know why.

  Otherwise it would wait for them at its end, and they for it at a step.

  Args:
    status: Exit status of the process.
  """
  if _shared:
    return
  jax = sys.modules.get("jax")
  if jax and jax.distributed.is_initialized():
    for stream in (sys.stdout, sys.stderr):
      stream.flush()
    os._exit(status)
