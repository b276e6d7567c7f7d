"""Figures 5 and 6 from synthetic records: which bytes, which curves."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import haiku as hk
import jax
import jax.numpy as jnp
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import EquilibriumAggregation
from gnn_readout.report.figures import inner_loop, palette, style

STEPS = range(101, 1010, 101)


@pytest.fixture
def drawn(monkeypatch):
  """What `_figure` returns, as it is drawn on."""
  made, real = [], inner_loop._figure
  monkeypatch.setattr(
    inner_loop,
    "_figure",
    lambda *args, **more: made.append(real(*args, **more)) or made[-1],
  )
  return made


def test_the_curves_are_those_of_the_readout(inner_loop_run):
  def forward(elements, sets):
    readout = EquilibriumAggregation(hidden=3, num_steps=2)
    return readout(elements, sets, True).diagnostics

  model = hk.transform(forward)
  arguments = jnp.ones((5, 2)), make_sets(jnp.array([2, 3]), 5)
  key = jax.random.key(0)
  params = jax.eval_shape(model.init, key, *arguments)
  diagnostics = jax.eval_shape(model.apply, params, key, *arguments)
  record = inner_loop_run()
  record["curves"]["diagnostics"] = {name: [[1, 1.0]] for name in diagnostics}
  assert inner_loop.has_curves(record)


@pytest.mark.parametrize(
  "draw", [inner_loop.convergence, inner_loop.inner_parameters]
)
def test_the_same_record_gives_the_same_bytes(inner_loop_run, draw):
  import matplotlib

  with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
    first = draw(inner_loop_run())
    assert matplotlib.rcParams["font.size"] == 20  # The caller's own again.
  assert set(first) == set(style.FORMATS)
  assert first["png"].startswith(b"\x89PNG")
  assert ElementTree.fromstring(first["svg"]).tag.endswith("}svg")
  assert draw(inner_loop_run()) == first
  other = inner_loop_run()
  for curve in other["curves"]["diagnostics"].values():
    curve[3][1] *= 2
  assert draw(other)["png"] != first["png"]
  for word in (b"Matplotlib v", b"dc:date", b"matplotlib version"):
    assert word not in first["svg"] + first["png"]


def test_figure_5_has_norms_and_below_them_the_auxiliary_loss(
  inner_loop_run, drawn
):
  inner_loop.convergence(inner_loop_run())
  ((figure, (norms, loss)),) = drawn
  assert norms.get_yscale() == loss.get_yscale() == "log"
  assert loss.get_xlabel() == "training step"
  assert "auxiliary loss" in loss.get_ylabel()
  assert "norm" not in loss.get_ylabel()
  title = "ogbg-moltox21, gcn, equilibrium readout"
  assert figure.get_suptitle() == title
  (legend,) = figure.legends
  labels = [line.get_label() for line in norms.lines]
  assert [text.get_text() for text in legend.get_texts()] == labels
  assert ["largest" in labels[0], "mean" in labels[1]] == [True, True]
  lines = [*norms.lines, *loss.lines]
  for numerator, line in zip((10, 3, 1), lines, strict=True):
    assert line.get_ydata() == pytest.approx([numerator / s for s in STEPS])
    assert list(line.get_xdata()) == list(STEPS)


def test_figure_6_has_a_panel_for_each_parameter(inner_loop_run, drawn):
  inner_loop.inner_parameters(inner_loop_run())
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


def test_lines_of_a_panel_differ_in_style_and_have_the_readouts_colour(
  inner_loop_run, drawn
):
  inner_loop.convergence(inner_loop_run())
  inner_loop.inner_parameters(inner_loop_run())
  panels = [panel for _, axes in drawn for panel in axes]
  assert [len(panel.lines) for panel in panels] == [2, 1, 1, 1, 1]
  for panel in panels:
    styles = {line.get_linestyle() for line in panel.lines}
    assert len(styles) == len(panel.lines)
  colors = {line.get_color() for panel in panels for line in panel.lines}
  assert colors == {palette.BLUE}


def test_what_cannot_be_drawn_is_left_out(inner_loop_run, drawn):
  record = inner_loop_run()
  curves = record["curves"]["diagnostics"]
  curves["inner_max_norm"][:3] = [
    [101, 0.0],
    [202, float("nan")],
    [303, float("inf")],
  ]
  curves["inner_aux_loss"] = [[101, 0.5]]
  curves["inner_mean_max_norm"] = [[s, 0.0] for s in STEPS]
  inner_loop.convergence(record)
  ((_, (norms, loss)),) = drawn
  largest, mean, aux = *norms.lines, *loss.lines
  assert list(largest.get_xdata()) == list(STEPS)[3:]
  assert list(mean.get_xdata()) == []
  assert list(aux.get_ydata()) == [0.5]
  assert aux.get_marker() == "o"  # A line of one point would not be seen.
