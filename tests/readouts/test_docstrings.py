"""The docstring of every readout: a true example, a source, all arguments."""

from __future__ import annotations

import doctest
import inspect
import sys

import pytest

from gnn_readout.readouts import OF_GRAPHS, ORDER_DEPENDENT, READOUTS

ALL = READOUTS | ORDER_DEPENDENT | OF_GRAPHS


@pytest.mark.parametrize("name", sorted(ALL))
def test_example_runs(name):
  readout = ALL[name]
  text = inspect.cleandoc(readout.__doc__)
  assert "\nExample:\n" in text
  module = sys.modules[readout.__module__]
  example = doctest.DocTestParser().get_doctest(
    text, dict(vars(module)), name, module.__file__, 0
  )
  assert example.examples
  report = []
  doctest.DocTestRunner().run(example, out=report.append)
  assert not report, "".join(report)


@pytest.mark.parametrize("name", sorted(ALL))
def test_source_and_arguments_are_named(name):
  readout = ALL[name]
  assert "\nReference: " in inspect.cleandoc(readout.__doc__)
  for argument in readout.arguments():
    assert f"\n      {argument}: " in readout.__init__.__doc__, argument
