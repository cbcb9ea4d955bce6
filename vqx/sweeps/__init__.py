"""Sweeps: what a command means as jobs, which of them are to run, where, and what became of them.

Light throughout: nothing here imports torch before a job trains.
"""
