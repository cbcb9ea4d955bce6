"""A live table of runs from their folders, and from Slurm where it answers.

Light throughout: nothing here imports torch, and Hydra only where a sweep is asked for.
"""
