"""Scores and loss of a model whose output is one of several classes."""

from __future__ import annotations

import jax.numpy as jnp
import optax
from jax import Array

from gnn_readout.readouts import Aggregate


def class_scores(logits: Array, labels: Array) -> dict[str, Array]:
  """Returns `cross_entropy` and `accuracy`, means over the examples.

  Args:
    logits: [S, C].
    labels: [S], numbers of classes from 0.
  """
  loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
  hits = jnp.argmax(logits, axis=-1) == labels
  return {
    "cross_entropy": jnp.mean(loss),
    "accuracy": jnp.mean(hits.astype(loss.dtype)),
  }


def loss_with_auxiliary(
  scores: dict[str, Array], aggregate: Aggregate, aux_weight: float
) -> tuple[Array, dict[str, Array]]:
  """Returns what is minimised, and all that is worth logging.

  Args:
    scores: From `class_scores`.
    aggregate: What the readout of the model returned.
    aux_weight: Weight of its auxiliary loss.
  """
  aux_loss = jnp.mean(aggregate.aux_loss)
  total = scores["cross_entropy"] + aux_weight * aux_loss
  return total, scores | {"aux_loss": aux_loss} | aggregate.diagnostics
