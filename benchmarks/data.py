"""Speed of the data pipeline: conversion, opening, batching, scoring."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jraph
import numpy as np

from benchmarks import timing
from gnn_readout import data, metrics
from gnn_readout.data import batches
from gnn_readout.data.store import GraphStore
from gnn_readout.statistics import bootstrap
from gnn_readout.wording import counted

_BATCH_SIZES = (8, 32)
_NUM_RESAMPLES = 64
_PEER_GRAPHS = 8192  # One Python object each, made before the clock starts.


class Loading(NamedTuple):
  """What a fresh process took to load a dataset."""

  seconds: float
  peak_megabytes: float


def run(
  dataset: str | None = None, rounds: int = 5, data_dir: str | None = None
) -> dict[str, Any]:
  """Measures conversion, opening, scoring, and batching against jraph's.

  Args:
    dataset: As `gnn_readout.data.load` takes it; default ogbg-molhiv.
    rounds: Runs of each side.
    data_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`, the record of `timing.compare` of each batch size; and
    `cold_seconds`, `warm_seconds`, `peak_megabytes`, `column_megabytes`,
    `metric_seconds`, `bootstrap_seconds`.
  """
  dataset = dataset or "ogbg-molhiv"
  with tempfile.TemporaryDirectory() as cache_dir:
    cold = _in_fresh_process(dataset, data_dir, cache_dir)
    warm = _in_fresh_process(dataset, data_dir, cache_dir)
    store = data.load(dataset, data_dir, cache_dir)
    records = [_batching(store, size, rounds) for size in _BATCH_SIZES]
    scoring = _scoring(store, rounds)
    columns = pathlib.Path(cache_dir).rglob("*.npy")
    column_megabytes = sum(file.stat().st_size for file in columns) / 1e6
  name = store.schema.name
  timing.print_compared(
    f"{name}: batching against jraph.dynamically_batch, one thread",
    records,
  )
  timing.print_table(
    "bucketed batches",
    ["", "shapes", "nodes filled", "edges filled"],
    [
      [
        record["name"],
        str(record["num_shapes"]),
        f"{record['node_fill']:.1%}",
        f"{record['edge_fill']:.1%}",
      ]
      for record in records
    ],
  )
  timing.print_table(
    f"{name}: {counted(store.num_graphs, 'graph')} in {column_megabytes:,.0f}"
    " MB",
    ["in a fresh process", "seconds", "peak memory, MB"],
    [
      [how, f"{loading.seconds:.2f}", f"{loading.peak_megabytes:,.0f}"]
      for how, loading in (("converted", cold), ("opened", warm))
    ],
  )
  timing.print_table(
    f"{name}: scoring random predictions",
    [f"{len(store.splits['test']):,} x {store.schema.num_tasks}", "seconds"],
    [
      [store.schema.metric, f"{scoring['metric_seconds']:.3f}"],
      [
        f"{_NUM_RESAMPLES} paired resamples",
        f"{scoring['bootstrap_seconds']:.3f}",
      ],
    ],
  )
  return {
    "name": "data",
    "dataset": name,
    "rows": records,
    "cold_seconds": cold.seconds,
    "warm_seconds": warm.seconds,
    "peak_megabytes": cold.peak_megabytes,
    "column_megabytes": column_megabytes,
    **scoring,
  }


def _scoring(store: GraphStore, rounds: int) -> dict[str, float]:
  """Measures the metric, and comparing two models, on random predictions."""
  schema = store.schema
  labels = store.labels[store.splits["test"]]
  shape = 2, len(labels), schema.num_classes or schema.num_tasks
  logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)

  def score() -> int:
    metrics.evaluate(schema.metric, labels, logits[0])
    return 1

  def compare() -> int:
    bootstrap.compare(schema.metric, labels, *logits, _NUM_RESAMPLES)
    return 1

  measured = timing.alternate(
    {"metric_seconds": score, "bootstrap_seconds": compare}, rounds
  )
  return {what: 1 / rate.median for what, rate in measured.items()}


def _batching(
  store: GraphStore, batch_size: int, rounds: int
) -> dict[str, Any]:
  plan = batches.make_plan(store, "train", batch_size=batch_size)
  peer = _cycle_of_peer_batches(plan)
  ours = (item.batch for item in batches.train_batches(plan, prefetch=0))
  measured = timing.alternate(
    {"ours": _counter(ours), "peer": _counter(peer)}, rounds
  )
  summary = plan.summary()
  keys = ("budgets", "num_shapes", "node_fill", "edge_fill", "graph_fill")
  return {
    **timing.compare(
      f"batching, batch {batch_size}",
      measured,
      against="jraph.dynamically_batch",
    ),
    "dataset": store.schema.name,
    **{key: summary[key] for key in keys},
  }


def _counter(batches: Iterator[jraph.GraphsTuple]) -> Callable[[], int]:
  """Returns a function that draws some batches and counts their graphs."""

  def draw() -> int:
    some = list(itertools.islice(batches, 64))
    return sum(int(batch.globals["mask"].sum()) for batch in some)

  return draw


def _cycle_of_peer_batches(
  plan: batches.BatchPlan,
) -> Iterator[jraph.GraphsTuple]:
  """Returns jraph's batches of the same graphs in the same order, endless."""
  graphs = _single_graphs(plan.store, plan.epoch(0).order[:_PEER_GRAPHS])
  num_graphs, num_nodes, num_edges = plan.budgets[-1]
  return jraph.dynamically_batch(
    itertools.cycle(graphs), num_nodes, num_edges, num_graphs
  )


def _single_graphs(
  store: GraphStore, indices: Iterable[int]
) -> list[jraph.GraphsTuple]:
  graphs = []
  for g in indices:
    nodes = slice(*store.node_offsets[g : g + 2])
    edges = slice(*store.edge_offsets[g : g + 2])
    graphs.append(
      jraph.GraphsTuple(
        nodes=store.nodes[nodes],
        edges=store.edges[edges],
        senders=store.senders[edges],
        receivers=store.receivers[edges],
        n_node=np.array([nodes.stop - nodes.start], np.int32),
        n_edge=np.array([edges.stop - edges.start], np.int32),
        globals={
          "labels": store.labels[g : g + 1],
          "mask": np.ones(1, bool),
          "index": np.array([g], np.int32),
        },
      )
    )
  return graphs


def _in_fresh_process(
  dataset: str, data_dir: str | None, cache_dir: str
) -> Loading:
  context = multiprocessing.get_context("spawn")
  with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
    return pool.submit(_load, dataset, data_dir, cache_dir).result()


def _load(dataset: str, data_dir: str | None, cache_dir: str) -> Loading:
  start = time.perf_counter()
  data.load(dataset, data_dir, cache_dir)
  seconds = time.perf_counter() - start
  return Loading(seconds, _peak_megabytes())


def _peak_megabytes() -> float:
  """Returns the most memory this process held at once."""
  # Not getrusage where it can be avoided: on Linux a new process starts with
  # the peak of the one that started it.
  status = pathlib.Path("/proc/self/status")
  if status.exists():
    fields = dict(
      line.split(":", 1)
      for line in status.read_text(encoding="utf-8").splitlines()
    )
    return int(fields["VmHWM"].split()[0]) / 1024
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak / (2**20 if sys.platform == "darwin" else 1024)
