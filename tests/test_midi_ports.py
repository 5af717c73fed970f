"""MIDI inputs: messages through JACK, the names of ports, and what is said where there are none."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import mido
import pytest
from mido import Message
from recorder import Recorder, wait_for

from timbre.errors import DeviceError
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.inputs.midi_ports import find_port, list_ports
from timbre.space import Space


@pytest.fixture
def recorder(tiny_space: Space) -> Recorder:
    return Recorder(tiny_space)


def test_where_there_is_no_midi_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, recorder: Recorder, capfd):
    pytest.importorskip("rtmidi")
    monkeypatch.setenv("MIDO_BACKEND", "mido.backends.rtmidi/UNIX_JACK")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "timbre-none")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    for call in (list_ports, lambda: find_port("keys"), MidiInput(recorder, "virtual").__enter__):
        with pytest.raises(DeviceError, match=r"no MIDI on this machine .*[^.]\.$"):
            call()
    assert capfd.readouterr() == ("", "")


def test_without_rtmidi_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MIDO_BACKEND", raising=False)
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    with pytest.raises(DeviceError, match="pip install python-rtmidi"):
        list_ports()


@pytest.fixture
def jack(monkeypatch: pytest.MonkeyPatch) -> Iterator[mido.Backend]:
    """JACK MIDI, on a server of this test's own without a sound card."""
    rtmidi = pytest.importorskip("rtmidi")
    if rtmidi.API_UNIX_JACK not in rtmidi.get_compiled_api() or not shutil.which("jackd"):
        pytest.skip("jackd or python-rtmidi for JACK is not installed")
    name = f"timbre-test-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
    monkeypatch.setenv("MIDO_BACKEND", "mido.backends.rtmidi/UNIX_JACK")
    command = ["jackd", "-n", name, "--no-realtime", "-d", "dummy", "-r", "44100", "-p", "256"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        waited = subprocess.run(["jack_wait", "-s", name, "-w", "-t", "10"], capture_output=True, check=False)
        if waited.returncode or server.poll() is not None:
            pytest.skip("jackd does not start here")
        yield mido.Backend()
    finally:
        server.terminate()
        server.wait(10)


def connected(keyboard: mido.ports.BaseOutput, recorder: Recorder) -> bool:
    """Whether messages come through; JACK connects a moment later than it says, and the first are lost."""
    recorder.events.clear()

    def heard() -> bool:
        keyboard.send(Message("control_change", control=120, value=0))
        return bool(recorder.named("panic"))

    return wait_for(heard)


OPENS_AND_CLOSES = """
import mido, sys, threading, time
from timbre.playback.inputs.midi_ports import open_port

def hold_the_lock():
    while not over.is_set():
        pass

def play():
    while not over.is_set():
        keyboard.send(mido.Message("note_on", note=60))
        time.sleep(0.0003)

with mido.Backend().open_output("keys", client_name="bench", virtual=True) as keyboard:
    over, heard = threading.Event(), []
    threads = [threading.Thread(target=task) for task in (hold_the_lock, play)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        port, name = open_port("bench", heard.append)
        time.sleep(0.05)
        port.close()
    over.set()
    for thread in threads:
        thread.join()
print(name, len(heard) > 0)
"""


def test_an_input_closes_while_it_is_played(jack: mido.Backend):
    """With calls from RtMidi's thread, the process stood still after some five inputs, and Ctrl-C did not end it."""
    ran = subprocess.run([sys.executable, "-c", OPENS_AND_CLOSES], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "bench:keys True\n"), ran.stderr


def test_messages_come_through_jack(jack: mido.Backend, recorder: Recorder):
    notes = [Message("note_on", note=note, velocity=note) for note in range(40, 90)]
    with MidiInput(recorder, "virtual") as midi:
        assert midi.name in jack.get_output_names()
        with jack.open_output(midi.name) as keyboard:
            assert connected(keyboard, recorder)
            for note in notes:
                keyboard.send(note)
                time.sleep(0.005)
            assert wait_for(lambda: keyboard.send(Message("program_change", program=99)) or midi.problems.count > 0)
    heard = [event["pitch"] for event in recorder.named("note_on")]
    assert heard == sorted(set(heard))
    assert len(heard) >= 45  # on a machine without a moment to spare JACK leaves periods out
    with (
        jack.open_output("out", client_name="Midi Through"),
        jack.open_output("out", client_name="Keys One"),
        jack.open_output("out", client_name="Keys Two") as two,
    ):
        assert list_ports() == ["Midi Through:out", "Keys One:out", "Keys Two:out"]
        assert (find_port("two"), find_port("0"), find_port(None)) == (
            "Keys Two:out", "Midi Through:out", "Keys One:out",
        )  # fmt: skip
        for wrong in ("keys", "drums"):
            with pytest.raises(DeviceError, match="there are Midi Through:out, Keys One:out, Keys Two:out"):
                find_port(wrong)
        with MidiInput(recorder, "two"):
            assert connected(two, recorder)
    with pytest.raises(DeviceError, match="no MIDI input"):
        find_port(None)
