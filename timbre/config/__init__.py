"""All settings of timbre. It imports the standard library only, so that it loads fast.

A config comes from Python, from TOML (written by people) or from JSON (inside a saved space).
"""

from timbre.config.config import (
    Config,
    DataConfig,
    ModelConfig,
    RegularizationConfig,
    SpectrogramConfig,
    TrainingConfig,
    VocoderConfig,
)
from timbre.config.settings import Range, from_dict, ranges, read_toml

__all__ = [
    "Config",
    "DataConfig",
    "ModelConfig",
    "Range",
    "RegularizationConfig",
    "SpectrogramConfig",
    "TrainingConfig",
    "VocoderConfig",
    "from_dict",
    "ranges",
    "read_toml",
]
