"""The command `gnn-readout`, also `python -m gnn_readout`."""

from __future__ import annotations

import sys

import gnn_readout
from gnn_readout import programs
from gnn_readout.errors import suggest
from gnn_readout.runs import output

_HELP = ("-h", "--help", "help")


def main() -> None:
  """Runs the program that the first argument names."""
  output.outlive_the_reader()
  known = programs.summaries()
  name, *arguments = sys.argv[1:] or ["--help"]
  if name == "--version":
    print(f"gnn_readout {gnn_readout.__version__}")
  elif name in _HELP:
    lines = [f"  {word:<10} {text}" for word, text in known.items()]
    print("usage: gnn-readout PROGRAM [--help] [FLAGS]\n", *lines, sep="\n")
  elif name not in known:
    sys.exit(f"error: unknown program {name!r}.{suggest(name, known)}")
  else:
    try:
      programs.run(name, arguments)
    except ModuleNotFoundError as error:
      message = programs.lacking(error)
      if not message:
        raise
      sys.exit(f"error: {message}")


if __name__ == "__main__":
  main()
