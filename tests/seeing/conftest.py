"""A tokenizer for all tests of this folder."""

import pytest

import vqx
from tests.trained import untrained


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A run's folder with a checkpoint of random weights: FSQ of 1,000 codes at f4."""
    return untrained(tmp_path_factory.mktemp("seeing"))[0]


@pytest.fixture(scope="session")
def tokenizer(run_folder):
    """That run's tokenizer."""
    return vqx.load(run_folder)
