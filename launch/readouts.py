"""Lists the readouts, or describes one of them.

  python -m launch.readouts

prints them by family,

  python -m launch.readouts fspool

its formula, paper and arguments, and

  python -m launch.readouts --readme=README.md

writes the table between the comments of that file.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from gnn_readout import cli

_README = flags.DEFINE_string(
  "readme",
  None,
  "Write the table of readouts into its section of this Markdown file"
  " (default: it is only printed).",
)


def main(argv: Sequence[str]) -> None:
  """Prints or writes what the arguments name."""
  from gnn_readout.readouts import listing
  from gnn_readout.report import markup

  if len(argv) > 2:
    raise ValueError(f"expected one readout, got {' '.join(argv[1:])!r}.")
  if _README.value:
    markup.write_section(_README.value, "readouts", listing.markdown())
  print(listing.describe(argv[1]) if argv[1:] else listing.markdown())


if __name__ == "__main__":
  cli.run(main, takes_arguments=True)
