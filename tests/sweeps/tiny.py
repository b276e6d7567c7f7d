"""A config file with sweeps that take a moment, and wrong ones."""

from configs import molpcba


def get_config(variant="gin,sum"):
  config = molpcba.get_config(variant)
  config.dataset = "molecules.csv"
  config.model.message_passing.update(width=5, num_layers=1)
  config.batching.update(batch_size=5, num_buckets=1)
  config.update(num_epochs=0.0, num_steps=4, eval_every=2, tensorboard=False)
  return config


def _grid(num_seeds):
  for seed in range(num_seeds):
    for rate in (1e-3, 1e-2):
      yield {
        "variant": "gin,sum",
        "seed": seed,
        "optimizer.learning_rate": rate,
      }


def pair():
  yield from _grid(1)


def dozen():
  yield from _grid(6)


def six():
  for seed in range(6):
    steps = 4_000 if seed else 200_000
    yield {"variant": "gin,sum", "seed": seed, "num_steps": steps}


def nothing():
  yield from ()


def partly():
  yield from list(_grid(2))[:3]


def variants():
  for variant in ("gin,sum", "gin,mean"):
    for rate in (1e-3, 1e-2):
      yield {"variant": variant, "optimizer.learning_rate": rate}


def broken():
  yield {"variant": "gin,sum"}
  raise KeyError("rate")


def wrong():
  yield "gin,sum"


def unknown():
  yield {"variant": "gin,sum", "model.readuot.name": "mean"}


def impossible():
  yield {"variant": "gin,sum", "seed": -1}
