"""Training, evaluation, checkpoints and records of runs."""
