"""The sound devices of this computer."""

from typing import Any

from timbre.errors import DeviceError


def sounddevice() -> Any:
    """The package sounddevice.

    Raises:
        DeviceError: it is missing, or PortAudio is.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError("Playing needs the package sounddevice: pip install 'timbre[play]'.") from error
    except OSError as error:
        raise DeviceError(
            "Playing needs the PortAudio library, which is missing; on Debian or Ubuntu: apt install libportaudio2."
        ) from error
    return sounddevice


def outputs() -> list[dict[str, Any]]:
    """The devices that sound can go to: number, name, system, channels, sample rate (Hz) and latency (ms).

    Raises:
        DeviceError: sounddevice or PortAudio is missing.
    """
    package = sounddevice()
    systems = [system["name"] for system in package.query_hostapis()]
    return [
        {
            "number": device["index"],
            "name": device["name"],
            "system": systems[device["hostapi"]],
            "channels": device["max_output_channels"],
            "sample_rate": round(device["default_samplerate"]),
            "latency_ms": 1000 * device["default_low_output_latency"],
        }
        for device in package.query_devices()
        if device["max_output_channels"] > 0
    ]


def check_output(device: int | str | None) -> None:
    """Refuse a device that is not there, before anything is made for it.

    Args:
        device: number, or a part of a name; None is the system's default.

    Raises:
        DeviceError: there is no such device or no device at all, or sounddevice or PortAudio is missing.
    """
    package, known = sounddevice(), outputs()
    if not known:
        raise DeviceError(
            "There is no sound device here; connect one or start a sound server (timbre play: --no-audio needs none)."
        )
    try:
        package.query_devices(device, kind="output")
    except (ValueError, package.PortAudioError) as error:
        names = "; ".join(f"{output['number']} {output['name']}" for output in known)
        raise DeviceError(
            f"The sound device {'(default)' if device is None else repr(device)} cannot be used"
            f" ({' '.join(str(error).split())}); give the number or the name of one of these: {names}."
        ) from error
