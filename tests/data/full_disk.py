"""A disk that is full after some files."""

from __future__ import annotations

import errno

import numpy as np


def fill_the_disk(monkeypatch, after: int) -> None:
  """Lets np.save write `after` files, then fail as on a full disk."""
  save, count = np.save, iter(range(1000))

  def failing(*args, **kwargs):
    if next(count) >= after:
      raise OSError(errno.ENOSPC, "No space left on device")
    save(*args, **kwargs)

  monkeypatch.setattr(np, "save", failing)
