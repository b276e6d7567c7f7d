"""Prediction of properties of graphs: a dataset and a model make a problem."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gnn_readout import data, losses, metrics, models, optimizers, shares
from gnn_readout.data import batches, identity, sources
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import suggest
from gnn_readout.fields import nested
from gnn_readout.message_passing import network_class
from gnn_readout.tasks import scaling, scoring
from gnn_readout.tasks.base import Batch, Exam, Functions, Problem, Scores
from gnn_readout.tasks.scaling import Scaling
from gnn_readout.wording import counted

# Allowed for every traced field: what is compiled does not depend on it.
_ANY_VALUE = 0.5
_WEIGHTS = "label_weights"  # Among the traced values of a member.
# By mode of batching, the field that decides the shapes of batches.
_SHAPED_BY = {"bucketed": "num_buckets", "paper": "max_nodes"}


class GraphProperty(Problem):
  """One or more properties of each graph of a dataset.

  objective = masked loss of the task type + mean over the real graphs of the
  auxiliary losses, which the model has weighted. The loss of a regression is
  that of the scaled targets, see `scaling`; its predictions are in the units of
  the labels.
  """

  TRACED = (
    "model.head.dropout_rate",
    "model.message_passing.dropout",
    "model.readout.aux_weight",
    "model.readout.delta",
    *Problem.TRACED,
  )
  PRIVATE = ("fold", "folds.seed", "seed")
  POSITIVE = (
    *Problem.POSITIVE,
    "batching.batch_size",
    "model.message_passing.num_layers",
    "model.message_passing.width",
  )
  NOT_NEGATIVE = (*Problem.NOT_NEGATIVE, "num_devices")
  REQUIRED = (
    *Problem.REQUIRED,
    *POSITIVE,
    *Problem.NOT_NEGATIVE,
    "batching.mode",
    "dataset",
    "model.message_passing.name",
    "optimizer.schedule",
    "tensorboard",
  )

  epoch_steps: int  # A dataset has epochs.

  def __init__(
    self, config: Any, store: GraphStore, facts: dict[str, Any] | None = None
  ):
    """Completes the config.

    Args:
      config: As `configs/molpcba.py` makes it; what a readout measures on its
        training set is filled in.
      store: The dataset.
      facts: Facts of the dataset, which take a while, from another member.
    """
    self._facts = {} if facts is None else facts
    self._constants: dict[str, dict[str, float]] = {}
    graphs = store.splits["train"]
    models.complete_config(
      config.model,
      store.num_nodes[graphs],
      functools.partial(store.in_degrees, graphs),
    )
    self.name = "graph_property"
    self.config, self.store, self.schema = config, store, store.schema
    self.metric, self._recorded = scoring.names(config, store.schema)
    self.lower_is_better = not metrics.higher_is_better(self.metric)
    fields = config.batching
    if fields.mode == "paper":  # Epochs differ in length.
      a_pass = self.plan.steps_per_epoch
    else:
      a_pass = batches.num_batches(
        len(graphs), fields.batch_size, fields.get("keep_last", False)
      )
    self.epoch_steps = config.get("epoch_steps", 0) or a_pass
    # [T, C], how much a label counts in the loss; None if all do the same.
    self.label_weights = self._weigh_labels()
    self.num_steps = config.num_steps
    if config.num_epochs > 0:
      self.num_steps = round(config.num_epochs * self.epoch_steps)
    self.eval_every = config.eval_every or self.epoch_steps

  @classmethod
  def from_config(
    cls,
    config: Any,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
  ) -> GraphProperty:
    """Returns the problem of a config and the dataset that it names.

    Args:
      config: As `configs/molpcba.py` makes it; completed in place.
      data_dir: Where the datasets are.
      cache_dir: Where their converted columns are.
    """
    store = data.load_config(config, data_dir, cache_dir)
    _, recorded = scoring.names(config, store.schema)
    if config.get("patience", 0) and not len(store.splits.get("valid", ())):
      raise ValueError(
        f"patience={config.patience} needs validation scores, but the split"
        f" 'valid' of {store.schema.name} is empty"
      )
    scoring.check_scorable(store, ("valid", "test"), recorded)
    return cls(config, store)

  @classmethod
  def check(cls, fields: Mapping[str, Any]) -> None:
    """Raises ValueError for fields, by dotted name, that cannot be."""
    network_class(fields["model.message_passing.name"])
    mode = fields["batching.mode"]
    if mode not in _SHAPED_BY:
      known = suggest(mode, _SHAPED_BY)
      raise ValueError(f"unknown batching.mode {mode!r}.{known}")
    size = f"batching.{_SHAPED_BY[mode]}"
    if not fields[size] > 0:
      raise ValueError(f"{size} must be positive, got {fields[size]}")
    batches.check_shares(
      fields["batching.batch_size"], fields.get("num_devices") or 1
    )

  @classmethod
  def data_key(cls, config: Any) -> Hashable:
    """Returns what decides the dataset and its splits."""
    fields = (*sources.config_fields(), "fold", "folds")
    values = {name: config.get(name) for name in fields if name in config}
    return str(ConfigDict(values))

  def with_config(self, config: Any) -> GraphProperty:
    """Returns the same on the same dataset for another member."""
    return GraphProperty(config, self.store, self._facts)

  @functools.cached_property
  def plan(self) -> batches.BatchPlan:
    """The training batches of every epoch."""
    return batches.make_plan(
      self.store,
      "train",
      seed=self.config.seed,
      num_shares=self.num_shares,
      **self.config.batching,
    )

  @property
  def identity(self) -> Hashable:
    """Seeds, folds and traced fields do not change what is compiled."""
    parts = self.config.to_dict()
    parts = {name: parts[name] for name in ("model", "optimizer")}
    parts = nested(parts, dict.fromkeys(self.TRACED, _ANY_VALUE))
    text = json.dumps(parts, sort_keys=True)
    is_weighted = self.label_weights is not None
    return text, is_weighted, self.schema, self.num_steps, self.epoch_steps

  @classmethod
  def dataset_facts(
    cls,
    config: Any,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
  ) -> dict[str, Any]:
    """Returns what identifies the dataset of a config, see `identity`."""
    return identity.facts(data.load_config(config, data_dir, cache_dir))

  @functools.cached_property
  def targets(self) -> Scaling | None:
    """How the labels of a regression are scaled; None for classes."""
    if self.schema.task_type != "regression":
      return None
    return Scaling.of(self.store.labels[self.store.splits["train"]])

  def _weigh_labels(self) -> np.ndarray | None:
    schema, config = self.schema, self.config
    try:
      return losses.label_weights(
        schema.task_type,
        self.store.labels[self.store.splits["train"]],
        schema.num_classes,
        config.get("class_weights", ()),
        config.get("task_weights", ()),
      )
    except ValueError as error:
      raise ValueError(f"dataset {schema.name!r}: {error}") from error

  def hyper_arrays(self) -> dict[str, np.ndarray]:
    """Returns what members measure on their training sets, which differ.

    That is the scale of the targets and the weights of the labels.
    """
    found = self.targets.fields() if self.targets else {}
    if self.label_weights is not None:
      found[_WEIGHTS] = self.label_weights
    return found

  def functions(self) -> Functions:
    """Returns the pure functions of a member."""
    # Not the store: what is compiled may outlive it.
    config, schema = self.config.to_dict(), self.schema
    num_steps, epoch_steps = max(self.num_steps, 1), self.epoch_steps
    task_loss = losses.masked_loss(schema.task_type)

    def model(hyper):
      return models.build_model(nested(config, hyper)["model"], schema)

    def optimizer(hyper):
      return optimizers.of_member(
        nested(config, hyper)["optimizer"], hyper, num_steps, epoch_steps
      )

    is_scaled = schema.task_type == "regression"

    def init(hyper, key, batch):
      params, model_state = model(hyper).init(key, batch)
      targets = Scaling.from_fields(hyper) if is_scaled else None
      return params, scaling.put(model_state, targets)

    def loss(hyper, params, model_state, key, batch):
      targets, model_state = scaling.take(model_state)
      output, model_state = model(hyper).apply(
        params, model_state, key, batch, is_training=True
      )
      mask, labels = (batch.globals[name] for name in ("mask", "labels"))
      labels = targets.scaled(labels) if targets else labels
      # Of a share, its part of the loss of the whole batch.
      weights = hyper.get(_WEIGHTS)
      value = task_loss(output.logits, labels, mask, weights)
      aux = jnp.where(mask, output.aux_loss, 0).sum()
      graphs = jnp.maximum(shares.total(mask.sum()), 1)
      aux, diagnostics = aux / graphs, output.diagnostics
      if shares.is_sharded():  # Means, to which each graph adds the same.
        part = mask.sum() / graphs
        diagnostics = {name: part * x for name, x in diagnostics.items()}
      scalars = {"loss": value, "aux": aux, **diagnostics}
      return value + aux, (scaling.put(model_state, targets), scalars)

    outputs = self.outputs(schema)

    def predict(hyper, params, model_state, batch):
      return outputs(hyper, params, model_state, batch).logits

    return Functions(init, loss, predict, optimizer)

  def outputs(self, schema: Schema) -> Callable[..., models.Output]:
    """Returns (hyper, params, model state, batch) -> all of a model's output.

    The logits of a regression are values in the units of the labels.

    Args:
      schema: Schema of the graphs in the batch; its features are the dataset's.
    """
    config = self.config.to_dict()

    def outputs(hyper, params, model_state, batch):
      targets, model_state = scaling.take(model_state)
      model = models.build_model(nested(config, hyper)["model"], schema)
      # No key: evaluation draws nothing, and would fail if it did.
      output, _ = model.apply(
        params, model_state, None, batch, is_training=False
      )
      if targets:
        output = output._replace(logits=targets.unscaled(output.logits))
      return output

    return outputs

  def example(self) -> Any:
    """Returns a batch of one graph."""
    return next(
      batches.eval_batches(self.store, "train", batch_size=1, prefetch=0)
    )

  def is_shared(self, problems: Sequence[Problem]) -> bool:
    """Returns whether the members' splits and orders are the same."""
    return len({(p.splits_key, p.config.seed) for p in problems}) == 1

  @property
  def splits_key(self) -> tuple[Any, ...]:
    """What decides the splits."""
    folds = self.config.get("folds")
    return self.config.get("fold"), str(folds.to_dict()) if folds else ""

  def stream(
    self, problems: Sequence[Problem], start_step: int
  ) -> Generator[Batch, None, None]:
    """Iterates over training batches; see `Problem.stream`.

    Raises:
      ValueError: If members with batches of their own have another mode than
        'bucketed'.
    """
    own = shares.own(self.num_shares)
    if self.is_shared(problems):
      for item in batches.train_batches(self.plan, start_step, shares=own):
        yield self._batch(item.batch, item.real[None])
    plans = {}
    for p in problems:
      plans.setdefault((p.splits_key, p.config.seed), p.plan)
    plans = [plans[p.splits_key, p.config.seed] for p in problems]
    for item in batches.member_batches(plans, start_step, shares=own):
      yield self._batch(item.batch, item.real)

  def _batch(self, arrays: Any, real: np.ndarray) -> Batch:
    sizes = arrays.n_node, arrays.senders
    graphs, edges = (x.shape[-1] for x in sizes)
    shape = graphs, arrays.nodes.shape[-2], edges
    return Batch(arrays, real, tuple(self.num_shares * x for x in shape))

  def exam(self, problems: Sequence[Problem], splits: Sequence[str]) -> Exam:
    """Returns batches in which every graph of the splits is met once.

    All have one shape.
    """
    is_shared = len({p.splits_key for p in problems}) == 1
    stores = [p.store for p in (problems[:1] if is_shared else problems)]
    graphs = [
      np.unique(np.concatenate([s.splits[name] for name in splits]))
      for s in stores
    ]
    made = batches.member_eval_batches(
      self.store, graphs, self.config.eval_batch_size
    )
    index = np.concatenate([b.globals["index"] for b in made], axis=1)
    places = [
      {name: _positions(index[m], store.splits[name]) for name in splits}
      for m, store in enumerate(stores)
    ]

    def score(member, split, predictions):
      place = places[0 if is_shared else member][split]
      logits = np.concatenate(predictions)[place]
      return problems[member].score(split, logits)

    if is_shared:
      made = [jax.tree.map(lambda x: x[0], batch) for batch in made]
    return Exam(made, is_shared, score)

  def score(self, split: str, logits: np.ndarray) -> Scores:
    """Scores the predictions of a split, see `scoring.score`.

    Args:
      split: Its name.
      logits: [G, T], or [G, C] for C classes, in the order of the split.
    """
    if split not in self._constants:
      self._constants[split] = scoring.constant_scores(
        self.store, split, self._recorded
      )
    constants = self._constants[split]
    return scoring.score(self.store, split, logits, constants, self.metric)

  def describe(self) -> list[str]:
    """Returns lines on the dataset, how it was understood, and the batches."""
    store, plan, schema = self.store, self.plan, self.schema
    summary = plan.summary()
    fill = [
      f"{summary[f'{kind}_fill']:.1%} of {kind}s"
      for kind in ("graph", "node", "edge")
    ]
    shapes = [f"{nodes}/{edges}" for _, nodes, edges in plan.budgets]
    size = counted(plan.batch_size, "graph")
    size += f" on {plan.num_shares} devices" * (plan.num_shares > 1)
    return [
      f"dataset  {schema.name}: {counted(store.num_graphs, 'graph')},"
      f" {counted(schema.num_tasks, 'task')} ({schema.task_type}), metric"
      f" {self.metric}",
      *(f"         {line}" for line in self.facts()["dataset"]["description"]),
      f"batches  {plan.mode}, up to {size}, padded to {', '.join(shapes)}"
      f" nodes/edges, {', '.join(fill)} real",
    ]

  def model_name(self) -> str:
    """Returns such as 'gcn, mean readout'."""
    model = self.config.model
    return f"{model.message_passing.name}, {model.readout.name} readout"

  def facts(self) -> dict[str, Any]:
    """Returns what identifies the dataset, see `identity`, and the epochs."""
    if not self._facts:
      self._facts.update(identity.facts(self.store))
    told = [*self._facts["description"], *self._notes()]
    epochs = self.num_steps / self.epoch_steps
    return {"dataset": {**self._facts, "description": told}, "epochs": epochs}

  def _notes(self) -> list[str]:
    """Returns what becomes of the dataset in this run, a sentence each."""
    notes, network = [], self.config.model.message_passing.name
    if self.schema.edge_dim and not network_class(network).reads_edges:
      notes.append(
        f"{network} does not use edge features; those of the dataset are"
        " ignored"
      )
    if self.targets:
      notes.append(
        "targets are standardised by the training mean and standard deviation"
      )
    size, graphs = self.config.batching.batch_size, self.store.splits["train"]
    if self.config.batching.mode == "bucketed" and size > len(graphs):
      notes.append(
        f"all {counted(len(graphs), 'training graph')} form one batch, fewer"
        f" than batching.batch_size={size}"
      )
    return notes


def _positions(index: np.ndarray, graphs: np.ndarray) -> np.ndarray:
  """Returns where each of some graphs stands in `index`."""
  order = np.argsort(index)
  return order[np.searchsorted(index, graphs, sorter=order)]
