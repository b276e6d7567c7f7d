"""Figures from synthetic records: which runs, which bytes, which curves."""

from __future__ import annotations

import copy
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import haiku as hk
import jax
import jax.numpy as jnp
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import EquilibriumAggregation
from gnn_readout.report.figures import inner_loop as plots
from gnn_readout.report.figures import style as figures
from gnn_readout.report.results import molecules as tables

ROOT = pathlib.Path(__file__).parents[2]
STEPS = range(101, 1010, 101)

RECORD = {
  "name": "eq",
  "command": "python -m launch.train --config=configs/molpcba.py:gin,x",
  "config": {
    "seed": 0,
    "model": {
      "message_passing": {"name": "gin", "width": 11, "virtual_node": True},
      "readout": {"name": "equilibrium"},
    },
    "optimizer": {"learning_rate": 0.001},
  },
  "seed": 0,
  "dataset": {"name": "ogbg-molpcba", "fingerprint": "aa11"},
  "steps": 1009,
  "epochs": 3.0,
  "best": {"step": 1009, "valid": 0.3},
  "test": {"metric": "ap", "value": 0.2},
  "curves": {
    "train": [[101, 0.7]],
    "valid": [],
    "diagnostics": {
      "inner_aux_loss": [[s, 1 / s] for s in STEPS],
      "inner_max_norm": [[s, 10 / s] for s in STEPS],
      "inner_mean_max_norm": [[s, 3 / s] for s in STEPS],
      "inner_learning_rate": [[s, 0.125 + s / 7000] for s in STEPS],
      "inner_momentum": [[s, 0.9] for s in STEPS],
      "inner_regulariser": [[s, 0.69 - s / 9000] for s in STEPS],
      "grad_norm": [[s, 1.0] for s in STEPS],
    },
  },
}


def _record(name="eq", seed=0, readout_steps=15, valid=0.3, dataset=None):
  record = copy.deepcopy(RECORD)
  record["best"]["valid"] = valid
  record["dataset"]["name"] = dataset or record["dataset"]["name"]
  record["name"] = name
  record["seed"] = record["config"]["seed"] = seed
  record["config"]["model"]["readout"]["num_steps"] = readout_steps
  return record


@pytest.fixture
def drawn(monkeypatch):
  """What `_figure` returns, as it is drawn on."""
  made, real = [], plots._figure
  monkeypatch.setattr(
    plots,
    "_figure",
    lambda *args, **more: made.append(real(*args, **more)) or made[-1],
  )
  return made


def test_the_curves_are_those_of_the_readout():
  def forward(elements, sets):
    readout = EquilibriumAggregation(hidden=3, num_steps=2)
    return readout(elements, sets, True).diagnostics

  model = hk.transform(forward)
  arguments = jnp.ones((5, 2)), make_sets(jnp.array([2, 3]), 5)
  key = jax.random.key(0)
  params = jax.eval_shape(model.init, key, *arguments)
  diagnostics = jax.eval_shape(model.apply, params, key, *arguments)
  record = _record()
  record["curves"]["diagnostics"] = {name: [[1, 1.0]] for name in diagnostics}
  assert plots.has_curves(record)


@pytest.mark.parametrize("draw", plots.FIGURES.values())
def test_the_same_record_gives_the_same_bytes(draw):
  import matplotlib

  with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
    first = draw(_record())
    assert matplotlib.rcParams["font.size"] == 20  # The caller's own again.
  assert set(first) == set(figures.FORMATS)
  assert first["png"].startswith(b"\x89PNG")
  assert ElementTree.fromstring(first["svg"]).tag.endswith("}svg")
  assert draw(_record()) == first
  other = _record()
  for curve in other["curves"]["diagnostics"].values():
    curve[3][1] *= 2
  assert draw(other)["png"] != first["png"]
  for word in (b"Matplotlib v", b"dc:date", b"matplotlib version"):
    assert word not in first["svg"] + first["png"]


def test_figure_5_has_norms_and_auxiliary_loss_on_a_logarithmic_axis(drawn):
  plots.convergence(_record())
  ((figure, (axes,)),) = drawn
  assert axes.get_yscale() == "log"
  assert axes.get_xlabel() == "training step"
  title = "ogbg-molpcba, gin+virtual_node, equilibrium readout"
  assert figure.get_suptitle() == title
  lines = {line.get_label(): line for line in axes.lines}
  (legend,) = figure.legends
  assert [text.get_text() for text in legend.get_texts()] == list(lines)
  for numerator, words in ((10, "largest"), (3, "norm"), (1, "auxiliary")):
    line = [line for label, line in lines.items() if words in label][-1]
    assert line.get_ydata() == pytest.approx([numerator / s for s in STEPS])
    assert list(line.get_xdata()) == list(STEPS)


def test_figure_6_has_a_panel_for_each_parameter(drawn):
  plots.inner_parameters(_record())
  ((_, panels),) = drawn
  names = ("learning rate", "momentum", "regularisation\nweight")
  assert tuple(axes.get_ylabel() for axes in panels) == names
  starts = (0.125 + 101 / 7000, 0.9, 0.69 - 101 / 9000)
  for axes, start in zip(panels, starts, strict=True):
    (line,) = axes.lines
    assert line.get_ydata()[0] == pytest.approx(start)
    low, high = axes.get_ylim()
    assert low < min(line.get_ydata()) and max(line.get_ydata()) < high
    # No blow-up of what stays where it is.
    assert high - low > 0.01 * start


