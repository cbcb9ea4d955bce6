"""Arrays in run folders (.npz), read without trust in what they hold."""

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FAULTS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: Path) -> "dict[str, NDArray[np.generic]] | str":
    """The arrays of an .npz file by name, or what is wrong with it, in a few words.

    Nothing in it is executed: an array of Python objects is a fault.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
    except FileNotFoundError:
        return f"no {path.name}"
    except AttributeError:  # a single array, which is no context
        return f"{path.name} is damaged (it holds one array alone)"
    except _FAULTS as error:
        return f"{path.name} is damaged ({type(error).__name__})"
    return arrays
