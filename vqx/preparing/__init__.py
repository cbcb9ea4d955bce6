"""The command that prepares data sets: its words, and what it does and prints."""
