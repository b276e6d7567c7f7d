"""A function as a dataset."""

from __future__ import annotations

import itertools
import sys

import pytest

from configs import graphs as graphs_config
from gnn_readout import config_fields, data
from gnn_readout.data import sources

_COUNT = itertools.count()
CODE = """
import numpy as np
from gnn_readout import data

def store():
  return data.from_arrays(
    None, num_nodes=[2] * 5, num_edges=[0] * 5, senders=[], receivers=[],
    node_values=np.arange(10.0), labels=np.arange(5) / 2)

def folder():
  data.from_arrays(
    {folder!r}, num_nodes=[1] * 4, num_edges=[0] * 4, senders=[], receivers=[],
    labels=[0.5, 1.5, 2.5, 3.5])
  return {folder!r}

def fails():
  return 1 / 0

def number():
  return 7

constant = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
  """A module in the current folder; each has a name of its own."""
  name = f"my_graphs_{next(_COUNT)}"
  text = CODE.format(folder=str(tmp_path / "made"))
  (tmp_path / f"{name}.py").write_text(text)
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, "path", [*sys.path])
  yield name
  sys.modules.pop(name, None)


def test_it_returns_a_store_or_a_folder(module, tmp_path):
  for name, graphs in (("store", 5), ("folder", 4)):
    store = data.load(f"{module}:{name}", cache_dir=tmp_path / "cache")
    assert store.num_graphs == graphs
  assert not (tmp_path / "cache").exists()
  assert not sources.is_path(f"{module}:store")


def test_dataset_fn_is_another_name_of_the_field(module):
  config = config_fields.with_fields(
    graphs_config.get_config(), {"dataset_fn": f"{module}:store"}
  )
  assert config.dataset == f"{module}:store" and "dataset_fn" not in config
  assert data.load_config(config).num_graphs == 5
  with pytest.raises(
    ValueError, match=r"--dataset_fn and --dataset set the same field"
  ):
    config_fields.with_fields(
      config, {"dataset": "demo", "dataset_fn": "a:b"}, "--"
    )


@pytest.mark.parametrize(
  ("name", "words"),
  [
    ("stoer", ":stoer: no such function. Did you mean 'store'"),
    ("constant", ":constant: no such function"),
    ("fails", ":fails failed: ZeroDivisionError: division by zero"),
    ("number", r":number returned 7, expected a gnn_readout\.data\.store\.Gr"),
  ],
)
def test_functions_that_are_none(module, name, words):
  with pytest.raises(ValueError, match=words):
    data.load(f"{module}:{name}")


def test_a_module_that_cannot_be_imported():
  with pytest.raises(ValueError, match="cannot import no.such: ModuleNotFound"):
    data.load("no.such:function")
