"""The one door to torchaudio.

Its wheel is linked to one CUDA version: with a CPU build of torch, or another CUDA, the compiled extension does not
load and neither does the package. Nothing used here needs that extension, so an empty one takes its place then.
"""

import sys
from types import ModuleType
from typing import Any


def _no_extension() -> ModuleType:
    def missing(function: Any) -> Any:
        return function

    stub = ModuleType("torchaudio._extension")
    stub.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=missing,
        _check_cuda_version=lambda: None,
    )
    return stub


def _import() -> tuple[ModuleType, str]:
    try:
        import torchaudio  # noqa: TID251

        return torchaudio, f"{torchaudio.__version__}"
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules["torchaudio._extension"] = _no_extension()
    import torchaudio  # noqa: TID251

    return torchaudio, f"{torchaudio.__version__} without its compiled extension ({reason})"


torchaudio, BUILD = _import()
"""The package, and a line on which of its builds was found."""
