"""Every readout against its formula, written as a plain loop over the sets.

An oracle gets the elements [n, D] of one set and the parameters, and knows
nothing of segments, tiles or tricks. All is in double precision.
"""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from gnn_readout.readouts import make_readout
from tests.readouts import equilibrium_listing, ragged

D = 4
# Arguments where the defaults would be large, slow or of no consequence.
ARGUMENTS = {
  "attention": {"num_heads": 2},
  "equilibrium": {"hidden": 3, "potential_outputs": 2, "num_steps": 3},
  "fspool": {"num_knots": 5},
  "learnable_aggregation": {"num_units": 2},
  "logsumexp": {"per_channel": True},
  "moment": {"order": 4},
  "multiset_transformer": {"num_seeds": 3, "num_heads": 2},
  "pna": {"delta": 1.7},
  "power_mean": {"per_channel": True},
  "quantile": {"q": (0.0, 0.3, 1.0)},
  "set_transformer": {"num_seeds": 2, "num_heads": 2},
  "sliced_wasserstein": {"num_slices": 3, "num_points": 5},
  "softmax": {"per_channel": True},
  "sort_pool": {"k": 3},
}


class Parameters(dict):
  """Those of a readout, by the last part of a module's name."""

  def __init__(self, params):
    """Splits the names at their slashes, but for Haiku's own part."""
    flat = {
      "/".join(part for part in module.split("/")[1:] if part[0] != "~"): layer
      for module, layer in params.items()
    }
    super().__init__(flat)

  def linear(self, name, x):
    """Returns x W + b."""
    return x @ self[name]["w"] + self[name]["b"]


def relu(x):
  return np.maximum(x, 0)


def softmax(x):
  """Along the first axis."""
  powers = np.exp(x - x.max(axis=0))
  return powers / powers.sum(axis=0)


