"""From a run's result to what other programs read. Knows no run folder: `runs/export.py` calls it with plain paths."""
