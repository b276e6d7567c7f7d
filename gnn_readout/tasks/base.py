"""What is learned: the one thing that a trainer knows of a task.

A `Problem` belongs to one run. It says how parameters are made, what the loss
of a batch is, where batches come from (the host, or drawn on the device), how
a split is scored, and what to print and to record of itself. A dataset of
graphs makes one (`graph_property.py`); median estimation, class counting and
the auto-encoder of sets are others.

Runs that train as one compiled program are members of it; what concerns all of
them takes the list of their problems. Letters: M members, K batches.
"""

from __future__ import annotations

import abc
import copy
import os
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import haiku as hk
import jax
import numpy as np
from jax import Array

from gnn_readout import optimizers


class Functions(NamedTuple):
  """The pure functions of one member.

  `hyper` holds its traced fields and its `hyper_arrays`.

  Attributes:
    init: (hyper, key, batch) -> (parameters, model state).
    loss: (hyper, parameters, model state, key, batch) -> (objective [], (model
      state, named scalars)); the scalars hold 'loss'.
    predict: (hyper, parameters, model state, batch) -> what a score is made of.
    optimizer: hyper -> the optimiser.
    sample: key -> a training batch; None where batches come from the host.
    num_chunks: A batch is computed in so many equal parts, one after another,
      and their losses and gradients are averaged. A CPU is faster on what fits
      its cache.
  """

  init: Callable[..., Any]
  loss: Callable[..., Any]
  predict: Callable[..., Any]
  optimizer: Callable[..., Any]
  sample: Callable[[Array], Any] | None = None
  num_chunks: int = 1


class Batch(NamedTuple):
  """A training batch from the host.

  Attributes:
    arrays: A tree; the first axis is the member's unless all share the batch,
      and the next, if the batch is in several shares, that of those which the
      devices of this process have.
    real: Graphs, nodes and edges in all shares, [M, 3], or [1, 3] if members
      share the batch.
    padded: The same with padding, of one member.
  """

  arrays: Any
  real: np.ndarray
  padded: tuple[int, int, int]


class Scores(NamedTuple):
  """What one member's predictions of a split are worth.

  Attributes:
    values: Values by name; the problem's metric is among them.
    details: What else a record of them holds.
  """

  values: dict[str, float]
  details: dict[str, Any]


class Exam(NamedTuple):
  """What is predicted to be scored.

  Attributes:
    batches: K trees of host arrays; as in `Batch`, but for their axis of
      members.
    is_shared: Whether all members get the same.
    score: (member, split, its K predictions on the host) -> Scores. Raises
      ValueError for predictions that cannot be scored.
  """

  batches: Sequence[Any]
  is_shared: bool
  score: Callable[[int, str, Sequence[Any]], Scores]


