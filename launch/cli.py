"""What every binary does the same way: flags in, one clear line on error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from absl import app, logging


def run(main: Callable[[Sequence[str]], int | None]) -> None:
  """Runs `main` under absl; wrong input becomes one line and exit status 1.

  With `--verbosity=1` the traceback is printed as well.

  Args:
    main: Takes the positional arguments and returns an exit status or None.
  """

  def guarded(argv: Sequence[str]) -> int | None:
    try:
      return main(argv)
    except (ValueError, OSError) as error:
      if logging.level_debug():
        raise
      print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
      return 1

  app.run(guarded)
