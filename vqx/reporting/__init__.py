"""Tables from run folders: seeds folded, every number with its protocol."""
