"""The tables of the polygons say what the records say."""

from __future__ import annotations

import pytest

from gnn_readout.report.blocks import Figure, Table
from gnn_readout.report.sections import polygons


@pytest.fixture
def records(polygon):
  return [
    polygon("fspool,direct", 4, 0, 1e-5),
    polygon("fspool,direct", 4, 1, 3e-5),
    polygon("fspool,direct", 8, 0, 7e-5),
    polygon("mlp,chamfer", 4, 0, 0.005),
  ]


def test_cells_are_means_in_hundredths(records):
  rows = polygons.table(records, "hungarian")
  ours = {r["model, loss"]: r for r in rows if r["source"] == "ours"}
  assert ours["fspool,direct"]["n = 4"] == "0.0020 ± 0.0014"
  assert ours["fspool,direct"]["n = 8"] == "0.0070"
  assert ours["mlp,chamfer"] == {
    "model, loss": "mlp,chamfer",
    "source": "ours",
    "n = 4": "0.5000",
    "n = 8": "",
  }
  thesis = {r["model, loss"]: r for r in rows if r["source"] == "thesis"}
  assert thesis["mlp,chamfer"]["n = 4"] == "0.885"
  assert thesis["random"]["n = 8"] == "2.556"


def test_the_direct_loss_is_of_what_keeps_an_order(records):
  rows = polygons.table(records, "direct")
  assert {r["model, loss"] for r in rows} == {"fspool,direct", "random"}
  assert rows[0]["n = 8"] == "0.0210"


def test_what_was_changed_is_another_row(polygon):
  changed = [
    polygon("fspool,direct", 4, 0, 1e-2, latent_value=0.0),
    polygon("fspool,direct", 4, 1, 1e-2, temperature=1e-6),
  ]
  rows = polygons.table(changed, "chamfer")
  assert [r["model, loss"] for r in rows if r["source"] == "ours"] == [
    "fspool,direct; latent vector always 0",
    "fspool,direct; temperature 1e-06",
  ]


def test_the_section(records, molecule, failed):
  failures = [failed(problem="polygons"), molecule()]
  blocks = polygons.make([*failures, *records])
  assert len([block for block in blocks if isinstance(block, Table)]) == 3
  (figure,) = [block for block in blocks if isinstance(block, Figure)]
  assert figure.data["png"][:4] == b"\x89PNG"
  assert "2 seeds" in blocks[0]
  # The worst of fspool at 4 points is 3e-5, the best of the MLPs .005.
  assert any("is 167 to 167 times lower" in str(block) for block in blocks)
  assert "train fspool,direct 4" in blocks[0]


def test_nothing_to_report(molecule, failed):
  assert polygons.make([molecule(), failed(problem="polygons")]) == []
