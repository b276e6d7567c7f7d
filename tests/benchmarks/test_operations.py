import jax
import jax.numpy as jnp
import pytest

from benchmarks import operations

N, K, M = 48, 32, 16


def compiled(function, *arguments):
  return jax.jit(function).lower(*arguments).compile().as_text()


@pytest.fixture
def arrays():
  return jnp.ones((N, K)), jnp.ones((K, M))


@pytest.mark.parametrize(
  ("shape", "expected"),
  [
    ("f32[8,64]{1,0}", 2048),
    ("(f32[3], s32[2,2])", 28),
    ("pred[5]", 5),
    ("bf16[4]", 8),
    ("c64[2]", 16),
    ("f32[]", 4),
    ("f64[0,7]", 0),
  ],
)
def test_size(shape, expected):
  assert operations.size(shape) == expected


def test_flops_are_those_of_the_products(arrays):
  def function(x, w):
    return jnp.tanh(x @ w).T @ x  # [M, N] [N, K]

  found = operations.parse(compiled(function, *arrays)).values()
  assert sum(item.flops for item in found) == 2 * N * K * M + 2 * M * N * K


def test_bytes_of_a_product(arrays):
  found = operations.parse(compiled(lambda x, w: x @ w, *arrays)).values()
  (product,) = [item for item in found if item.flops]
  assert product.bytes == 4 * (N * K + K * M + N * M)


def test_fused_operations_count_once(arrays):
  x, _ = arrays
  found = operations.parse(compiled(lambda x: jnp.sin(x) * 2 + 1, x))
  assert [item.bytes for item in found.values()] == [2 * 4 * N * K]


def test_rows_that_are_looked_up_count_alone():
  x, rows = jnp.ones((1000, K)), jnp.arange(4)

  def function(x, rows):
    return x.at[rows].get(mode="promise_in_bounds")

  found = operations.parse(compiled(function, x, rows)).values()
  assert sum(item.bytes for item in found) < 1000 * K * 4
  assert max(item.bytes for item in found) >= 2 * 4 * K * 4


def test_control_flow_is_none():
  def function(x):
    return jax.lax.fori_loop(0, 5, lambda _, x: jnp.sin(x), x)

  found = operations.parse(compiled(function, jnp.ones(N)))
  assert {"while", "tuple", "parameter"}.isdisjoint(
    item.opcode for item in found.values()
  )
  assert any("sin" in item.origin for item in found.values())


def test_origin_says_what_is_of_the_gradient(arrays):
  def loss(w, x):
    with jax.named_scope("layer"):
      return jnp.sum(jnp.tanh(x @ w))

  text = compiled(jax.grad(loss), arrays[1], arrays[0])
  origins = [item.origin for item in operations.parse(text).values()]
  assert any(text.endswith(", backward") for text in origins)
  assert any("layer" in text for text in origins)


def test_a_trace_names_the_operations(arrays):
  function = jax.jit(lambda x, w: jnp.tanh(x @ w))
  text = function.lower(*arrays).compile().as_text()
  jax.block_until_ready(function(*arrays))

  def steps():
    for _ in range(3):
      jax.block_until_ready(function(*arrays))

  named = operations.parse(text)
  found = operations.timed(named, operations.traced(steps), 3)
  assert {item.operation.name for item in found} == set(named)
  assert [item.calls for item in found] == [1.0] * len(found)
  seconds = [item.seconds for item in found]
  assert seconds == sorted(seconds, reverse=True)
  assert min(seconds) > 0
