"""Where the time of a training step goes: its dearest operations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import operations, steps, timing
from gnn_readout.wording import counted

_NUM_BATCHES = 8
_SHOWN = 10
_MIB = 2**20


def run(
  config: Any,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Traces training steps of a config on the largest of some batches.

  Args:
    config: Config as for launch.train.
    dataset: Name of the dataset; ogbg-molhiv by default, whatever the config
      says, unless that is one of the TU collection.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`, every operation with its milliseconds, calls, GFLOP/s and GB/s,
    the dearest first; besides them the step as a whole and the machine's rates.
  """
  steps.check_config(config, "profile")
  work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
  program, batches = steps.program_of(work)
  batch = max(batches, key=lambda batch: batch.padded)
  epoch = steps.epoch_of(program, [batch] * _NUM_BATCHES)
  rate = timing.alternate({"ours": epoch}, rounds=3, min_seconds=0.5)["ours"]
  milliseconds = 1e3 * int(batch.real[0, 0]) / rate.median
  text = program.step_of(batch).as_text()
  named = operations.parse(text)
  found = operations.timed(named, operations.traced(epoch), _NUM_BATCHES)
  rows = [_row(item) for item in found]
  width = config.model.message_passing.width
  # The rows of the batch, and what the widest of its layers multiplies.
  matrix = timing.matrix_rate(batch.padded[1], width, width)
  memory = memory_rate()
  whole = {
    "milliseconds_per_step": milliseconds,
    "operations": len(found),
    "calls": sum(item.calls for item in found),
    "gflop": sum(row["gflop"] for row in rows),
    "gigabytes": sum(row["gigabytes"] for row in rows),
    "matrix_gflops": matrix,
    "memory_gbs": memory,
  }
  _print(work.store.schema.name, config, rows, whole)
  return {"name": "profile", "rows": rows, **whole}


def _row(item: operations.Timed) -> dict[str, Any]:
  operation, seconds, calls = item
  gflop, gigabytes = (
    calls * amount / 1e9 for amount in (operation.flops, operation.bytes)
  )
  return {
    "name": operation.name,
    "opcode": operation.opcode,
    "origin": operation.origin,
    "milliseconds": 1e3 * seconds,
    "calls": calls,
    "gflop": gflop,
    "gigabytes": gigabytes,
    "gflops": gflop / seconds if seconds else 0.0,
    "gbs": gigabytes / seconds if seconds else 0.0,
  }


def memory_rate() -> float:
  """Returns GB/s at which the device reads 64 MiB and writes as many."""
  arrays = [jnp.zeros(64 * _MIB // 4, jnp.float32)]
  add = jax.jit(lambda x: x + 1, donate_argnums=0)

  def some() -> int:
    for _ in range(4):
      arrays.append(add(arrays.pop()))  # In place: new memory costs more.
    arrays[0].block_until_ready()
    return 4

  rate = timing.alternate({"copies": some}, rounds=3, min_seconds=0.2)["copies"]
  return 2 * 64 * _MIB * rate.median / 1e9


def _print(dataset: str, config: Any, rows, whole) -> None:
  model = config.model
  name = f"{model.message_passing.name},{model.readout.name}"
  total = sum(row["milliseconds"] for row in rows)
  timing.print_table(
    f"{dataset}: training step of {name}, {whole['milliseconds_per_step']:.1f}"
    f" ms; the {min(_SHOWN, len(rows))} dearest of"
    f" {counted(len(rows), 'operation')}",
    ["operation", "ms", "share", "calls", "GFLOP/s", "GB/s", "from"],
    [
      [
        row["name"],
        f"{row['milliseconds']:.2f}",
        f"{row['milliseconds'] / total:.1%}",
        f"{row['calls']:.0f}",
        f"{row['gflops']:.0f}" if row["gflop"] else "",
        f"{row['gbs']:.1f}",
        row["origin"],
      ]
      for row in rows[:_SHOWN]
    ],
  )
  products = 1e3 * whole["gflop"] / whole["matrix_gflops"]
  passes = 1e3 * whole["gigabytes"] / whole["memory_gbs"]
  print(
    f"a step calls {whole['calls']:,.0f} operations, multiplies"
    f" {whole['gflop']:.2f} GFLOP and reads and writes"
    f" {whole['gigabytes']:.2f} GB\n"
    f"at this machine's rates, {whole['matrix_gflops']:.0f} GFLOP/s of products"
    f" of its width and {whole['memory_gbs']:.0f} GB/s of memory, the products"
    f" alone take {products:.1f} ms and the memory alone {passes:.1f} ms"
  )