def test_lines_differ_in_colour_and_in_style():
  for curves in (plots._CONVERGENCE, plots._PARAMETERS):
    assert len({curve.color for curve in curves}) == len(curves)
    assert len({curve.style for curve in curves}) == len(curves)


def test_what_cannot_be_drawn_is_left_out(drawn):
  record = _record()
  curves = record["curves"]["diagnostics"]
  curves["inner_max_norm"][:3] = [
    [101, 0.0],
    [202, float("nan")],
    [303, float("inf")],
  ]
  curves["inner_aux_loss"] = [[101, 0.5]]
  curves["inner_mean_max_norm"] = [[s, 0.0] for s in STEPS]
  plots.convergence(record)
  ((_, (axes,)),) = drawn
  largest, mean, aux = axes.lines
  assert list(largest.get_xdata()) == list(STEPS)[3:]
  assert list(mean.get_xdata()) == []
  assert list(aux.get_ydata()) == [0.5]
  assert aux.get_marker() == "o"  # A line of one point would not be seen.


def test_one_record_for_each_dataset_model_and_readout(tmp_path):
  old, sum_readout = _record("old", 5), _record("sum", 6)
  del old["curves"]["diagnostics"]
  kept = sum_readout["curves"]["diagnostics"]["grad_norm"]
  sum_readout["curves"]["diagnostics"] = {"grad_norm": kept}
  records = [
    _record("a2", 2),
    _record("a1", 1),
    _record("few steps", 0, 2, valid=0.2),
    _record("other data", 0, 2, dataset="ogbg-molhiv"),
    old,
    sum_readout,
  ]
  paths = plots.write_figures(tmp_path, records)
  names = {path.name for path in paths}
  assert names == {
    f"{name}_{kind}.{extension}"
    for name in ("a1", "other data")
    for kind in ("convergence", "inner_parameters")
    for extension in ("png", "svg")
  }
  assert {p.name for p in (tmp_path / "figures").iterdir()} == names
  readme = (tmp_path / "README.md").read_text()
  assert "seed 1" in readme and "seed 2" not in readme
  for image in ("a1_convergence", "other%20data_inner_parameters"):
    assert f'src="figures/{image}.png"' in readme
    assert f'href="figures/{image}.svg"' in readme
  assert RECORD["command"] in readme
  plots.write_figures(tmp_path, records[::-1])
  assert (tmp_path / "README.md").read_text() == readme


def test_the_lowest_seed_with_curves_is_drawn(tmp_path):
  old = _record("a0", 0)
  del old["curves"]["diagnostics"]
  paths = plots.write_figures(tmp_path, [old, _record("a1", 1)])
  assert {path.name.partition("_")[0] for path in paths} == {"a1"}


def test_records_without_curves_give_no_figure(tmp_path):
  old = _record()
  del old["curves"]["diagnostics"]
  assert plots.write_figures(tmp_path, [old]) == []
  assert not (tmp_path / "figures").exists()
  assert "No record has the curves" in (tmp_path / "README.md").read_text()


def test_two_configurations_of_one_name_are_refused(tmp_path):
  records = [_record("same"), _record("same", dataset="ogbg-molhiv")]
  with pytest.raises(ValueError, match=r"name must differ .* got 'same'"):
    plots.write_figures(tmp_path, records)
  assert list(tmp_path.iterdir()) == []


def test_launch_report_draws(tmp_path):
  record = {
    **_record("run"),
    "schema_version": 1,
    "config_hash": "3f1c",
    "git_commit": None,
    "git_dirty": None,
    "versions": {},
    "hardware": {},
    "dataset": {**RECORD["dataset"], "num_train": 5, "num_valid": 3,
                "num_test": 2},
    "num_parameters": 7,
    "epochs": 1.0,
    "best": {"step": 1009, "valid": 0.2},
    "test": {"metric": "ap", "value": 0.2, "num_tasks_scored": 128,
             "step": 1009},
    "wall_seconds": 1.0,
    "steps_per_second": 1.0,
    "graphs_per_second": 1.0,
    "padding": {},
    "num_compiled_shapes": 1,
    "finished_at": "2025-01-01T00:00:00+00:00",
    "note": "",
  }  # fmt: skip
  (tmp_path / "records").mkdir()
  (tmp_path / "records" / "run.json").write_text(json.dumps(record))
  done = subprocess.run(
    [sys.executable, "-m", "launch.report", f"--results_dir={tmp_path}"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert done.returncode == 0, done.stderr
  for kind, draw in plots.FIGURES.items():
    for extension, data in draw(tables.read_records(tmp_path)[0]).items():
      path = tmp_path / "figures" / f"run_{kind}.{extension}"
      assert path.read_bytes() == data  # Another process, the same bytes.
  readme = (tmp_path / "README.md").read_text()
  assert "<!-- inner_loop:begin -->" in readme
