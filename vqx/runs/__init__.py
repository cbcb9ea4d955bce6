"""The run folder: what is in it, who holds it, how it is written so that no crash can tear it."""
