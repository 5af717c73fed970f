"""All settings of timbre. It imports the standard library only, so that it loads fast.

A config comes from Python, from TOML (written by people) or from JSON (inside a saved space).
"""

from timbre.config.config import Config as Config
from timbre.config.config import DataConfig as DataConfig
from timbre.config.config import ModelConfig as ModelConfig
from timbre.config.config import RegularizationConfig as RegularizationConfig
from timbre.config.config import SpectrogramConfig as SpectrogramConfig
from timbre.config.config import TrainingConfig as TrainingConfig
from timbre.config.config import VocoderConfig as VocoderConfig
from timbre.config.settings import Range as Range
from timbre.config.settings import from_dict as from_dict
from timbre.config.settings import ranges as ranges
from timbre.config.settings import read_toml as read_toml
from timbre.config.settings import require as require
