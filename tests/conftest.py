"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
import pathlib

import pytest

# Half the time of the suite is compilation, of programs that run once. Two
# devices, so that what spreads over devices does.
_FLAGS = (
  "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count=2"
)
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAGS}".strip()


@pytest.fixture(scope="session")
def data_dir() -> pathlib.Path:
  """The folder of real datasets, or a skip that says why."""
  root = os.environ.get("GNN_READOUT_DATA")
  if not root:
    pytest.skip("GNN_READOUT_DATA is not set: no real datasets here")
  return pathlib.Path(root)
