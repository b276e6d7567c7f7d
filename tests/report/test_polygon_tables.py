"""The tables of the polygons say what the records say."""

from __future__ import annotations

import json

import pytest

from gnn_readout.records import NoRecordsError
from gnn_readout.report.blocks import Figure, Table
from gnn_readout.report.sections import polygons


def record(variant, num_points, seed, hungarian, **model):
  decoder, loss = variant.split(",")
  readout = {"name": "fspool", "num_knots": 3, "temperature": 1.0}
  readout |= {k: v for k, v in model.items() if k in readout}
  fields = {"decoder": decoder, "latent_value": None, "readout": readout}
  fields |= {k: v for k, v in model.items() if k in fields}
  return {
    "schema_version": 1,
    "name": f"{variant}-{num_points}-{seed}",
    "command": f"train {variant} {num_points}",
    "task": "polygons",
    "config": {
      "batch_size": 16,
      "loss": loss,
      "num_points": num_points,
      "model": fields,
      "optimizer": {"learning_rate": 0.001},
    },
    "seed": seed,
    "num_parameters": 7,
    "steps": 1024,
    "curves": {"train": [], "valid": [], "diagnostics": {}},
    "best": {"step": 512, "valid": hungarian},
    "test": {
      "metric": "hungarian",
      "value": hungarian,
      "step": 512,
      "scores": {
        "hungarian": hungarian,
        "chamfer": 2 * hungarian,
        "direct": 3 * hungarian,
      },
    },
    "lower_is_better": True,
    "failure": "",
    "wall_seconds": 1.0,
    "num_members": 1,
    "note": "",
    "describe": {"fspool_knots": [[1.0, 0.0, num_points]] * 2},
  }


@pytest.fixture
def write(tmp_path):
  folder = tmp_path / "records" / "tasks"
  folder.mkdir(parents=True)

  def write(*records):
    for r in records:
      (folder / f"{r['name']}.json").write_text(json.dumps(r))
    return tmp_path

  return write


RECORDS = [
  record("fspool,direct", 4, 0, 1e-5),
  record("fspool,direct", 4, 1, 3e-5),
  record("fspool,direct", 8, 0, 7e-5),
  record("mlp,chamfer", 4, 0, 0.005),
]


def test_cells_are_means_in_hundredths():
  rows = polygons.table(RECORDS, "hungarian")
  ours = {r["model, loss"]: r for r in rows if r[""] == "ours"}
  assert ours["fspool,direct"]["n = 4"] == "0.0020 ± 0.0014"
  assert ours["fspool,direct"]["n = 8"] == "0.0070"
  assert ours["mlp,chamfer"] == {
    "model, loss": "mlp,chamfer",
    "": "ours",
    "n = 4": "0.5000",
    "n = 8": "",
  }
  thesis = {r["model, loss"]: r for r in rows if r[""] == "thesis"}
  assert thesis["mlp,chamfer"]["n = 4"] == "0.885"
  assert thesis["random"]["n = 8"] == "2.556"


def test_the_direct_loss_is_of_what_keeps_an_order():
  rows = polygons.table(RECORDS, "direct")
  assert {r["model, loss"] for r in rows} == {"fspool,direct", "random"}
  assert rows[0]["n = 8"] == "0.0210"


def test_what_was_changed_is_another_row():
  changed = [
    record("fspool,direct", 4, 0, 1e-2, latent_value=0.0),
    record("fspool,direct", 4, 1, 1e-2, temperature=1e-6),
  ]
  rows = polygons.table(changed, "chamfer")
  assert [r["model, loss"] for r in rows if r[""] == "ours"] == [
    "fspool,direct; latent vector always 0",
    "fspool,direct; temperature 1e-06",
  ]


def test_the_section(write):
  section = polygons.section(write(*RECORDS))
  tables = [b for b in section.blocks if isinstance(b, Table)]
  assert len(tables) == 3
  (figure,) = [b for b in section.blocks if isinstance(b, Figure)]
  assert figure.data["png"][:4] == b"\x89PNG"
  assert "2 seeds" in section.blocks[0]
  # The worst of fspool at 4 points is 3e-5, the best of the MLPs .005.
  assert any("is 167 to 167 times lower" in str(b) for b in section.blocks)
  assert "train fspool,direct 4" in section.blocks[0]


def test_nothing_to_report_says_what_to_run(write):
  with pytest.raises(NoRecordsError, match="launch.train --config=configs/pol"):
    polygons.section(write())
