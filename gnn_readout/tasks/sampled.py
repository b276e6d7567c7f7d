"""Problems whose examples are drawn on the device, not read from a dataset.

A task is then a few pure functions. Letters: K batches, B examples of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import haiku as hk
import jax
import numpy as np
from jax import Array

from gnn_readout import optimizers
from gnn_readout.fields import flatten, nested
from gnn_readout.tasks.base import Exam, Functions, Problem, Scores

# Evaluation is on the same examples in every run, whatever its seed.
_EVALUATION_SEED = 2**31 - 1


class SampledProblem(Problem):
  """A problem whose examples are drawn as they are needed, on the device.

  A few pure functions, of which the trainer makes many steps at a time without
  the host. The model has no state besides its parameters.
  """

  REQUIRED = (
    # A task may have models without a readout.
    *(name for name in Problem.REQUIRED if name != "model.readout.name"),
    "eval_every",
    "num_eval_sets",
    "task",
  )
  POSITIVE = (*Problem.POSITIVE, "eval_every", "num_eval_sets", "num_steps")
  NOT_NEGATIVE = (*Problem.NOT_NEGATIVE, "chunk_size", "num_devices")
  SCHEDULES = ("constant", "cosine", "plateau")  # The others count epochs.

  def __init__(
    self,
    name: str,
    config: Mapping[str, Any],
    *,
    init: Callable[[Array], hk.Params],
    sample: Callable[[Array], Any],
    loss: Callable[[hk.Params, Array, Any], tuple[Array, dict[str, Array]]],
    evaluate: Callable[[hk.Params, Any], dict[str, Array]],
    sample_valid: Callable[[Array], Any] | None = None,
    sample_test: Callable[[Array], Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    metric: str,
    lower_is_better: bool,
    describe_params: Callable[[hk.Params], dict[str, Any]] = lambda params: {},
    summarise: Callable[[dict[str, Any]], dict[str, float]] | None = None,
  ):
    """Collects the functions.

    Args:
      name: A key of `tasks.TASKS`.
      config: `num_steps`, `eval_every`, `num_eval_sets`, `optimizer` and, if
        wanted, `chunk_size`: of a batch so many examples are computed at a
        time; 0: all; and `num_devices`, to which the chunks are dealt.
      init: key -> parameters.
      sample: key -> a training batch, any tree of arrays whose first axis is
        that of the examples; the same shapes whatever the key.
      loss: (parameters, key, batch) -> (loss [], named scalars worth logging).
      evaluate: (parameters, batch) -> named scalars, each a mean over the
        batch.
      sample_valid: key -> a batch to choose by.
      sample_test: key -> a batch to report, from what was never trained on.
      fixed: Where examples are not drawn but given, those of 'valid' and
        'test': batches [K, B, ...], of which `num_eval_sets` examples are
        scored, rounded up to a whole batch, or all if there are fewer. None:
        they are drawn by the samplers.
      metric: The scalar of `evaluate` that a run is judged by.
      lower_is_better: Whether a smaller metric is a better one.
      describe_params: A function that returns what of the parameters to keep in
        a record.
      summarise: What `evaluate` returned, stacked over all batches of a split,
        -> its scores, where one is no mean over batches. `evaluate` may then
        return any tree of arrays. None: the mean of each.
    """
    self.name, self.config = name, config
    self.init, self.sample, self.loss, self.evaluate = (
      init,
      sample,
      loss,
      evaluate,
    )
    self.sample_valid, self.sample_test = sample_valid, sample_test
    self.fixed = fixed
    self.metric, self.lower_is_better = metric, lower_is_better
    self.describe_params = describe_params
    self.summarise = summarise or _means

  @property
  def num_steps(self) -> int:
    """Training steps of the whole run."""
    return self.config["num_steps"]

  @property
  def eval_every(self) -> int:
    """Steps between evaluations."""
    return self.config["eval_every"]

  @property
  def chunk_size(self) -> int:
    """Examples of a batch that are computed at a time; 0: all."""
    return self.config.get("chunk_size", 0)

  @classmethod
  def data_key(cls, config: Any) -> Hashable:
    """Returns all that the functions were made from."""
    fields = flatten(config)
    for name in (*cls.TRACED, *cls.PRIVATE):
      fields.pop(name, None)
    return tuple(sorted((name, repr(x)) for name, x in fields.items()))

  def functions(self) -> Functions:
    """Returns the pure functions of a member.

    Raises:
      ValueError: If a batch cannot be cut into chunks of `chunk_size`, or
        these not be dealt to `num_devices`.
    """
    batch = jax.eval_shape(self.sample, jax.random.key(0))
    size = jax.tree.leaves(batch)[0].shape[0]
    devices = self.num_shares
    if size % devices:
      raise ValueError(
        f"num_devices must divide batch_size={size}, got {devices}"
      )
    chunk_size = self.chunk_size or size // devices
    if size % chunk_size:
      raise ValueError(
        f"chunk_size must divide batch_size={size}, got {chunk_size}"
      )
    num_chunks = size // chunk_size
    if num_chunks % devices:
      raise ValueError(
        f"num_devices must divide the {num_chunks} chunks of a batch,"
        f" batch_size={size} by chunk_size={chunk_size}, got {devices}"
      )
    fields = {"optimizer": dict(self.config["optimizer"])}

    def optimizer(hyper):
      return optimizers.of_member(
        nested(fields, hyper)["optimizer"], hyper, self.num_steps
      )

    def loss(hyper, params, model_state, key, batch):
      del hyper
      value, scalars = self.loss(params, key, batch)
      return value, (model_state, {**scalars, "loss": value})

    def predict(hyper, params, model_state, batches):
      del hyper, model_state
      return jax.lax.map(lambda batch: self.evaluate(params, batch), batches)

    return Functions(
      init=lambda hyper, key, batch: (self.init(key), {}),
      loss=loss,
      predict=predict,
      optimizer=optimizer,
      sample=self.sample,
      num_chunks=num_chunks,
    )

  def example(self) -> Any:
    """Returns nothing: the parameters are made without a batch."""
    return ()

  def exam(self, problems: Sequence[Problem], splits: Sequence[str]) -> Exam:
    """Returns examples of some splits, the same for all members."""
    batches = [_cut(self._examples(name), self.chunk_size) for name in splits]
    place = {name: i for i, name in enumerate(splits)}

    def score(member, split, predictions):
      del member
      values = self.summarise(predictions[place[split]])
      if not np.isfinite(values[self.metric]):
        raise ValueError(
          f"the {self.metric} on the {split} examples was not finite"
        )
      return Scores(values, {})

    return Exam(batches, is_shared=True, score=score)

  def _examples(self, split: str) -> Any:
    """Returns the batches [K, B, ...] that a split is scored on."""
    num_sets = self.config["num_eval_sets"]
    if self.fixed is not None:
      batches = self.fixed[split]
      size = jax.tree.leaves(batches)[0].shape[1]
      return jax.tree.map(lambda x: x[: -(-num_sets // size)], batches)
    keys = jax.random.split(jax.random.key(_EVALUATION_SEED))
    keys = dict(zip(("valid", "test"), keys, strict=True))
    samplers = {"valid": self.sample_valid, "test": self.sample_test}
    return draw_batches(samplers[split], keys[split], num_sets)

  def describe(self) -> list[str]:
    """Returns the name of the task and its metric."""
    return [f"task     {self.name}, metric {self.metric}"]

  def model_name(self) -> str:
    """Returns such as 'mean readout', or the model's name without one."""
    model = self.config.get("model", {})
    if readout := model.get("readout", {}).get("name", ""):
      return f"{readout} readout"
    return model.get("name", self.name)


def draw_batches(
  sample: Callable[[Array], Any], key: Array, num_sets: int
) -> Any:
  """Draws batches of at least so many examples in all.

  Args:
    sample: `sample_valid` or `sample_test` of a problem; examples lie along
      the first axis of all arrays.
    key: The same key draws the same batches.
    num_sets: How many examples.

  Returns:
    A batch with one more axis, of the batches, in front.
  """
  size = jax.tree.leaves(jax.eval_shape(sample, key))[0].shape[0]
  keys = jax.random.split(key, -(-num_sets // size))
  return jax.jit(lambda keys: jax.lax.map(sample, keys))(keys)


def _means(outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
  return {name: float(np.mean(x)) for name, x in outputs.items()}


def _cut(batches: Any, chunk_size: int) -> Any:
  """Cuts K batches [K, B, ...] into chunks, if they can be."""
  size = jax.tree.leaves(batches)[0].shape[1]
  if not chunk_size or size % chunk_size:
    return batches
  return jax.tree.map(
    lambda x: x.reshape(-1, chunk_size, *x.shape[2:]), batches
  )
