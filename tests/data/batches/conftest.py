"""Plans of every mode."""

import pytest

from gnn_readout.data import batches
from tests.data.batches.taking import MODES


@pytest.fixture(params=MODES)
def plan(request, nasty_store):
  return batches.make_plan(nasty_store, "train", seed=3, **MODES[request.param])
