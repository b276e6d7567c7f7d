"""PyTorch Geometric's aggregations of sequences, each set by itself.

Of several sets they fill the shorter ones up with zeros, which take part.
"""

from __future__ import annotations

import numpy as np

from tests.readouts import ragged


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
