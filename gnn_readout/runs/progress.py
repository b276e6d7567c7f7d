"""One line that says how far a run is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_TERMINAL_SECONDS = 0.25
_PLAIN_SECONDS = 10.0


class ProgressLine:
  """Shows a bar that is drawn anew, or a plain line now and then.

  Without a terminal a line is printed ten seconds after the last one, unless
  it is the same.
  """

  def __init__(self, total: int, console: Console | None = None):
    """Starts at step 0.

    Args:
      total: Steps of the whole run.
      console: Where to write; default standard output.
    """
    self._console = console or Console()
    self._bar = None
    if self._console.is_terminal:
      self._bar = Progress(
        BarColumn(20),
        TextColumn("{task.description}", markup=False),
        console=self._console,
        auto_refresh=False,
        transient=True,
      )
      self._task = self._bar.add_task("", total=total)
    self._interval = _TERMINAL_SECONDS if self._bar else _PLAIN_SECONDS
    self._shown, self._said = time.monotonic(), ""

  def __enter__(self) -> ProgressLine:
    if self._bar:
      self._bar.start()
    return self

  def __exit__(self, *unused: object) -> None:
    if self._bar:
      self._bar.stop()

  def show(self, step: int, describe: Callable[[], str]) -> None:
    """Shows the step and a description, if it is time to.

    Args:
      step: Steps done.
      describe: Makes the text; only called when it is shown.
    """
    if time.monotonic() - self._shown < self._interval:
      return
    text = describe()
    if self._bar:
      self._bar.update(self._task, completed=step, description=text)
      self._bar.refresh()
      self._shown = time.monotonic()
    elif text != self._said:
      self.say(text)

  def say(self, text: str) -> None:
    """Prints a line that stays."""
    self._console.print(text, markup=False, highlight=False, soft_wrap=True)
    self._console.file.flush()
    if not self._bar:  # Which shows something else.
      self._shown, self._said = time.monotonic(), text


@contextlib.contextmanager
def counting(
  total: int, things: str, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
  """Yields a function that shows how many things are done, and how long yet.

  Args:
    total: How many there are.
    things: What they are called.
    console: As `ProgressLine` takes it.
  """
  began = time.monotonic()
  with ProgressLine(total, console) as line:

    def show(done: int) -> None:
      left = (time.monotonic() - began) / done * (total - done)
      line.show(
        done, lambda: f"{done:,} of {total:,} {things}  ETA {duration(left)}"
      )

    yield show


def duration(seconds: float) -> str:
  """Returns such as `1:02:03`, `2:03` or `0:03`."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours}:{minutes:02d}:{seconds:02d}"
  return f"{minutes}:{seconds:02d}"
