"""Batches of a store's graphs: planned, dealt, padded and made ahead of time.

A plan (`plan`) follows from sizes and a seed alone: which graphs share a batch
(`deal`) and in which of a few shapes (`budgets`). `streams` and `members` then
copy the graphs of whole windows of batches (`collate`) in a thread
(`prefetch`), while the device computes. It imports `store`, and no source.
"""

from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.collate import collate
from gnn_readout.data.batches.deal import num_batches
from gnn_readout.data.batches.members import (
  member_batches,
  member_eval_batches,
)
from gnn_readout.data.batches.plan import (
  MODES,
  BatchPlan,
  check_shares,
  make_eval_plan,
  make_plan,
)
from gnn_readout.data.batches.streams import eval_batches, train_batches

__all__ = [
  "MODES",
  "BatchPlan",
  "Budget",
  "check_shares",
  "collate",
  "eval_batches",
  "make_eval_plan",
  "make_plan",
  "member_batches",
  "member_eval_batches",
  "num_batches",
  "train_batches",
]
