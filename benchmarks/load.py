"""How much of the CPU other programs use while something is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from gnn_readout.files import read_text

MOST = 0.05  # Of the cores; more disturbs what is measured.
_SECONDS = 2.0
_NUM_FIELDS = 8  # user, nice, system, idle, iowait, irq, softirq, steal.
_IDLE = slice(3, 5)


class Sample(NamedTuple):
  """CPU time since the machine started, in seconds.

  Attributes:
    busy: By core, what all programs have used; with what a host took away.
    total: By core, with the time in which it had nothing to do.
    own: What this process and the ended ones that it started have used.
  """

  busy: Mapping[int, float]
  total: Mapping[int, float]
  own: float


def sample() -> Sample | None:
  """Reads the CPU times of the cores that this process may use.

  Returns:
    None where there is no /proc/stat.
  """
  try:
    text = read_text("/proc/stat")
  except OSError:  # Not Linux.
    return None
  times = os.times()
  own = sum(times[:4])  # Without the wall time.
  ticks = os.sysconf("SC_CLK_TCK")
  return parse(text, os.sched_getaffinity(0), ticks)._replace(own=own)


def parse(stat: str, cores: set[int], ticks: int) -> Sample:
  """Returns a sample without `own` from the text of /proc/stat.

  Args:
    stat: The text.
    cores: Those that count.
    ticks: A second has.
  """
  busy, total = {}, {}
  for line in stat.splitlines():
    name, *fields = line.split()
    core = name.removeprefix("cpu")
    if name == core or not core.isdigit() or int(core) not in cores:
      continue
    spent = [int(field) / ticks for field in fields[:_NUM_FIELDS]]
    total[int(core)] = sum(spent)
    busy[int(core)] = sum(spent) - sum(spent[_IDLE])
  return Sample(busy, total, 0.0)


def share_of_others(
  before: Sample | None, after: Sample | None
) -> float | None:
  """Returns what others used between two samples, of the time of all cores.

  Args:
    before: The earlier.
    after: The later.

  Returns:
    From 0 to 1; None where it cannot be measured.
  """
  if before is None or after is None:
    return None
  total = sum(after.total.values()) - sum(before.total.values())
  busy = sum(after.busy.values()) - sum(before.busy.values())
  others = busy - (after.own - before.own)
  return min(max(others / total, 0.0), 1.0) if total > 0 else 0.0


def now(
  seconds: float = _SECONDS, wait: Callable[[float], None] = time.sleep
) -> float | None:
  """Returns what others use of the cores, over some seconds of waiting.

  Args:
    seconds: How long to look.
    wait: Lets them pass.
  """
  before = sample()
  if before is not None:
    wait(seconds)
  return share_of_others(before, sample())


def is_quiet(share: float | None) -> bool:
  """Returns whether a share disturbs nothing; one that is not known does not.

  Args:
    share: As `share_of_others` returns it.
  """
  return share is None or share <= MOST
