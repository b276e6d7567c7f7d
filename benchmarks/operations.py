"""What a compiled program consists of: its operations, and what each takes.

XLA's text of a program names every operation, with the shapes of what it reads
and writes; a trace names them too, with the time that each took. Together they
say how fast an operation computes, and how fast it reads and writes.
"""

from __future__ import annotations

import collections
import math
import pathlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax

# Of these a program makes others, or they only name what others made.
_CONTROL = frozenset(
  [
    "async-done",
    "async-start",
    "async-update",
    "bitcast",
    "call",
    "conditional",
    "constant",
    "get-tuple-element",
    "parameter",
    "tuple",
    "while",
  ]
)
_BYTES = {"pred": 1, "s4": 1, "u4": 1, "c64": 8, "c128": 16}
_SHAPE = re.compile(r"\b(pred|bf16|[a-z]+[0-9]+[a-z0-9]*)\[([0-9,]*)\]")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.*)$")
_OPCODE = re.compile(r"(?:^|[\s})\]])([a-z][\w-]*)\(")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) \(.*\{$")


class Operation(NamedTuple):
  """An instruction of a compiled program.

  Attributes:
    name: Its name, as in a trace.
    opcode: What it does, such as `fusion`.
    origin: The functions and modules that it comes from, the last ones.
    flops: Additions and multiplications of its matrix products.
    bytes: What it reads and writes. Of an array that it takes or sets rows of
      that is those rows, though they may be in memory more often.
  """

  name: str
  opcode: str
  origin: str
  flops: int
  bytes: int


class _Line(NamedTuple):
  """An instruction as it stands in the text."""

  name: str
  shape: str
  opcode: str
  operands: list[str]
  index: int | None  # Of a parameter.
  rest: str


def _lines(text: str) -> Iterator[tuple[str, _Line]]:
  """Yields each instruction, and the computation that it is in."""
  computation = ""
  for line in text.splitlines():
    if found := _COMPUTATION.match(line):
      computation = found[1]
    elif (found := _INSTRUCTION.match(line)) and (
      opcode := _OPCODE.search(found[2])
    ):
      arguments, _, rest = found[2][opcode.end() :].partition(")")
      yield (
        computation,
        _Line(
          found[1],
          found[2][: opcode.start(1)],
          opcode[1],
          re.findall(r"%([\w.-]+)", arguments),
          int(arguments) if opcode[1] == "parameter" else None,
          rest,
        ),
      )


def size(shape: str) -> int:
  """Returns the bytes of a shape as XLA writes it, such as `f32[8,64]{1,0}`."""
  total = 0
  for kind, sides in _SHAPE.findall(shape):
    bits = re.search(r"\d+", kind)
    each = _BYTES.get(kind) or (int(bits[0]) // 8 if bits else 0)
    total += each * math.prod(int(n) for n in sides.split(",") if n)
  return total


def _sides(shape: str) -> list[int]:
  found = _SHAPE.search(shape)
  return [int(n) for n in found[2].split(",") if n] if found else []


def _flops(line: _Line, shapes: Mapping[str, str]) -> int:
  """Returns those of a matrix product, 0 for everything else."""
  if line.opcode != "dot" or not line.operands:
    return 0
  found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", line.rest)
  axes = [int(n) for n in found[1].split(",") if n] if found else []
  left = _sides(shapes.get(line.operands[0], ""))
  inner = math.prod(left[axis] for axis in axes if axis < len(left))
  return 2 * inner * math.prod(_sides(line.shape))


def parse(text: str) -> dict[str, Operation]:
  """Returns the operations of a compiled program, by name.

  Args:
    text: As `compiled.as_text()` returns it.
  """
  lines = list(_lines(text))
  shapes = {line.name: line.shape for _, line in lines}
  bodies = collections.defaultdict(list)
  for computation, line in lines:
    bodies[computation].append(line)
  # What is in a fusion is no operation of its own.
  fused = {
    name
    for _, line in lines
    if line.opcode in ("fusion", "reduce", "scatter", "sort")
    for name in re.findall(r"(?:calls|to_apply)=%?([\w.-]+)", line.rest)
  }
  operations = {}
  for computation, line in lines:
    if line.opcode in _CONTROL or computation in fused:
      continue
    called = re.findall(r"calls=%?([\w.-]+)", line.rest)
    body = [inner for name in called for inner in bodies[name]] or [line]
    operations[line.name] = Operation(
      line.name,
      line.opcode,
      _origin(line.rest),
      sum(_flops(inner, shapes) for inner in body),
      _moved(line, body, shapes),
    )
  return operations


# Of their first operand these read some rows, or write some.
_LOOKS_UP = ("gather", "dynamic-slice")
_UPDATES = {"dynamic-update-slice": 1, "scatter": 2}  # Their operand of rows.


def _moved(
  line: _Line, body: Sequence[_Line], shapes: Mapping[str, str]
) -> int:
  """Returns the bytes that an operation reads and writes.

  Args:
    line: The operation.
    body: What is in it, if it is a fusion, else the operation itself.
    shapes: By name of an instruction.
  """
  total, out = 0, size(line.shape)
  parameters = {
    inner.index: inner.name for inner in body if inner.index is not None
  }
  for place, operand in enumerate(line.operands):
    name = parameters.get(place, operand)
    users = [inner for inner in body if name in inner.operands]
    whole = size(shapes.get(operand, ""))
    if users and all(
      user.opcode in _LOOKS_UP and user.operands.index(name) == 0
      for user in users
    ):
      whole = min(whole, sum(size(user.shape) for user in users))
    elif users and all(
      user.opcode in _UPDATES and user.operands.index(name) == 0
      for user in users
    ):
      # In place: the rows are read and written, the others stay.
      rows = sum(
        size(shapes.get(user.operands[_UPDATES[user.opcode]], ""))
        for user in users
      )
      out, whole = min(out, rows), min(whole, rows)
    total += whole
  return total + out


def _origin(rest: str) -> str:
  """Returns the last three parts of where an instruction comes from."""
  found = re.search(r'op_name="([^"]*)"', rest)
  path = re.sub(r"\bjit\([^)]*\)/", "", found[1] if found else "")
  backward = "transpose(" in path
  path = re.sub(r"\b(?:transpose|jvp|vmap|checkpoint|remat)\(|\)", "", path)
  parts = [part for part in path.split("/") if part]
  return "/".join(parts[-3:]) + (", backward" if backward and parts else "")


class Timed(NamedTuple):
  """An operation, and what it takes in a step.

  Attributes:
    operation: Which.
    seconds: In all its calls of a step.
    calls: How many there are in a step.
  """

  operation: Operation
  seconds: float
  calls: float


def timed(
  operations: Mapping[str, Operation],
  events: Mapping[str, tuple[float, int]],
  num_steps: int,
) -> list[Timed]:
  """Returns the operations that took time, the dearest first.

  Args:
    operations: From `parse`.
    events: Seconds and calls by name of an operation, from `traced`.
    num_steps: How many steps were traced.
  """
  found = [
    Timed(operations[name], seconds / num_steps, calls / num_steps)
    for name, (seconds, calls) in events.items()
    if name in operations
  ]
  return sorted(found, key=lambda item: -item.seconds)


def traced(call: Callable[[], object]) -> dict[str, tuple[float, int]]:
  """Returns seconds and calls by name of all that a trace of a call names."""
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      call()
    (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
    profile = jax.profiler.ProfileData.from_file(str(path))
  events = collections.defaultdict(lambda: (0.0, 0))
  for plane in profile.planes:
    for line in plane.lines:
      for event in line.events:
        # A GPU's kernels have names of their own.
        stats = dict(event.stats)
        name = str(stats.get("hlo_op", event.name))
        seconds, calls = events[name]
        events[name] = seconds + 1e-9 * event.duration_ns, calls + 1
  return dict(events)
