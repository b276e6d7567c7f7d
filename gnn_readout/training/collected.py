"""What is predicted batch by batch, put together for the rows of an input.

Letters: M rows, D different graphs, K runs, C outputs of each.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnn_readout.data.batches.shapes import Padded
from gnn_readout.data.store import Schema
from gnn_readout.training import predictions
from gnn_readout.training.sheets import Ragged


class Collected:
  """What was predicted so far for D graphs, whatever the order.

  Attributes:
    sizes: [D] nodes; 0 for a graph that was not met.
  """

  def __init__(
    self, num_runs: int, num_graphs: int, wanted: Mapping[str, bool]
  ):
    """Starts with nothing.

    Args:
      num_runs: K.
      num_graphs: D.
      wanted: Whether `vectors`, `nodes` and `weights` are kept, by name.
    """
    self._count, self._wanted = (num_runs, num_graphs), wanted
    self.sizes = np.zeros(num_graphs, np.int64)
    self._dense: dict[str, np.ndarray] = {}
    self._places: list[np.ndarray] = []
    self._pieces: dict[str, list[np.ndarray]] = collections.defaultdict(list)

  def add(
    self, job: Padded, outputs: Sequence[Mapping[str, np.ndarray]]
  ) -> None:
    """Takes what each run says of a batch."""
    self.sizes[job.places] = job.sizes
    count, nodes = len(job.places), int(job.sizes.sum())
    for k, output in enumerate(outputs):
      for name in {"logits", "vectors"} & output.keys():
        width = output[name].shape[1]
        if name not in self._dense:
          shape = (*self._count, width)
          self._dense[name] = np.full(shape, np.nan, np.float32)
        self._dense[name][k, job.places] = output[name][:count]
    self._places.append(job.places)
    if self._wanted["nodes"]:
      self._pieces["nodes"].append(outputs[0]["nodes"][:nodes])
    if self._wanted["weights"]:
      weights = [output["weights"][:nodes] for output in outputs]
      if len(weights) > 1:
        weights = [np.mean([w.mean(axis=1) for w in weights], axis=0)[:, None]]
      self._pieces["weights"].append(weights[0])

  def of_rows(self, codes: np.ndarray, schema: Schema) -> dict[str, Any]:
    """Returns what belongs to each of the M rows of the input.

    Args:
      codes: [M] which of the graphs a row is.
      schema: Schema of the dataset that was learned from.

    Returns:
      `values`, `std`, `vectors`, `nodes` and `weights` of a `predict.Result`.
    """
    shape = (*self._count, schema.num_outputs)
    logits = self._dense.get("logits", np.full(shape, np.nan, np.float32))
    values = predictions.values_of(schema, logits)  # [K, D, C]
    is_ensemble = len(values) > 1
    nothing = np.zeros((*self._count, 0), np.float32)
    vectors = self._dense.get("vectors", nothing)[0, codes]
    return {
      "values": values.mean(axis=0)[codes],
      "std": values.std(axis=0, ddof=1)[codes] if is_ensemble else None,
      "vectors": vectors if self._wanted["vectors"] else None,
      "nodes": self._ragged("nodes", codes),
      "weights": self._ragged("weights", codes),
    }

  def _ragged(self, name: str, codes: np.ndarray) -> Ragged | None:
    if not self._wanted[name]:
      return None
    if not self._pieces[name]:  # No graph could be read.
      empty = np.zeros(len(codes) + 1, np.int64), np.zeros((0, 1), np.float32)
      return Ragged(*empty)
    met = np.concatenate(self._places)  # In the order of the pieces.
    offsets = np.concatenate([[0], np.cumsum(self.sizes[met])])
    rows = np.full(self._count[1], -1)
    rows[met] = np.arange(len(met))
    values = np.concatenate(self._pieces[name])
    return Ragged(offsets, values).take(rows[codes])
