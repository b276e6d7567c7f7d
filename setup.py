"""What pyproject.toml cannot say: programs and configs inside the package.

In a checkout `launch`, `configs` and `benchmarks` lie at the top. Installed
there, they would meet packages of the same name from others; so they become
part of `gnn_readout`, which finds them there (`gnn_readout/programs.py`).
"""

import setuptools

programs = setuptools.find_packages(
  include=["launch", "configs", "benchmarks", "benchmarks.*"]
)
inside = {
  f"gnn_readout._programs.{name}": name.replace(".", "/") for name in programs
}
library = setuptools.find_packages(include=["gnn_readout", "gnn_readout.*"])
setuptools.setup(packages=[*library, *inside], package_dir=inside)
