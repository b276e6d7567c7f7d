"""How a process gets its memory, and keeps it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import sys

from gnn_readout import programs

# The parameters of glibc's mallopt.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4

# Who decides of a page whether it is a huge one, and glibc's word for them.
_HUGE_PAGES = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
_TUNABLES, _TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"


def ask_for_huge_pages() -> None:
  """Starts the program again with a C library that asks for huge pages.

  The memory of a compiled step is mapped afresh whenever it runs, in pages of
  4 KiB each of which the kernel clears by itself; in pages of 2 MiB, training
  steps with tens of megabytes or more take up to a quarter less time on a CPU.
  Linux gives them to whoever asks, and glibc asks only if the environment said
  so when the process began. The programs that this one starts inherit it.

  Nothing happens where Linux gives huge pages to all or none, where the
  environment has a word about them already, under a debugger, or if this
  process is not one of our programs from a command line.
  """
  try:
    mode = _HUGE_PAGES.read_text(encoding="ascii")
    os.confstr("CS_GNU_LIBC_VERSION")
  except (OSError, ValueError, AttributeError):  # Another system or library.
    return
  tunables = os.environ.get(_TUNABLES, "")
  if "[madvise]" not in mode or _TUNABLE in tunables or sys.gettrace():
    return
  if not programs.is_command_line():
    return
  os.environ[_TUNABLES] = f"{tunables}:{_TUNABLE}=1".lstrip(":")
  sys.stdout.flush()
  with contextlib.suppress(OSError):  # Then as it is.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def keep_freed_memory() -> None:
  """Tells the C library to keep what is freed instead of returning it.

  A compiled step asks for its scratch memory anew each time it runs. By
  default glibc maps so large a block afresh, and the kernel clears every page
  of it: up to a sixth of a training step's time on a CPU. Other C libraries
  are left as they are.
  """
  mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
  if mallopt is not None:
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_TOP_PAD, 2**28)
