"""Several readouts side by side are each what they are alone."""

from __future__ import annotations

import functools

import haiku as hk
import jax
import numpy as np
import pytest

from gnn_readout.graphs import make_sets
from gnn_readout.readouts import READOUTS
from gnn_readout.readouts.multi import Multi
from tests.readouts import ragged

D = ragged.D


def pool(elements, members, **kwargs):
  return ragged.pool(functools.partial(Multi, members, **kwargs), elements)


def test_members_side_by_side():
  elements = ragged.example()
  names = ("var", "max", "sum")
  alone = [ragged.pool(READOUTS[name], elements) for name in names]
  np.testing.assert_allclose(
    pool(elements, names), np.concatenate(alone, axis=1), atol=1e-13
  )


def test_arguments_and_nesting():
  elements = ragged.example()
  softmax = {"name": "softmax", "t": 40.0}
  inner = {"name": "multi", "members": ["mean", softmax]}
  flat = pool(elements, ["min", "mean", softmax])
  np.testing.assert_array_equal(pool(elements, ["min", inner]), flat)


def test_members_of_one_name_have_their_own_parameters():
  elements = ragged.example()
  steps = {"name": "set2set", "processing_steps": 2}
  make = functools.partial(Multi, ["set2set", steps, "set2set"])
  assert len(ragged.init(make, elements)) == 3
  values = np.split(ragged.pool(make, elements), 3, axis=1)
  assert np.abs(values[0] - values[2]).max() > 0.1


def test_sizes():
  elements = ragged.example()
  member = {"name": "moment", "order": 2, "output_size": 3}
  assert pool(elements, ["mean", member]).shape == (ragged.S, D + 3)
  values = pool(elements, ["mean", member], output_size=7)
  assert values.shape == (ragged.S, 7)
  assert pool(elements, ["sum"]).shape == (ragged.S, D)


def test_mixed_is_one_convex_combination():
  elements = ragged.example()
  make = functools.partial(Multi, ["mean", "max", "sum"], "mixed", name="multi")
  params = {"multi": {"mix": np.array([[0.7, -1.1]])}}
  weights = np.exp([0.7, -1.1, 0.0])
  weights /= weights.sum()
  parts = [ragged.pool(READOUTS[name], elements) for name in make.args[0]]
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    np.tensordot(weights, parts, 1),
    atol=1e-13,
  )


def test_gated_is_a_sigmoid_of_the_sum_for_two():
  """As in the program of gated pooling, set by set."""
  elements = ragged.example()
  make = functools.partial(Multi, ["mean", "max"], "gated", name="multi")
  gate = np.random.default_rng(0).normal(size=D)

  def literal(x):
    alpha = 1 / (1 + np.exp(-sum(gate @ row for row in x)))
    return alpha * x.mean(axis=0) + (1 - alpha) * x.max(axis=0)

  np.testing.assert_allclose(
    ragged.pool(make, elements, {"multi": {"gate": gate[:, None]}}),
    ragged.each(literal, elements),
    atol=1e-13,
  )


@pytest.mark.parametrize("combination", ["mixed", "gated"])
def test_mixtures_begin_as_the_mean_of_the_members(combination):
  elements = ragged.example()
  names = ["mean", "max"]
  parts = [ragged.pool(READOUTS[name], elements) for name in names]
  np.testing.assert_allclose(
    pool(elements, names, combination=combination),
    np.mean(parts, axis=0),
    atol=1e-14,
  )


def test_members_are_pooled_by_another_readout():
  elements = ragged.example()
  names = ["mean", "max", "min"]
  parts = [ragged.pool(READOUTS[name], elements) for name in names]
  values = pool(elements, names, combination="median")
  np.testing.assert_allclose(values, np.median(parts, axis=0), atol=1e-14)
  transport = {"name": "optimal_transport", "solver": "sinkhorn"}
  transport |= {"a1": 1e6, "a2": 1e9, "a3": 1e9}
  values = pool(elements, names, combination=transport)
  np.testing.assert_allclose(values, np.mean(parts, axis=0), atol=1e-4)


def test_a_fault_stays_in_its_set_when_members_are_combined():
  elements = ragged.example()
  elements[3, 1] = np.inf
  for combination in ("mixed", "gated", "median"):
    values = pool(elements, ["mean", "max"], combination=combination)
    assert not np.isfinite(values[0]).all(), combination
    assert np.isfinite(values[1:]).all(), combination


def test_losses_add_up_and_diagnostics_keep_their_names():
  member = {"name": "equilibrium", "num_steps": 2, "widths": (3, 2)}
  elements = np.float32(ragged.example())

  def forward():
    sets = make_sets(np.array(ragged.SIZES), ragged.N)
    apart = READOUTS["equilibrium"](num_steps=2, widths=(3, 2))
    return Multi(["sum", member])(elements, sets), apart(elements, sets)

  function = hk.without_apply_rng(hk.transform(forward))
  params = jax.jit(function.init)(jax.random.key(0))
  name = "equilibrium_aggregation"
  params[name] = params[f"multi/~aggregate/{name}"]
  both, apart = jax.jit(function.apply)(params)
  np.testing.assert_allclose(both.aux_loss, apart.aux_loss, rtol=1e-6)
  assert both.aux_loss.max() > 0
  assert set(both.diagnostics) == {
    f"equilibrium_1_{key}" for key in apart.diagnostics
  }


@pytest.mark.xdist_group("pyg")
def test_as_in_pytorch_geometric():
  aggr = pytest.importorskip("torch_geometric.nn.aggr")
  names = ["mean", "max", "var", "softmax"]
  elements = ragged.example()
  np.testing.assert_allclose(
    pool(elements, names),
    ragged.peer(aggr.MultiAggregation(names), elements),
    atol=1e-12,
  )


@pytest.mark.parametrize(
  ("members", "message"),
  [
    ([], r"at least one readout, got \[\]"),
    ("sum", "sequence of at least one readout, got 'sum'"),
    (["sun"], "Unknown readout 'sun'. Did you mean 'sum'"),
    ([{"num_heads": 2}], "must each have a name, got {'num_heads': 2}"),
    (
      [{"name": "attention", "num_head": 2}],
      "no argument 'num_head'. Did you mean 'num_heads'",
    ),
  ],
)
def test_bad_members(members, message):
  with pytest.raises(ValueError, match=message):
    pool(ragged.example(), members)


@pytest.mark.parametrize(
  ("combination", "message"),
  [
    ("gatd", "Unknown readout 'gatd'"),
    ({"num_heads": 2}, "combination must have a name, got {'num_heads': 2}"),
    ("mixed", r"combined by 'mixed', got \[5, 10\]: set their output_size"),
  ],
)
def test_bad_combinations(combination, message):
  members = ["mean", {"name": "set2set", "processing_steps": 1}]
  with pytest.raises(ValueError, match=message):
    pool(ragged.example(), members, combination=combination)
