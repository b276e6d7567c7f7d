"""Published numbers against what they must be."""

from __future__ import annotations

import math

import pytest

from configs import denoising, mosaics, scenes, set_prediction
from gnn_readout.report.results import published
from gnn_readout.statistics import wilcoxon
from gnn_readout.tasks.scenes import TARGETS


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


# The tables once more, typed from the papers a second time and line by line, in
# the papers' own layout; nothing of them was copied from the files.
_TABLE_2 = """
gcn sum .223 .203
gcn attention .248 .229
gcn pna .226 .209
gcn equilibrium .269 .252
gin sum .255 .232
gin attention .254 .234
gin pna .262 .244
gin equilibrium .263 .246
equilibrium equilibrium .269 .258
"""
_E_TABLES = {
  "E.1": ("gcn", "1 step: .235, 2 steps: .257, 5 steps: .263, 10 steps: .268"),
  "E.3": (
    "gin",
    "weight 1e-4: .250, weight 1e-3: .261, weight 1e-2: .257,"
    " weight 1e-1: .254, weight 1: .263",
  ),
  "E.4": ("gcn", "10%: .208, 30%: .218, 60%: .228, 100%: .233, 130%: .222"),
}
_HOURS = {
  "": "5:30",
  "2 steps": "7:50",
  "5 steps": "10:08",
  "10 steps": "15:44",
}
# Validation and test, mean and deviation.
_LEADERBOARD = """
molhiv gcn 82.04 1.41 76.06 0.97
molhiv gin 82.32 0.90 75.58 1.40
molhiv gcn+virtual_node 83.84 0.91 75.99 1.19
molhiv gin+virtual_node 84.79 0.68 77.07 1.49
molpcba gcn 20.59 0.33 20.20 0.24
molpcba gin 23.05 0.27 22.66 0.28
molpcba gcn+virtual_node 24.95 0.42 24.24 0.34
molpcba gin+virtual_node 27.98 0.25 27.03 0.23
molpcba pna 29.26 0.26 28.38 0.35
"""
_BASELINES = """
moltox21 gcn 75.29 0.69
moltox21 gin 74.91 0.51
moltoxcast gcn 63.54 0.42
moltoxcast gin 63.41 0.74
"""
_POLYGONS = """
direct fspool,direct 0.000 0.001 0.000 0.000 0.000 0.0001
direct random 100.323 100.134 99.367 99.951 99.438 99.523
chamfer fspool,direct 0.001 0.001 0.001 0.000 0.001 0.002
chamfer mlp,chamfer 1.189 1.771 0.274 1.272 0.316 0.085
chamfer mlp,hungarian 1.517 0.400 0.251 1.266 0.326 0.081
chamfer random 72.848 19.866 5.112 1.271 0.322 0.081
hungarian fspool,direct 0.000 0.001 0.000 0.000 0.000 0.001
hungarian mlp,chamfer 0.595 0.885 0.137 0.641 0.160 0.285
hungarian mlp,hungarian 0.758 0.200 0.126 0.634 0.163 0.040
hungarian random 36.424 9.933 2.556 0.635 0.161 0.041
"""
_SOCIAL = """
IMDB-BINARY IMDB-MULTI REDDIT-BINARY REDDIT-MULTI-5K COLLAB
75.1 52.3 92.4 57.5 80.2
72.1 2.0 49.9 1.7 89.1 1.2 51.8 0.9 80.0 0.4
95 70 27 23 124 64 66 31 124 56
71.3 1.2 48.8 1.7 84.8 1.7 48.1 2.0 80.3 0.4
83 73 57 59 156 58 211 27 204 26
"""
_BIO = """
MUTAG PROTEINS PTC_MR NCI1
89.4 76.2 64.6 82.7
85.9 2.4 73.8 0.9 59.3 1.8 79.2 0.6
299 91 69 23 214 110 361 54
85.0 1.5 73.2 1.2 59.9 2.4 79.4 0.6
244 95 160 123 202 100 412 55
"""


def _lines(text):
  return [line.split() for line in text.strip().splitlines()]


def _molecule_rows():
  """All rows of molecules.csv as (dataset, model, readout, ...): the value."""
  return {
    (r.dataset, r.model, r.readout, r.setting, r.split, r.metric): (
      r.value,
      r.deviation,
    )
    for r in published.molecules()
  }


def test_molecules_are_those_of_a_second_typing():
  expected = {}
  pcba = "ogbg-molpcba"
  for model, readout, *values in _lines(_TABLE_2):
    for split, value in zip(("valid", "test"), values, strict=True):
      key = (pcba, model, readout, "", split, "ap")
      expected[key] = float(value), None
  for model, row in _E_TABLES.values():
    for part in row.split(", "):
      setting, value = part.split(": ")
      key = (pcba, model, "equilibrium", setting, "valid", "ap")
      expected[key] = float(value), None
  for setting, time in _HOURS.items():
    hours, minutes = map(int, time.split(":"))
    key = (pcba, "", "equilibrium" if setting else "sum", setting, "train")
    expected[(*key, "minutes")] = 60 * hours + minutes, None
  for dataset, model, *values in _lines(_LEADERBOARD):
    metric = {"molhiv": "rocauc", "molpcba": "ap"}[dataset]
    numbers = [round(float(x) / 100, 4) for x in values]
    for split, pair in (("valid", numbers[:2]), ("test", numbers[2:])):
      readout = "" if model == "pna" else "mean"
      key = (f"ogbg-{dataset}", model, readout, "", split, metric)
      expected[key] = tuple(pair)
  for dataset, model, *values in _lines(_BASELINES):
    key = (f"ogbg-{dataset}", model, "mean", "", "test", "rocauc")
    expected[key] = tuple(round(float(x) / 100, 4) for x in values)
  # The flax example and MLCommons' target, of their readmes.
  expected |= {
    (pcba, "flax_gcn", "mean", "end", "test", "ap"): (0.244, None),
    (pcba, "flax_gcn", "mean", "end", "valid", "ap"): (0.252, None),
    (pcba, "graph_network", "", "", "test", "ap"): (0.2687, None),
    (pcba, "graph_network", "", "", "valid", "ap"): (0.2810, None),
  }
  assert _molecule_rows() == expected
  assert len(published.molecules()) == len(expected)


