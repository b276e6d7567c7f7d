"""Sums, means, orders and other functions of many sets at once.

Each takes the elements of all sets and a `graphs.Sets` that says which belongs
where. `reductions` make one row of each set, `sorting` puts the elements of
each in order.
"""

from gnn_readout.segments.reductions import (
  broadcast,
  log_mean_exp,
  logsumexp,
  masked,
  max,
  mean,
  membership,
  min,
  places,
  prod,
  scale_of_squares,
  softmax,
  softmax_mean,
  std,
  sum,
  var,
  weighted_sum,
  without_faults,
)
from gnn_readout.segments.sorting import (
  INTERPOLATIONS,
  interpolate,
  permute,
  quantile,
  rank,
  sort,
  unpermute,
)

__all__ = [
  "INTERPOLATIONS",
  "broadcast",
  "interpolate",
  "log_mean_exp",
  "logsumexp",
  "masked",
  "max",
  "mean",
  "membership",
  "min",
  "permute",
  "places",
  "prod",
  "quantile",
  "rank",
  "scale_of_squares",
  "softmax",
  "softmax_mean",
  "sort",
  "std",
  "sum",
  "unpermute",
  "var",
  "weighted_sum",
  "without_faults",
]
