"""Readouts: one vector from the elements of each set.

`READOUTS` is the table of all of them and `make_readout` the way in. A new
readout is a file here, a row there, and a test of what only it promises. They
import `layers` and the mathematics on sets, nothing of data or training.

Those of `ORDER_DEPENDENT` take the elements as a sequence: they are made by the
same name and keep all of the contract but that the order does not matter. Those
of `OF_GRAPHS` look at the edges among the elements as well, which the nodes of
graphs have (`graphs.node_sets`) and other sets do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gnn_readout import signatures
from gnn_readout.errors import suggest
from gnn_readout.readouts.adaptive import Adaptive
from gnn_readout.readouts.attention import Attention
from gnn_readout.readouts.base import Aggregate, Readout
from gnn_readout.readouts.deep_sets import DeepSets
from gnn_readout.readouts.equilibrium import EquilibriumAggregation
from gnn_readout.readouts.fourier_sliced_wasserstein import (
  FourierSlicedWasserstein,
)
from gnn_readout.readouts.fspool import FSPool
from gnn_readout.readouts.gated_attention import GatedAttention
from gnn_readout.readouts.generalised import Generalised
from gnn_readout.readouts.gru import GRU
from gnn_readout.readouts.janossy import Janossy
from gnn_readout.readouts.lcm import LCM
from gnn_readout.readouts.learnable_aggregation import LearnableAggregation
from gnn_readout.readouts.logsumexp import LogSumExp
from gnn_readout.readouts.lstm import LSTM
from gnn_readout.readouts.max import Max
from gnn_readout.readouts.mean import Mean
from gnn_readout.readouts.median import Median
from gnn_readout.readouts.min import Min
from gnn_readout.readouts.mlp import MLP
from gnn_readout.readouts.moment import Moment
from gnn_readout.readouts.mul import Mul
from gnn_readout.readouts.multi import Multi
from gnn_readout.readouts.multiset_transformer import MultisetTransformer
from gnn_readout.readouts.optimal_transport import OptimalTransport
from gnn_readout.readouts.patch_transformer import PatchTransformer
from gnn_readout.readouts.permutation import Permutation
from gnn_readout.readouts.pna import PNA
from gnn_readout.readouts.power_mean import PowerMean
from gnn_readout.readouts.quantile import Quantile
from gnn_readout.readouts.relation_network import RelationNetwork
from gnn_readout.readouts.set2set import Set2Set
from gnn_readout.readouts.set_transformer import SetTransformer
from gnn_readout.readouts.sliced_wasserstein import SlicedWasserstein
from gnn_readout.readouts.soft_median import SoftMedian
from gnn_readout.readouts.softmax import Softmax
from gnn_readout.readouts.sort_pool import SortPool
from gnn_readout.readouts.ssma import SSMA
from gnn_readout.readouts.std import Std
from gnn_readout.readouts.sum import Sum
from gnn_readout.readouts.template_gromov import TemplateGromov
from gnn_readout.readouts.var import Var
from gnn_readout.readouts.variance_preserving import VariancePreserving

READOUTS: dict[str, type[Readout]] = {
  "adaptive": Adaptive,
  "attention": Attention,
  "deep_sets": DeepSets,
  "equilibrium": EquilibriumAggregation,
  "fourier_sliced_wasserstein": FourierSlicedWasserstein,
  "fspool": FSPool,
  "gated_attention": GatedAttention,
  "generalised": Generalised,
  "janossy": Janossy,
  "learnable_aggregation": LearnableAggregation,
  "logsumexp": LogSumExp,
  "max": Max,
  "mean": Mean,
  "median": Median,
  "min": Min,
  "moment": Moment,
  "mul": Mul,
  "multi": Multi,
  "multiset_transformer": MultisetTransformer,
  "optimal_transport": OptimalTransport,
  "permutation": Permutation,
  "pna": PNA,
  "power_mean": PowerMean,
  "quantile": Quantile,
  "relation_network": RelationNetwork,
  "set2set": Set2Set,
  "set_transformer": SetTransformer,
  "sliced_wasserstein": SlicedWasserstein,
  "soft_median": SoftMedian,
  "softmax": Softmax,
  "sort_pool": SortPool,
  "ssma": SSMA,
  "std": Std,
  "sum": Sum,
  "var": Var,
  "variance_preserving": VariancePreserving,
}

ORDER_DEPENDENT: dict[str, type[Readout]] = {
  "gru": GRU,
  "lcm": LCM,
  "lstm": LSTM,
  "mlp": MLP,
  "patch_transformer": PatchTransformer,
}


OF_GRAPHS: dict[str, type[Readout]] = {"template_gromov": TemplateGromov}


def readout_class(name: str) -> type[Readout]:
  """Returns the class of a readout.

  Raises:
    ValueError: if no readout has this name; names the nearest.
  """
  known = READOUTS | ORDER_DEPENDENT | OF_GRAPHS
  if name not in known:
    raise ValueError(f"Unknown readout {name!r}.{suggest(name, known)}")
  return known[name]


def arguments_from_data(
  readout: Mapping[str, Any], sizes: np.ndarray
) -> dict[str, Any]:
  """Returns the arguments that are not given but measured, such as PNA's delta.

  Args:
    readout: A readout's part of a config: its name and arguments; those that
      are None are not given.
    sizes: [S], of the training sets.

  Raises:
    ValueError: if no readout has its name.
  """
  values = readout_class(readout["name"]).arguments_from_data(sizes)
  return {k: v for k, v in values.items() if readout.get(k) is None}


def split_weight(readout: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
  """Returns the arguments of `make_readout` and the auxiliary weight.

  Args:
    readout: A readout's part of a config.

  Raises:
    ValueError: if no readout has its name.
  """
  arguments = dict(readout)
  weight = arguments.pop("aux_weight", 0.0)
  readout_class(arguments["name"])
  return arguments, weight


def make_readout(
  name: str, output_size: int | None = None, **kwargs: Any
) -> Readout:
  """Returns a readout by name, inside a Haiku transform.

  Args:
    name: A key of `READOUTS`, `ORDER_DEPENDENT` or `OF_GRAPHS`.
    output_size: D_out, or None for the readout's natural width.
    **kwargs: Arguments of the readout's own.

  Raises:
    ValueError: if the name or an argument is unknown.
  """
  make = readout_class(name)
  signatures.check(f"Readout {name!r}", kwargs, make.arguments())
  return make(output_size=output_size, **kwargs)


__all__ = [
  "OF_GRAPHS",
  "ORDER_DEPENDENT",
  "READOUTS",
  "Aggregate",
  "EquilibriumAggregation",
  "Readout",
  "make_readout",
  "readout_class",
  "split_weight",
]