def interpolated(ordered, place):
  """The value at a place that need not be an integer, beyond the ends too."""
  low = min(max(math.floor(place), 0), max(len(ordered) - 2, 0))
  high = min(low + 1, len(ordered) - 1)
  return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def attention(x, p):
  key, value, bias = p[""]["key"], p[""]["value"], p[""]["value_bias"]
  heads = []
  for h, query in enumerate(p[""]["query"]):
    own = slice(h * D // 2, (h + 1) * D // 2)
    scores = np.array([query @ (row @ key[:, own]) for row in x])
    weights = softmax(scores / math.sqrt(D / 2))
    mapped = x @ value[:, own] + bias[own]
    heads.append(sum(a * v for a, v in zip(weights, mapped)))
  return np.concatenate(heads)


def deep_sets(x, p):
  total = sum(
    (
      relu(p.linear("phi/linear_1", relu(p.linear("phi/linear_0", row))))
      for row in x
    ),
    np.zeros(D),
  )
  return p.linear("rho/linear_1", relu(p.linear("rho/linear_0", total)))


def equilibrium(x, p):
  if not len(x):
    return np.zeros(D)
  with jax.enable_x64(True):
    y, _ = equilibrium_listing.equilibrium(
      {name: jnp.asarray(value) for name, value in p[""].items()},
      jnp.asarray(x),
      jnp.zeros(len(x), jnp.int32),
      jnp.array([len(x)]),
      widths=(6, 3, 2),
      max_iters=3,
    )
    return np.asarray(y[0])


def fspool(x, p):
  knots = p[""]["knots"]
  k = len(knots)
  y = np.zeros(D)
  for d in range(D):
    for j, value in enumerate(sorted(x[:, d], reverse=True)):
      r = j / max(len(x) - 1, 1)
      weight = sum(
        max(0, 1 - abs(r * (k - 1) - i)) * knots[i, d] for i in range(k)
      )
      y[d] += weight * value
  return y


def gated_attention(x, p):
  gates = softmax(p.linear("gate/linear_0", x))
  return sum(g * v for g, v in zip(gates, p.linear("value", x)))


def janossy(x, p):
  w, b = p[""]["w_0"], p[""]["b_0"]

  def f(one, other):
    return p.linear("project", np.tanh(np.concatenate([one, other]) @ w + b))

  if len(x) == 1:
    return f(x[0], np.zeros(D))
  pairs = list(itertools.permutations(x, 2))
  return sum(f(one, other) for one, other in pairs) / len(pairs)


def learnable_aggregation(x, p):
  result = []
  v = special.expit(x)
  for exponents, weights in zip(p[""]["exponents"].T, p[""]["weights"].T):
    a, b, c, d, e, f, g, h = np.abs(exponents)
    alpha, beta, gamma, delta = weights

    def power(values, outer, inner):
      return sum(row**inner for row in values) ** outer

    above = alpha * power(v, a, b) + beta * power(1 - v, c, d)
    below = abs(gamma) * power(v, e, f) + abs(delta) * power(1 - v, g, h)
    result.append(above / np.maximum(below, 1e-6))
  return np.concatenate(result)


def logsumexp(x, p):
  t = p[""]["t"]
  return np.log(sum(np.exp(t * row) for row in x) / len(x)) / t


def moment(x, p):
  mu = sum(x) / len(x)
  var = sum((row - mu) ** 2 for row in x) / len(x)
  sigma = np.sqrt(var + 1e-5)
  higher = [sum(((row - mu) / sigma) ** k for row in x) / len(x)
            for k in (3, 4)]  # fmt: skip
  return np.concatenate([mu, sigma * (len(x) > 1), *higher])


def multi(x, p):
  return np.concatenate([mean(x, p), x.max(axis=0), x.min(axis=0), std(x, p)])


def mean(x, p):
  return sum(x) / len(x)


def var(x, p):
  return sum((row - mean(x, p)) ** 2 for row in x) / len(x)


def std(x, p):
  return np.sqrt(var(x, p) + 1e-5) * (len(x) > 1)


def attended(p, name, queries, y, heads=2):
  """MAB(X, Y), query by query and head by head."""
  q, v = p.linear(f"{name}/query", queries), p.linear(f"{name}/value", y)
  k = y @ p[name]["key"]
  size = queries.shape[1] // heads
  rows = np.zeros_like(queries)
  for i, h in itertools.product(range(len(queries)), range(heads)):
    own = slice(h * size, (h + 1) * size)
    scores = np.array([q[i, own] @ k[j, own] for j in range(len(y))])
    weights = softmax(scores / math.sqrt(size))
    rows[i, own] = sum(w * v[j, own] for j, w in enumerate(weights))
  a = queries + p.linear(f"{name}/attended", rows)
  return a + relu(p.linear(f"{name}/forward", a))


def pooled(p, name, x):
  """PMA_k(X)."""
  y = relu(p.linear(f"{name}/forward", x))
  return attended(p, f"{name}/attend", p[name]["seeds"], y)


def multiset_transformer(x, p):
  rows = pooled(p, "pool_k", x)
  rows = attended(p, "block_0", rows, rows)
  return pooled(p, "pool_1", rows)[0]


def set_transformer(x, p):
  for k in range(2):
    x = attended(p, f"encoder_{k}", x, x)
  rows = pooled(p, "pooling", x)
  return attended(p, "decoder_0", rows, rows).ravel()


def optimal_transport(x, p):
  """Bregman ADMM, entropic, with the learned weights of four iterations."""
  a1, a2, a3, rho = (
    np.log1p(np.exp(p[""][name])) for name in ("a1", "a2", "a3", "rho")
  )
  n = len(x)
  p0, q0 = np.full(D, 1 / D), np.full(n, 1 / n)
  s, z = np.outer(q0, p0), np.zeros_like(x)
  for k in range(4):
    y = np.exp((x - z) / rho[k]) * s
    r = y.sum(axis=1)
    eta = r ** (rho[k] / (rho[k] + a3[k])) * q0 ** (a3[k] / (rho[k] + a3[k]))
    t = y / r[:, None] * (eta / eta.sum())[:, None]
    total = a1[k] + rho[k]
    y = np.exp(z / total) * t ** (rho[k] / total)
    c = y.sum(axis=0)
    mu = c ** (total / (total + a2[k])) * p0 ** (a2[k] / (total + a2[k]))
    s = y / c * (mu / mu.sum())
    z = z + rho[k] * (t - s)
  return D * sum(row * own for row, own in zip(x, t))


def pna(x, p):
  log_size, delta = math.log(len(x) + 1), ARGUMENTS["pna"]["delta"]
  y = multi(x, p)
  scaled = [y, log_size / delta * y, delta / log_size * y]
  return p.linear("project", np.concatenate(scaled))


def power_mean(x, p):
  exponent = p[""]["p"]
  clipped = np.clip(x, 1e-4, 100)
  return (sum(row**exponent for row in clipped) / len(x)) ** (1 / exponent)


def quantile(x, p):
  ordered = np.sort(x, axis=0)
  levels = ARGUMENTS["quantile"]["q"]
  return np.concatenate(
    [interpolated(ordered, (len(x) - 1) * q) for q in levels]
  )


def median(x, p):
  middle = sorted(range(len(x)))[(len(x) - 1) // 2 : len(x) // 2 + 1]
  return np.mean(np.sort(x, axis=0)[middle], axis=0)


def relation_network(x, p):
  total = np.zeros(D)
  for one, other in itertools.product(x, x):
    h = np.concatenate([one, other])
    for k in range(4):
      h = relu(h @ p[""][f"w_{k}"] + p[""][f"b_{k}"])
    total = total + h
  for k in range(2):
    total = relu(p.linear(f"sum_{k}", total))
  return p.linear("project", total)


def set2set(x, p):
  (lstm,) = (p[name] for name in p if name.startswith("lstm"))
  seen, hidden, cell = np.zeros(2 * D), np.zeros(D), np.zeros(D)
  for _ in range(3):
    gates = np.concatenate([seen, hidden]) @ lstm["w"] + lstm["b"]
    enter, new, forget, leave = np.split(gates, 4)
    cell = special.expit(forget + 1) * cell
    cell = cell + special.expit(enter) * np.tanh(new)
    hidden = special.expit(leave) * np.tanh(cell)
    read = np.zeros(D)
    if len(x):
      weights = softmax(np.array([row @ hidden for row in x]))
      read = sum(a * row for a, row in zip(weights, x))
    seen = np.concatenate([hidden, read])
  return seen


def sliced_wasserstein(x, p):
  directions, references = p[""]["directions"], p[""]["reference"]
  y = []
  for direction, reference, weights in zip(
    directions, references.T, p[""]["weights"].T
  ):
    projected = x @ direction / math.sqrt(direction @ direction)
    ordered, total = np.sort(projected), 0.0
    for m, (r, w) in enumerate(zip(np.sort(reference), weights), start=1):
      place = (len(x) + 1) * m / (len(weights) + 1) - 1
      total += w * (interpolated(ordered, place) - r)
    y.append(total)
  return np.array(y)


def softmax_mean(x, p):
  weights = softmax(p[""]["t"] * x)
  return sum(a * row for a, row in zip(weights, x))


def sort_pool(x, p):
  rows = sorted(x.tolist(), key=lambda row: row[::-1], reverse=True)[:3]
  return np.concatenate([*rows, np.zeros((3 - len(rows)) * D)])


def variance_preserving(x, p):
  return sum(x) / math.sqrt(len(x))


# What a set without elements gives, where it is not 0.
EMPTY = ("deep_sets", "pna", "relation_network", "set2set", "equilibrium")
ORACLES = {
  "attention": attention,
  "deep_sets": deep_sets,
  "equilibrium": equilibrium,
  "fspool": fspool,
  "gated_attention": gated_attention,
  "janossy": janossy,
  "learnable_aggregation": learnable_aggregation,
  "logsumexp": logsumexp,
  "max": lambda x, p: x.max(axis=0),
  "mean": mean,
  "median": median,
  "min": lambda x, p: x.min(axis=0),
  "moment": moment,
  "multi": multi,
  "multiset_transformer": multiset_transformer,
  "optimal_transport": optimal_transport,
  "pna": pna,
  "power_mean": power_mean,
  "quantile": quantile,
  "relation_network": relation_network,
  "set2set": set2set,
  "set_transformer": set_transformer,
  "sliced_wasserstein": sliced_wasserstein,
  "softmax": softmax_mean,
  "sort_pool": sort_pool,
  "std": std,
  "sum": lambda x, p: sum(x),
  "var": var,
  "variance_preserving": variance_preserving,
}


@pytest.mark.parametrize("name", ORACLES)
def test_values_are_those_of_the_formula(name):
  def make():
    return make_readout(name, **ARGUMENTS.get(name, {}))

  elements = ragged.example(D)
  params = ragged.random_parameters(make, elements)
  found = ragged.pool(make, elements, params)
  own = Parameters(params)
  own.setdefault("", {})
  for s, (start, size) in enumerate(zip(ragged.STARTS, ragged.SIZES)):
    x = elements[start : start + size]
    if size or name in EMPTY:
      if name == "pna" and not size:
        expected = own["project"]["b"]
      else:
        expected = ORACLES[name](x, own)
    else:
      expected = np.zeros(found.shape[1])
    np.testing.assert_allclose(
      found[s], expected, rtol=1e-11, atol=1e-12, err_msg=f"set {s}"
    )
