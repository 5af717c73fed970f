"""torchaudio, and its build; the only module that imports it.

Its wheels are linked to one CUDA version: with a CPU build of torch, or another CUDA version, the compiled extension
does not load, and neither does the package. Timbre does not need the extension, so an empty one replaces it then.
"""

import sys
from types import ModuleType


def _no_extension() -> ModuleType:
    """An empty module in place of ``torchaudio._extension``."""
    stub = ModuleType("torchaudio._extension")
    flags = {"_IS_TORCHAUDIO_EXT_AVAILABLE": False, "_IS_ALIGN_AVAILABLE": False}
    stub.__dict__.update(flags, fail_if_no_align=lambda function: function, _check_cuda_version=lambda: None)
    return stub


try:
    import torchaudio  # noqa: TID251

    BUILD = f"{torchaudio.__version__}"
    """The version of torchaudio, and why its extension is missing, if it is."""
except (ImportError, OSError, RuntimeError) as error:
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[_name]
    sys.modules["torchaudio._extension"] = _no_extension()
    import torchaudio  # noqa: TID251

    BUILD = f"{torchaudio.__version__} without its compiled extension ({str(error).splitlines()[0]})"