def test_polygons_are_those_of_a_second_typing():
  expected = {}
  for metric, variant, *values in _lines(_POLYGONS):
    for n, value in zip((2, 4, 8, 16, 32, 64), values, strict=True):
      expected[metric, variant, n] = float(value) / 100
  assert published._polygons() == expected


def test_the_tu_collection_is_that_of_a_second_typing():
  expected = {}
  for text, base, epochs, points in (
    (_SOCIAL, "mean", 250, 4),
    (_BIO, "sum", 500, 8),
  ):
    names, gin0, *rest = _lines(text)
    for k, name in enumerate(names):
      key = f"tu/{name}"
      percent = float(gin0[k])
      expected[key, "gin0", base] = percent, None, None, None, 350, points
      for readout, scores, when in (
        ("fspool", *rest[:2]),
        (base, *rest[2:]),
      ):
        pair = slice(2 * k, 2 * k + 2)
        expected[key, "gin", readout] = (
          *map(float, scores[pair]),
          *map(int, when[pair]),
          epochs,
          points,
        )
  found = {
    (r.dataset, r.model, r.readout): (
      round(100 * r.accuracy, 4),
      r.deviation and round(100 * r.deviation, 4),
      *r[5:9],
    )
    for r in published._tu()
  }
  assert found == expected


def test_numbers_in_sentences_are_those_of_the_papers():
  expected = {
    "ogb_width": 300, "ogb_epochs": 100, "time_steps": 2e6,
    "median_steps": 1e7, "median_seeds": 5,
    "median_mean_factor": 10, "median_best_factor": 100,
    "wilcoxon_ahead": 6, "wilcoxon_datasets": 9, "wilcoxon_p": 0.07,
  }  # fmt: skip
  assert published._numbers() == expected
  # What can be had from table 5.10 itself: FSPool's lead over GIN-Base.
  gaps = [
    published.tu(name, "gin", "fspool").accuracy
    - published.tu(name, "gin", published.base_readout(name)).accuracy
    for name in published.tu_datasets()
  ]
  assert len(gaps) == published.number("wilcoxon_datasets")
  assert sum(gap > 0 for gap in gaps) == published.number("wilcoxon_ahead")
  # Of accuracies with one digit two gaps are tied: W = 6.5, there 7.
  p = wilcoxon.signed_rank(gaps)
  assert p == pytest.approx(published.number("wilcoxon_p"), abs=0.015)


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


def test_numbers_of_tasks_on_sets_as_printed():
  assert published.of_sets("mosaics", "po_la", "digits 3", "accuracy")[:2] == (
    0.731,
    None,
  )
  loss = published.of_sets("set_prediction", "dspn", "digits", "set_loss")
  assert loss == (9e-5, 1e-5, "Zhang 2020 (thesis), table 6.1")
  noisy = published.of_sets("denoising", "sum,lstm", "0.05", "chamfer")
  assert noisy[:2] == (0.00078, 0.00039)
  assert published.of_sets("scenes", "dspn fspool", "box 20", "ap70").value == (
    0.83
  )
  assert published.of_sets("scenes", "dspn max", "state 30", "ap_1").value == (
    0.012
  )
  assert published.of_sets("scenes", "dspn max", "box 30", "ap50") is None


def test_what_is_published_has_the_names_of_ours():
  """Else it would never stand beside a result."""
  known = {
    "set_prediction": (set_prediction.DECODERS, ("digits",), ("set_loss",)),
    "denoising": (denoising.PUBLISHED, None, ("chamfer",)),
    "mosaics": (
      mosaics.MODELS,
      [f"digits {side}" for side in (2, 3, 4, 5)],
      ("accuracy", "mse"),
    ),
    "scenes": (
      ["mlp", "lstm", *(f"dspn {name}" for name in scenes.COMPARED)],
      [
        f"{target} {steps}".strip()
        for target in scenes.TARGETS
        for steps in ("", 10, 20, 30)
      ],
      [*TARGETS["box"].thresholds, *TARGETS["state"].thresholds],
    ),
  }
  for row in published._rows("sets"):
    models, settings, metrics = known[row["task"]]
    assert row["model"] in models and row["metric"] in metrics, row
    assert settings is None or row["setting"] in settings, row


@pytest.mark.parametrize(
  "name", ["digits", "molecules", "numbers", "polygons", "sets", "tu"]
)
def test_every_number_has_a_source(name):
  rows = published._rows(name)
  assert rows and all(row["source"] for row in rows)
