"""The peers of tasks on sets compute what ours do; and a short measurement."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from benchmarks import sets, timing
from configs import set_prediction, sorting
from gnn_readout.tasks import make_problem


def small(task, **fields):
  if task == "sorting":
    config = sorting.get_config("po_u").unlock()
    config.update(set_size=7, chunk_size=0)
  else:
    config = set_prediction.get_config("polygons,dspn").unlock()
    config.update(num_points=5)
    config.model.update(latent_size=6, element_widths=(7, 4), num_steps=3)
    config.model.readout.num_knots = 4
  config.update(batch_size=3)
  config.update_from_flattened_dict(fields)
  return config


@pytest.mark.parametrize(
  ("task", "fields"),
  [
    ("sorting", {}),
    ("set_prediction", {"loss": "chamfer"}),
    ("set_prediction", {"loss": "hungarian"}),
  ],
)
def test_the_peer_has_our_loss_and_our_slopes(task, fields):
  torch_sets = pytest.importorskip("benchmarks.peers.torch_sets")
  config = small(task, **fields)
  problem = make_problem(config)
  params = jax.jit(problem.init)(jax.random.key(0))
  batch = jax.jit(problem.sample)(jax.random.key(1))
  gradient = jax.jit(jax.value_and_grad(problem.loss, has_aux=True))
  (loss, _), slopes = gradient(params, jax.random.key(2), batch)
  module = getattr(torch_sets, sets.PEERS[task][1])(
    jax.device_get(params), config.to_dict()
  )
  found = module(torch_sets.to_torch(jax.device_get(batch)))
  np.testing.assert_allclose(found.item(), loss, rtol=1e-4)
  found.backward()
  if task == "sorting":
    pairs = [
      (module.last.weight.grad.T, slopes["costs_last"]["w"]),
      (module.pairs.bias.grad, slopes["costs_first"]["b"]),
    ]
  else:
    pairs = [
      (module.knots.grad.T, slopes["fs_pool"]["knots"]),
      (module.start.grad.T, slopes["start"]["sets"]),
      (module.network[0].bias.grad, slopes["element_encoder/~/linear_0"]["b"]),
    ]
  for got, wanted in pairs:
    np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-6)


@pytest.fixture
def quick(monkeypatch):
  """Measures for a moment, on the two devices that these tests have."""
  pytest.importorskip("torch")
  alternate = functools.partial(timing.alternate, min_seconds=0.01)
  monkeypatch.setattr(timing, "alternate", alternate)
  monkeypatch.setattr(sets.devices, "use_all_cores", lambda: None)


@pytest.mark.usefixtures("quick")
def test_a_short_measurement(capsys):
  results = sets.run(small("sorting", batch_size=4), rounds=2)["rows"]
  for result in results:
    assert result["unit"] == "sets/s" and result["size"] == 7
    assert [len(runs) for runs in result["runs"].values()] == [2, 2]
    assert result["ratio"] == pytest.approx(result["ours"] / result["peer"])
  names = [f"sorting, n = 7, {what}" for what in ("1 device", "2 devices")]
  assert [result["name"] for result in results] == names
  assert "the peer is PyTorch" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_a_batch_that_cannot_be_halved_is_measured_on_one_device():
  (result,) = sets.run(small("sorting"), rounds=2)["rows"]
  assert result["name"] == "sorting, n = 7, 1 device"
