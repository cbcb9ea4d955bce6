"""vqx: an experiment and ablation runner for discrete image tokenizers."""

__version__ = "0.1.0"
