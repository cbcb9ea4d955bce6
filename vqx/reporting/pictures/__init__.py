"""Pictures of runs, for a paper: figures from rows of runs, without pyplot and without torch."""
