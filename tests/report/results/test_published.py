"""Published numbers against what they must be."""

from __future__ import annotations

import math

import pytest

from gnn_readout.report.results import published


@pytest.mark.parametrize("n", [2, 4, 8, 16, 32, 64])
def test_a_random_polygon_is_as_far_off_as_chance_has_it(n):
  # The mean of 1 - cos(t) for t ~ U(0, pi / n); two digits are printed.
  error = 1 - math.sin(math.pi / n) / (math.pi / n)
  wanted = {"direct": 1, "chamfer": 2 * error, "hungarian": error}
  for metric, value in wanted.items():
    loss = published.polygon_loss(metric, "random", n)
    assert loss == pytest.approx(value, rel=0.025)


def test_a_loss_of_the_tables():
  assert published.polygon_loss("chamfer", "mlp,hungarian", 4) == 0.4 / 100
  assert published.polygon_loss("hungarian", "mlp,chamfer", 64) == 0.285 / 100
  assert published.polygon_loss("direct", "mlp,chamfer", 64) is None
  assert published.polygon_loss("chamfer", "mlp,chamfer", 3) is None


def test_published_numbers_are_fractions_and_unique():
  keys = set()
  for row in published.molecules():
    assert row.metric == "minutes" or 0 < row.value < 1
    assert row.split in ("test", "valid", "train")
    key = (row.dataset, row.model, row.readout, row.width, row.metric,
           row.split, row.source, row.setting)  # fmt: skip
    assert key not in keys
    keys.add(key)


def test_published_numbers_match_the_papers():
  def value(model: str, readout: str, split: str) -> float:
    return published.find(
      "ogbg-molpcba", model, readout, 300, "ap", split
    ).value

  assert value("gcn", "equilibrium", "test") == 0.252
  assert value("gin", "pna", "valid") == 0.262
  assert value("equilibrium", "equilibrium", "test") == 0.258
  assert value("gin+virtual_node", "mean", "test") == 0.2703
  times = [
    row.value for row in published.molecules() if row.metric == "minutes"
  ]
  assert times == [330, 470, 608, 944]
  assert published.find("ogbg-molpcba", "gcn", "sum", 64, "ap", "test") is None


def test_published_numbers_as_printed():
  collab = published.tu("tu/COLLAB", "gin", "fspool")
  assert collab[3:7] == (0.8, 0.004, 124, 56)
  reddit = published.tu("tu/REDDIT-MULTI-5K", "gin", "mean")
  assert reddit[3:5] == (0.481, 0.02)
  ptc = published.tu("tu/PTC_MR", "gin0", "sum")
  assert ptc[3:7] == (0.646, None, None, None)
  assert published.tu("tu/MUTAG", "gin", "mean") is None
  assert published.tu("tu/MUTAG", "gin0", "fspool") is None
  assert published.tu("tu/ENZYMES", "gin", "sum") is None
  assert published.tu_size("tu/NCI1", "gin") == (500, 8)
  assert published.tu_size("tu/COLLAB", "gin") == (250, 4)
  assert published.tu_size("tu/COLLAB", "gin0") == (350, 4)
  assert published.tu_size("tu/ENZYMES", "gin") is None


def test_published_means_are_those_of_the_paper():
  # Xu et al.'s own numbers, of configs/tu.py and many later papers.
  gin0 = {"tu/IMDB-BINARY": 75.1, "tu/REDDIT-BINARY": 92.4, "tu/MUTAG": 89.4,
          "tu/PROTEINS": 76.2, "tu/NCI1": 82.7}  # fmt: skip
  for name, percent in gin0.items():
    found = published.tu(name, "gin0", published.base_readout(name))
    assert found.accuracy == pytest.approx(percent / 100)


@pytest.mark.parametrize("name", ["molecules", "polygons", "tu"])
def test_every_number_has_a_source(name):
  rows = published._rows(name)
  assert rows and all(row["source"] for row in rows)
