"""Tasks whose examples are drawn as they are needed, on the device.

A task is a few pure functions. The training loop knows nothing else of it, so
that median estimation, class counting and the auto-encoder of sets share one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import haiku as hk
from jax import Array


class Task(NamedTuple):
  """A problem and the model for it.

  Attributes:
    init: key -> parameters.
    sample: key -> a training batch, any tree of arrays; the same shapes
      whatever the key.
    loss: (parameters, key, batch) -> (loss [], named scalars worth logging).
    evaluate: (parameters, batch) -> named scalars, each a mean over the batch.
    sample_valid: key -> a batch to choose by.
    sample_test: key -> a batch to report, from what was never trained on.
    metric: The scalar of `evaluate` that a run is judged by.
    lower_is_better: Whether a smaller metric is a better one.
  """

  init: Callable[[Array], hk.Params]
  sample: Callable[[Array], Any]
  loss: Callable[[hk.Params, Array, Any], tuple[Array, dict[str, Array]]]
  evaluate: Callable[[hk.Params, Any], dict[str, Array]]
  sample_valid: Callable[[Array], Any]
  sample_test: Callable[[Array], Any]
  metric: str
  lower_is_better: bool
