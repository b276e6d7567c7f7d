"""What importing costs, which way imports run, and what no file may hold."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests import tracked

ROOT = pathlib.Path(__file__).parents[1]
HEAVY = ("tensorflow", "torch", "rdkit", "ogb", "matplotlib", "pyarrow")
# What training needs, and who only wants to know its flags does not.
SLOW = ("jax", "haiku", "optax", "orbax", "scipy", "sklearn", "pandas", "rich")
_BINARIES = sorted(
  path.stem for path in (ROOT / "launch").glob("*.py") if path.stem[0] != "_"
)

# Which parts of gnn_readout each part may import. Everything may import itself
# and those that stand below all.
_BELOW_ALL = {"errors", "fields", "files", "paths"}
_BELOW_ALL |= {"options", "programs", "provenance", "shares", "signatures"}
_BELOW_ALL |= {"wording"}
_BASE = {"graphs", "segments", "minimisation", "transport", "fused_gromov"}
_BASE |= {"layers"}
_READOUTS = _BASE | {"readouts"}
_MESSAGES = _READOUTS | {"message_passing"}
_MODELS = _MESSAGES | {"models"}
_DATA = {"confusion", "data", "losses", "metrics", "statistics"}
_RUNS = (
  _MODELS | _DATA | {"config_fields", "optimizers", "tasks", "runs", "records"}
)
ALLOWED = {
  "": _READOUTS,  # gnn_readout/__init__.py
  "__main__": {"", "runs"},
  "errors": set(),
  "files": set(),
  "paths": set(),
  "wording": set(),
  "fields": set(),
  "options": set(),
  "shares": set(),
  "signatures": set(),
  "programs": set(),
  "provenance": set(),
  **dict.fromkeys(_BASE, _BASE),
  "potentials": _BASE,
  "readouts": _READOUTS,
  "functional": _READOUTS,
  "flax": _READOUTS | {"functional"},
  "equinox": _READOUTS | {"functional"},
  "message_passing": _MESSAGES,
  "models": _MODELS,
  "config_fields": _MODELS | {"data"},
  "optimizers": set(),
  "data": set(),
  "confusion": set(),
  "losses": set(),
  "metrics": {"confusion"},
  "statistics": {"confusion", "metrics"},
  "tasks": _MODELS | _DATA | {"optimizers", "records"},
  "records": set(),
  "runs": _RUNS,
  "training": _RUNS,
  "sweeps": _RUNS | {"training", "cli"},
  "cli": {"runs", "config_fields"},
  "report": {"records", "statistics"},
}


def _python(*args: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, *args],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=600,
  )


def _imported_modules(source: str, package: tuple[str, ...]) -> Iterator[str]:
  """The absolute name of all that a module of `package` imports, anywhere."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      above = package[: len(package) - node.level + 1] if node.level else ()
      base = ".".join([*above, *filter(None, [node.module])])
      # The name may be a module or what is in one: its part is the same.
      yield from (f"{base}.{alias.name}" for alias in node.names)


def _imports_of(path: pathlib.Path) -> Iterator[str]:
  return _imported_modules(path.read_text(), path.relative_to(ROOT).parts[:-1])


def _sources(folder: str) -> list[pathlib.Path]:
  return sorted((ROOT / folder).rglob("*.py"))


def _part(module: str) -> str:
  """'gnn_readout.data.store' -> 'data'."""
  return [*module.split("."), ""][1]


@pytest.mark.parametrize("everything", [False, True])
def test_importing_pulls_in_nothing_heavy(everything):
  code = f"""
import importlib, pkgutil, sys
import gnn_readout
if {everything}:
  for module in pkgutil.walk_packages(gnn_readout.__path__, "gnn_readout."):
    importlib.import_module(module.name)
print([name for name in {HEAVY} if name in sys.modules])
"""
  done = _python("-c", code)
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("binary", _BINARIES)
def test_help_imports_nothing_that_takes_long(binary):
  # Seconds would depend on what else runs here.
  code = f"""
import atexit, runpy, sys
atexit.register(lambda: print([x for x in {HEAVY + SLOW} if x in sys.modules]))
sys.argv = ["launch.{binary}", "--help"]
runpy.run_module("launch.{binary}", run_name="__main__", alter_sys=True)
"""
  done = _python("-c", code)
  assert done.returncode == 0, done.stderr
  assert done.stdout.splitlines()[-1] == "[]"
  source = (ROOT / "launch" / f"{binary}.py").read_text()
  for flag in re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source):
    assert re.search(rf"--(\[no\])?{flag}\b", done.stdout), flag


@pytest.mark.parametrize(
  "path", _sources("gnn_readout"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_run_one_way(path):
  own = path.relative_to(ROOT / "gnn_readout").with_suffix("").parts[0]
  own = "" if own == "__init__" else own
  assert own in ALLOWED, f"{own!r} has no place in the layers: add it above"
  for module in _imports_of(path):
    package = module.split(".")[0]
    assert package not in ("launch", "configs", "benchmarks", "tests"), module
    if package == "gnn_readout":
      part = _part(module)
      allowed = ALLOWED[own] | _BELOW_ALL | {own}
      assert part in allowed, f"{own} may not import {module}"


@pytest.mark.parametrize(
  "path", _sources("configs"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_configs_import_no_gnn_readout(path):
  for module in _imports_of(path):
    assert module.split(".")[0] not in (
      "gnn_readout",
      "launch",
      "benchmarks",
    ), module


def test_every_way_to_import_is_seen():
  # A parser that found nothing would pass the tests above.
  source = """
import gnn_readout.models
from gnn_readout import metrics
from gnn_readout.training import trainer
from . import store
from ..layers.mlp import mlp
def function():
  from gnn_readout.readouts.base import Readout
"""
  modules = _imported_modules(source, ("gnn_readout", "data"))
  seen = {_part(module) for module in modules}
  assert seen == {"models", "metrics", "training", "data", "layers", "readouts"}


def test_no_file_holds_a_path_or_an_address_of_one_machine():
  patterns = {
    "a machine's path": r"(?<![\w.~-])/(?:work|root|home|Users)/",
    "a package registry": r"index-url|pypi\.|pythonhosted|//[\w.-]*proxy",
  }
  found = [
    f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:100]}"
    for path in tracked.files()
    if path != pathlib.Path(__file__)
    for number, line in enumerate(
      path.read_text(errors="ignore").splitlines(), start=1
    )
    for what, pattern in patterns.items()
    if re.search(pattern, line)
  ]
  assert not found, "\n".join(found)
