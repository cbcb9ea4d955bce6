"""Weight files for this folder's tests."""

from tests.pretrained.weights import alexnet_file, inception_file, real_weights, vgg16_file

__all__ = ["alexnet_file", "inception_file", "real_weights", "vgg16_file"]
