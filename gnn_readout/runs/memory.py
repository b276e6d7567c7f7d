"""How a process keeps its memory."""

from __future__ import annotations

import ctypes

# The parameters of glibc's mallopt.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


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
