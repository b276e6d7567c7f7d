"""A machine whose load, devices and rates are what a test says."""

from __future__ import annotations

import pytest

from benchmarks import load, recording

COMMAND = "python -m launch.benchmark data"


@pytest.fixture
def machine(monkeypatch):
  """Its fields are what others use, before and meanwhile, and the device."""

  class Machine:
    before = 0.0
    meanwhile = 0.0
    code = "aa"
    device = "a machine"

    def environment(self):
      return {
        "git_commit": "f" * 40,
        "git_dirty": False,
        "versions": {"jax": "1"},
        "hardware": {
          "platform": "cpu",
          "device": self.device,
          "cpu_count": 3,
        },
        "code": self.code,
      }

  found = Machine()
  monkeypatch.setattr(load, "now", lambda: found.before)
  monkeypatch.setattr(load, "sample", lambda: None)
  monkeypatch.setattr(
    load, "share_of_others", lambda before, after: found.meanwhile
  )
  monkeypatch.setattr(recording, "environment", found.environment)
  return found


@pytest.fixture
def rate():
  """Makes the row of a rate, as `timing.compare` does."""

  def make(ours=100.0, iqr=3.0, name="thing", **more):
    return {
      "name": name,
      "unit": "graphs/s",
      "against": "pyg",
      "ours": ours,
      "peer": 50.0,
      "ratio": ours / 50.0,
      "iqr": {"ours": iqr, "peer": 1.0},
      "runs": {"ours": [ours], "peer": [50.0]},
      **more,
    }

  return make
