"""Data sets prepared once: decoded and resized images of each split in one file.

A prepared folder holds a file (or two) a split and `manifest.json`, which is written last: without
it nothing is prepared.
"""
