"""Settings: what goes in comes out, and nothing wrong gets in."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.cli import commands
from timbre.config import (
    Config,
    DataConfig,
    ModelConfig,
    Range,
    RegularizationConfig,
    SpectrogramConfig,
    TrainingConfig,
    VocoderConfig,
)
from timbre.errors import ConfigError

shares = st.floats(0, 0.49)
configs = st.builds(
    Config,
    spectrogram=st.builds(
        SpectrogramConfig,
        kind=st.sampled_from(["mel", "linear"]),
        sample_rate=st.integers(8000, 96000),
        n_fft=st.integers(9, 12).map(lambda power: 2**power),
        hop_length=st.integers(1, 256),
        n_mels=st.integers(1, 256),
        floor_db=st.floats(-120, -1),
    ),
    data=st.builds(DataConfig, duration=st.floats(0.05, 60), valid=shares, test=shares, transpose=st.integers(0, 16)),
    model=st.builds(ModelConfig, dim=st.integers(2, 1024), flows=st.integers(0, 256), amortised=st.booleans()),
    regularization=st.builds(
        RegularizationConfig,
        perceptual=st.sampled_from(["none", "student", "rank"]),
        schedule=st.sampled_from(["joint", "two_stage"]),
        stage=shares,
        axes=st.sampled_from([(), ("brightness",), ("brightness", "attack")]),
    ),
    training=st.builds(
        TrainingConfig,
        epochs=st.integers(1, 10**6),
        learning_rate=st.floats(1e-8, 1),
        precision=st.sampled_from(["auto", "32-true", "bf16-mixed"]),
    ),
)


@given(config=configs)
def test_a_config_survives_json(config):
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@given(config=configs)
def test_a_config_survives_toml(config, tmp_path_factory):
    tables = [
        f"[{table}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
        for table, settings in config.to_dict().items()
    ]
    file = tmp_path_factory.mktemp("toml") / "config.toml"
    file.write_text("\n".join(tables), encoding="utf-8")
    assert Config.from_toml(file) == config


def test_missing_settings_keep_their_defaults():
    assert Config.from_dict({"model": {"dim": 3}}) == dataclasses.replace(Config(), model=ModelConfig(dim=3))
    assert Config.from_dict({}) == Config()


def test_a_whole_number_will_do_for_a_decimal_one():
    assert Config.from_dict({"data": {"duration": 2}}).data.duration == 2.0


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().model.dim = 3


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"modell": {}}, r"modell; did you mean model\?"),
        ({"model": {"dims": 3}}, r"model\.dims; did you mean model\.dim\?"),
        ({"model": {"xyzzy": 3}}, r"model\.xyzzy; the settings are: dim, flow, flows"),
        ({"model": {"dim": 16.0}}, r"model\.dim must be a whole number, got 16\.0"),
        ({"model": {"dim": True}}, r"model\.dim must be a whole number, got True"),
        ({"model": {"dim": "16"}}, r"model\.dim must be a whole number, got '16'"),
        ({"model": {"dropout": "0.1"}}, r"model\.dropout must be a number, got '0\.1'"),
        ({"model": {"dropout": False}}, r"model\.dropout must be a number, got False"),
        ({"model": {"amortised": 1}}, r"model\.amortised must be true or false, got 1"),
        ({"model": {"dim": None}}, r"model\.dim must be a whole number, got None"),
        ({"model": [16]}, r"model must be a table, got \[16\]"),
        ({"spectrogram": {"kind": "mol"}}, r"spectrogram\.kind must be one of mel, linear, .*, got 'mol'"),
        (["model"], r"The config must be a table"),
    ],
)
def test_what_is_not_a_setting_is_refused_by_name(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Config.from_dict(values)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("spectrogram", "sample_rate", 0),
        ("spectrogram", "n_fft", 1023),
        ("spectrogram", "n_fft", 16),
        ("spectrogram", "hop_length", 513),
        ("spectrogram", "hop_length", 0),
        ("spectrogram", "n_mels", 513),
        ("spectrogram", "floor_db", 0.0),
        ("data", "duration", 0.01),
        ("data", "duration", float("nan")),
        ("data", "trim_db", 3.0),
        ("data", "valid", 0.5),
        ("data", "test", -0.1),
        ("data", "transpose", -1),
        ("model", "dim", 0),
        ("model", "flows", -1),
        ("model", "encoder_channels", 0),
        ("model", "dropout", 1.0),
        ("training", "epochs", 0),
        ("training", "batch_size", 0),
        ("training", "learning_rate", 0.0),
        ("training", "grad_clip", -1.0),
        ("training", "beta", -1.0),
        ("training", "max_minutes", float("nan")),
        ("training", "ema", 1.0),
        ("training", "unknown", -0.1),
    ],
)
def test_an_impossible_value_is_refused_by_name(table, key, value):
    with pytest.raises(ConfigError, match=rf"{table}\.{key} must be .*, got {value}"):
        Config.from_dict({table: {key: value}})


def test_a_vocoder_setting_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"vocoder\.frames must be 12 or more, got 3\."):
        VocoderConfig.from_dict({"frames": 3})


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Range(0, 1), "0 to 1"),
        (Range(1), "1 or more"),
        (Range(0, above=True), "above 0"),
        (Range(high=0, below=True), "below 0"),
        (Range(0, 0.5, below=True), "0 or more and below 0.5"),
        (Range(0, 12, above=True), "above 0 and 12 or less"),
    ],
)
def test_a_range_says_what_it_contains(limits, text):
    assert str(limits) == text
    assert (limits.low in limits, limits.high in limits) == (not limits.above, not limits.below)
    assert float("nan") not in limits


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[model\ndim = 3", "is not valid TOML"),
        (b"[model]\ndim = 3 # \xff", "cannot be read"),
        (b"dim = 3", "Unknown setting dim"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, content, sentence):
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        Config.from_toml(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        Config.from_toml(tmp_path / "none.toml")


def settings_of(*options: str) -> Config:
    """The settings that `timbre train LIBRARY OUT` with these options would train with."""
    _, bound, _ = commands.parse_args(["train", "library", "out", *options], exit_on_error=False, print_error=False)
    bound.apply_defaults()
    return bound.arguments["settings"]


def test_the_command_line_has_the_defaults_of_the_config():
    assert settings_of() == Config()


def test_options_decide_over_the_file_and_the_file_over_the_defaults(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        "[model]\ndim = 5\namortised = true\n[training]\nepochs = 7\nprecision = '32-true'\n", encoding="utf-8"
    )
    found = settings_of("--config", str(file), "--training.epochs", "9", "--data.trim_db", "-40")
    assert (found.model.dim, found.model.amortised, found.training.precision) == (5, True, "32-true")
    assert (found.training.epochs, found.data.trim_db) == (9, -40.0)
    assert found.training.batch_size == TrainingConfig().batch_size


@settings(max_examples=25, deadline=None)
@given(config=configs)
def test_every_setting_is_an_option_under_its_own_name(config):
    options = []
    for table, values in config.to_dict().items():
        for key, value in values.items():
            name = f"--{table}.{key}"
            if isinstance(value, bool):
                options += [name] * value
            else:
                options += [
                    word for each in (value if isinstance(value, tuple) else [value]) for word in (name, str(each))
                ]
    assert settings_of(*options) == config


@pytest.mark.parametrize("name", ["encoder_channels", "decoder_channels", "decoder_blocks"])
def test_sizes_that_no_memory_has_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{name} must be 1 to .*, got 100000"):
        Config.from_dict({"model": {name: 100_000}})
