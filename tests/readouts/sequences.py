"""PyTorch Geometric's aggregations of sequences, each set by itself.

Of several sets they fill the shorter ones up with zeros, which take part.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from tests.readouts import ragged


def gru(x, h, own):
  """Returns the next state of a GRU, gate by gate."""
  x_r, x_z, x_n = np.split(x @ own["w_x"] + own["b_x"], 3)
  h_r, h_z, h_n = np.split(h @ own["w_h"] + own["b_h"], 3)
  n = np.tanh(x_n + special.expit(x_r + h_r) * h_n)
  z = special.expit(x_z + h_z)
  return (1 - z) * n + z * h


def assert_each_set(make, elements, params, expected):
  """Compares a readout with a function of the elements of one set."""
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    ragged.each(expected, elements),
    atol=1e-12,
  )


def assert_as_peer(make, elements, params, aggregation):
  """Compares a readout with an aggregation of PyTorch Geometric."""
  np.testing.assert_allclose(
    ragged.pool(make, elements, params),
    peer_of_each_set(aggregation, elements),
    atol=1e-12,
  )


def peer_of_each_set(aggregation, elements):
  """Returns [S, D_out] for the sets of `ragged`, 0 for empty ones."""
  import torch

  def one(x):
    index = torch.zeros(len(x), dtype=torch.long)
    with torch.no_grad():
      return aggregation(torch.tensor(x), index)[0].numpy()

  return ragged.each(one, elements)


def set_recurrent(module, own):
  """Copies w_x, w_h, b_x, b_h into a torch.nn.LSTM, GRU or GRUCell."""
  import torch

  names = dict(weight_ih="w_x", weight_hh="w_h", bias_ih="b_x", bias_hh="b_h")
  with torch.no_grad():
    for name, value in module.named_parameters():
      own_name = names[name.removesuffix("_l0")]
      value.copy_(torch.tensor(np.asarray(own[own_name]).T))
