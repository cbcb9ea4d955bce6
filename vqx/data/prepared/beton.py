"""The .beton file format of FFCV, version 2, as numpy types. Little-endian throughout.

A file is: header, one descriptor a field, metadata of all samples, padding to a page, pages of
`page_size` bytes that no sample crosses, the allocation table (to the end of the file).
"""

import numpy as np

VERSION = 2
PAGE_SIZE = 1 << 23
IMAGE_FIELD = 2  # type_id of an RGB image
JPG, RAW = 0, 1  # modes of an image
LARGEST_SIDE = (1 << 16) - 1  # width and height are u2
LARGEST_PAGE = 1 << 31  # page_size is u4, and a power of two

HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("num_fields", "<u2"),
        ("page_size", "<u4"),
        ("num_samples", "<u8"),
        ("alloc_table_ptr", "<u8"),
    ],
    align=True,
)
FIELD = np.dtype(
    [("type_id", "<u1"), ("name", ("<u1", 16)), ("arguments", ("<u1", (1024,)))], align=True
)
IMAGE = np.dtype([("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("data_ptr", "<u8")])
ALLOCATION = np.dtype([("sample_id", "<u8"), ("ptr", "<u8"), ("size", "<u8")])
METADATA = np.dtype([("image", IMAGE)])  # of one sample of a file of vqx, which has one field
