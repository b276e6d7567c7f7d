"""What trains on the same batches: ours, the peers, and who is lacking."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from benchmarks import peers, steps, train
from configs import molpcba
from gnn_readout import models
from gnn_readout.data.batches import make_plan, train_batches
from gnn_readout.readouts import READOUTS
from gnn_readout.tasks import GraphProperty
from tests.readouts import equilibrium_listing


@pytest.fixture
def work(make_store):
  """Makes two batches of five graphs of the tiny dataset."""

  def make(readout):
    config = molpcba.get_config(f"gcn,{readout}").unlock()
    config.dataset = "tiny"
    config.model.message_passing.update(width=4, num_layers=1)
    config.batching.update(batch_size=5, num_buckets=1)
    if readout == "equilibrium":
      config.model.readout.num_steps = 2
    store = make_store()
    stream = train_batches(make_plan(store, "train", **config.batching, seed=0))
    batches = [item.batch for item in itertools.islice(stream, 2)]
    stream.close()
    return steps.Work(config, store, batches, 7.0, 40.0)

  return make


@pytest.fixture
def no_waiting(monkeypatch):
  """Of threads the first number is taken, without measuring."""
  monkeypatch.setattr(steps, "fastest_threads", lambda call, set_, n: 1)


def test_the_listing_is_not_ours(work, monkeypatch):
  calls, programs, real = [], [], equilibrium_listing.equilibrium
  monkeypatch.setattr(
    equilibrium_listing,
    "equilibrium",
    lambda *args, **more: calls.append(1) or real(*args, **more),
  )

  def traced(work):
    """Stands for `ours`: traces the model, which takes no compilation."""
    programs.append(GraphProperty(work.config, work.store).identity)
    model = models.build_model(work.config.model, work.store.schema)
    jax.eval_shape(model.init, jax.random.key(0), work.batches[0])
    return lambda: 10

  monkeypatch.setattr(steps, "ours", traced)
  steps.ours(work("equilibrium"))
  assert not calls
  assert steps.literal(work("equilibrium"))() == 10
  assert calls
  # Programs of one identity share what is compiled.
  assert programs[0] != programs[1]
  assert "literal" not in READOUTS


def test_the_listing_has_one_readout(work):
  with pytest.raises(ValueError, match="'equilibrium', the config 'sum'"):
    steps.literal(work("sum"))


@pytest.fixture
def kept(tmp_path):
  """The folder in which what is compiled is kept."""
  names = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
  )
  before = {name: getattr(jax.config, name) for name in names}
  for name, value in zip(names, (str(tmp_path), 0)):
    jax.config.update(name, value)
  compilation_cache.reset_cache()
  yield tmp_path
  for name, value in before.items():
    jax.config.update(name, value)
  compilation_cache.reset_cache()


def test_the_first_step_is_compiled_anew(work, quick_model, kept):
  program, batches = steps.program_of(work("sum"))
  files = {*kept.iterdir()}
  is_kept = jax.config.jax_enable_compilation_cache
  first = steps.first_step(program, batches)
  assert program.step == 1
  assert first.seconds > 0 and first.mebibytes >= 0
  assert {*kept.iterdir()} == files  # Neither read nor written.
  assert jax.config.jax_enable_compilation_cache == is_kept
  jax.block_until_ready(jax.jit(lambda x: 3.7 * x - 1.3)(np.ones(5)))
  assert {*kept.iterdir()} > files
  assert steps.epoch_of(program, batches)() == 10
  assert program.step == 3


def test_peers_that_are_lacking_have_a_reason(work, quick_model, monkeypatch):
  def lacking(work):
    raise peers.Unavailable("no compiler")

  monkeypatch.setitem(steps.PEERS, "pyg", lambda work: lambda: 10)
  monkeypatch.setitem(steps.PEERS, "pyg_compiled", lacking)
  found, without = steps.against(work("sum"), ["pyg_compiled", "pyg", "max"])
  assert list(found) == ["pyg", "max"] and found["max"]() == 10
  assert without == {"pyg_compiled": "no compiler"}


def test_all_sides_of_a_step(work, quick_model, monkeypatch, capsys):
  def lacking(work):
    raise peers.Unavailable("no compiler")

  monkeypatch.setitem(steps.PEERS, "pyg", lambda work: lambda: 10)
  monkeypatch.setitem(steps.PEERS, "pyg_compiled", lacking)
  alternate = train.timing.alternate
  monkeypatch.setattr(
    train.timing,
    "alternate",
    lambda functions, rounds: alternate(functions, rounds, min_seconds=1e-6),
  )
  rows = train.compare(work("sum"), ["pyg", "pyg_compiled"], rounds=3)
  assert [row["against"] for row in rows] == ["pyg", "pyg_compiled"]
  assert rows[0]["ratio"] == rows[0]["ours"] / rows[0]["peer"]
  assert rows[1]["unavailable"] == "no compiler" and "peer" not in rows[1]
  for row in rows:
    assert (row["name"], row["dataset"]) == ("gcn,sum", "tiny")
    assert (row["batch_size"], row["width"]) == (5, 4)
    assert row["first_step_seconds"] > 0 and row["mebibytes"] >= 0
    assert len(row["runs"]["ours"]) == 3
  assert "no compiler" in capsys.readouterr().out


def test_a_compiler_that_fails_is_no_error(work, monkeypatch, no_waiting):
  torch = pytest.importorskip("torch", reason="the peers extra is missing")
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  asked = {}

  def compile_(model, **options):
    asked.update(options)

    def fail(*args):
      raise RuntimeError("no compiler\nis here")

    fail.parameters, fail.train = model.parameters, model.train
    return fail

  from torch._functorch import config

  monkeypatch.setattr(torch, "compile", compile_)
  with config.patch(donated_buffer=True):
    found, lacking = steps.against(work("sum"), ["pyg", "pyg_compiled"])
  assert found["pyg"]() == 10 and "pyg_compiled" not in found
  assert lacking["pyg_compiled"] == (
    "torch.compile failed: RuntimeError: no compiler is here"
  )
  assert asked == {"dynamic": True}


def test_a_second_derivative_is_compiled_without_donated_buffers(
  work, monkeypatch, no_waiting
):
  torch = pytest.importorskip("torch", reason="the peers extra is missing")
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  from torch._functorch import config

  def compile_(model, **unused_options):
    def call(*args):
      if config.donated_buffer:
        raise RuntimeError("compiled with non-empty donated buffers")
      return model(*args)

    call.parameters, call.train = model.parameters, model.train
    return call

  monkeypatch.setattr(torch, "compile", compile_)
  with config.patch(donated_buffer=True):
    found, lacking = steps.against(work("sum"), ["pyg_compiled"])
    assert found["pyg_compiled"]() == 10 and not lacking


def test_pytorch_computes_where_jax_does(monkeypatch):
  torch = pytest.importorskip("torch", reason="the peers extra is missing")
  assert peers.torch_device().type == jax.default_backend()
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
  with pytest.raises(peers.Unavailable, match="cannot compute on the gpu"):
    peers.torch_device()


def test_a_peer_that_is_not_installed(monkeypatch):
  monkeypatch.setitem(peers.importlib.sys.modules, "torch_geometric.nn", None)
  for name in ("pyg_tu", "pyg_molecules", "pyg_readouts"):
    monkeypatch.delitem(
      peers.importlib.sys.modules, f"benchmarks.peers.{name}", raising=False
    )
    with pytest.raises(peers.Unavailable, match=r"pip install '.\[peers\]'"):
      peers.load(name)


@pytest.mark.parametrize(
  ("cost", "best"), [({1: 2.0, 2: 1.0}, 2), ({1: 1.0, 2: 1.5}, 1)]
)
def test_the_faster_number_of_threads(monkeypatch, cost, best):
  now, threads = [0.0], []
  monkeypatch.setattr(steps.timing.time, "perf_counter", lambda: now[0])

  def call():
    now[0] += cost[threads[-1]]

  assert steps.fastest_threads(call, threads.append, cores=2) == best
  assert set(threads) == {1, 2}
  assert steps.fastest_threads(call, threads.append, cores=1) == 1
