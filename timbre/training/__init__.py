"""Training: the run, its batches, schedules and logs, the regularizers, and the processes of a run."""