class Problem(abc.ABC):
  """What one run learns.

  Attributes:
    TRACED: Fields of a config that one program takes as arrays, with an entry
      for each member.
    PRIVATE: Fields in which members may differ besides: they decide what a
      member starts from and what it is trained on.
    REQUIRED: Fields that a config must have.
    POSITIVE: Fields that must be more than 0, where they are.
    NOT_NEGATIVE: Fields that must be 0 or more, where they are.
    SCHEDULES: What `optimizer.schedule` may be.
    name: A key of `tasks.TASKS`.
    config: Complete: what is measured on the data is filled in.
    metric: The score that a run is judged by.
    lower_is_better: Whether a smaller one is a better one.
    schema: Schema of the dataset, which a checkpoint must fit; None without
      one.
    num_steps: Training steps of the whole run.
    epoch_steps: Steps of an epoch; None where there are no epochs.
    eval_every: Steps between evaluations.
  """

  TRACED: tuple[str, ...] = (
    "optimizer.learning_rate",
    "optimizer.weight_decay",
  )
  PRIVATE: tuple[str, ...] = ("seed",)
  REQUIRED: tuple[str, ...] = (
    "model.readout.name",
    "note",
    "num_steps",
    "optimizer.learning_rate",
    "seed",
  )
  POSITIVE: tuple[str, ...] = (
    "eval_batch_size",
    "log_every",
    "optimizer.learning_rate",
  )
  NOT_NEGATIVE: tuple[str, ...] = (
    "checkpoint_every",
    "eval_every",
    "num_epochs",
    "num_steps",
    "optimizer.warmup_steps",
    "seed",
  )
  SCHEDULES: tuple[str, ...] = tuple(optimizers.SCHEDULES)

  name: str
  config: Any
  metric: str
  lower_is_better: bool
  schema: Any = None
  num_steps: int
  epoch_steps: int | None = None
  eval_every: int

  @property
  def sign(self) -> int:
    """1 if a larger score is a better one, else -1."""
    return -1 if self.lower_is_better else 1

  @property
  def num_shares(self) -> int:
    """Number of devices, D, that share a batch; by default one per process."""
    return self.config.get("num_devices", 0) or jax.process_count()

  @property
  def identity(self) -> Hashable:
    """Problems of equal identity share what is compiled; None: with nobody."""
    return None

  @classmethod
  def check(cls, fields: Mapping[str, Any]) -> None:
    """Raises ValueError for fields, by dotted name, that cannot be."""
    del fields

  @classmethod
  def data_key(cls, config: Any) -> Hashable:
    """Returns what of a config decides the data, splits included."""
    del config
    return ()

  def with_config(self, config: Any) -> Problem:
    """Returns the same on the same data for another member's config."""
    other = copy.copy(self)
    other.config = config
    return other

  @abc.abstractmethod
  def functions(self) -> Functions:
    """Returns the pure functions of a member."""

  @abc.abstractmethod
  def example(self) -> Any:
    """Returns a batch of one member; only its shapes and types matter."""

  def hyper_arrays(self) -> dict[str, np.ndarray]:
    """Returns what the functions get in `hyper` besides the traced fields.

    Arrays of this member alone, such as what was measured on its training set.
    """
    return {}

  @classmethod
  def dataset_facts(
    cls,
    config: Any,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
  ) -> dict[str, Any] | None:
    """Returns what identifies the dataset of a config; None without one.

    Args:
      config: Config of one run; it stays as it is.
      data_dir: Where the datasets are.
      cache_dir: Where their converted columns are.
    """
    del config, data_dir, cache_dir
    return None

  def is_shared(self, problems: Sequence[Problem]) -> bool:
    """Returns whether all members are trained on the same batches."""
    del problems
    return False

  def stream(
    self, problems: Sequence[Problem], start_step: int
  ) -> Generator[Batch, None, None]:
    """Iterates over training batches of all members, for ever.

    Args:
      problems: Problems of the members, this one the first.
      start_step: The step to start at; step k gets the same batch wherever the
        iteration started. Closing the iterator frees what it holds.
    """
    raise NotImplementedError

  @abc.abstractmethod
  def exam(self, problems: Sequence[Problem], splits: Sequence[str]) -> Exam:
    """Returns what has to be predicted to score some splits of all members.

    Args:
      problems: Problems of the members, this one the first.
      splits: Names of splits, such as 'valid' and 'test'.
    """

  @abc.abstractmethod
  def describe(self) -> list[str]:
    """Returns lines that say what is learned from what."""

  @abc.abstractmethod
  def model_name(self) -> str:
    """Returns such as 'gcn, mean readout'."""

  def facts(self) -> dict[str, Any]:
    """Returns what the record says of the data: `dataset` and `epochs`.

    `dataset` is as `dataset_facts` has it, None where examples are drawn.
    """
    return {"dataset": None, "epochs": None}

  def describe_params(self, params: hk.Params) -> dict[str, Any]:
    """Returns what of the best parameters is worth keeping in the record."""
    del params
    return {}
