"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def data_dir() -> pathlib.Path:
  """The folder of real datasets, or a skip that says why."""
  root = os.environ.get("GNN_READOUT_DATA")
  if not root:
    pytest.skip("GNN_READOUT_DATA is not set: no real datasets here")
  return pathlib.Path(root)
