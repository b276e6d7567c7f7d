"""The colours of the figures, each in a tone for light and one for dark pages.

The light tone is that of print and of every file; a page that the reader sees
in the dark shows the other. They follow the palette of Okabe and Ito, whose
orange and sky blue are too faint on white and are darkened there. Tests hold
each tone to a contrast of 3 with its background, as WCAG asks of lines and
marks, and any two to a distance that the colour-blind see.
"""

from __future__ import annotations

BLUE, RED, GREEN, PINK, BROWN, PETROL = (
  "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#734C00", "#295266",
)  # fmt: skip
OTHERS = ("#120F99", "#660A2D", "#0A6657", "#66661F", "#B2128A", "#888888")
QUIET = "#595959"  # What is no result, such as the score of guessing.

# Dark tones, by light ones.
DARK = {
  BLUE: "#0072B2",
  RED: "#D55E00",
  GREEN: "#009E73",
  PINK: "#CC79A7",
  BROWN: "#E69F00",
  PETROL: "#56B4E9",
  OTHERS[0]: "#8280FF",
  OTHERS[1]: "#CC145B",
  OTHERS[2]: "#19FFF7",
  OTHERS[3]: "#EEFF80",
  OTHERS[4]: "#B2599C",
  OTHERS[5]: "#B0B0B0",
  QUIET: "#A6A6A6",
}


def variable(color: str) -> str:
  """Returns the name of the custom property of CSS that holds a colour.

  Args:
    color: A light tone, such as '#0072B2'.
  """
  return f"--tone-{color[1:].lower()}"


def css() -> str:
  """Returns a style sheet that sets the variables for light and for dark."""
  light = " ".join(f"{variable(color)}: {color};" for color in DARK)
  dark = " ".join(f"{variable(color)}: {tone};" for color, tone in DARK.items())
  return (
    f":root {{ {light} }}\n"
    "@media screen and (prefers-color-scheme: dark) {\n"
    f"  :root {{ {dark} }}\n}}\n"
  )


def mixed(share: float) -> str:
  """Returns a colour between blue (share 0) and red (share 1).

  Every one of them has enough contrast with light and dark pages.
  """
  pairs = zip(_channels(BLUE), _channels(RED), strict=True)
  return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def _channels(color: str) -> list[int]:
  return [int(color[i : i + 2], 16) for i in (1, 3, 5)]
