"""MIDI Polyphonic Expression: the duties of a receiver, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido import Message
from mpe import PLAIN, Player, bend, cc, off, on, parameter, press, zone

from timbre.errors import ConfigError
from timbre.playback.inputs.mapping import Control, Mapping
from timbre.space import Space
from timbre.synth.shaping import NoteControl
from timbre.synth.zones import Zones


def managers(space: Space, *messages: Message) -> list[int]:
    player = Player(space, *messages)
    return [player.zones.manager(number) + 1 for number in range(16)]


ALONE = list(range(1, 17))


# The configuration of zones


@pytest.mark.parametrize("members", range(1, 16))
def test_a_configuration_message_makes_a_zone_of_so_many_members(tiny_space: Space, members: int):
    assert managers(tiny_space, *zone(1, members)) == [1] * (members + 1) + ALONE[members + 1 :]
    assert managers(tiny_space, *zone(16, members)) == ALONE[: 15 - members] + [16] * (members + 1)


@pytest.mark.parametrize("channel", range(2, 16))
def test_on_any_other_channel_it_is_ignored(tiny_space: Space, channel: int):
    assert managers(tiny_space, *zone(channel, 5)) == ALONE


def test_the_newest_zone_takes_channels_from_the_other(tiny_space: Space):
    assert managers(tiny_space, *zone(1, 10), *zone(16, 7)) == [1] * 8 + [16] * 8
    assert managers(tiny_space, *zone(16, 7), *zone(1, 10)) == [1] * 11 + [16] * 5
    assert managers(tiny_space, *zone(16, 7), *zone(1, 15)) == [1] * 16
    assert managers(tiny_space, *zone(16, 7), *zone(1, 14)) == [1] * 15 + [16]


def test_no_members_in_either_zone_end_mpe(tiny_space: Space):
    assert managers(tiny_space, *zone(1, 5), *zone(16, 5), *zone(1, 0)) == ALONE[:10] + [16] * 6
    assert managers(tiny_space, *zone(1, 5), *zone(16, 5), *zone(1, 0), *zone(16, 0)) == ALONE


@given(st.lists(st.tuples(st.sampled_from([0, 15]), st.integers(0, 127)), max_size=8))
def test_zones_never_overlap_and_the_last_has_what_it_wanted(changes: list[tuple[int, int]]):
    zones = Zones()
    for channel, count in changes:
        zones.configure(channel, count)
        members = [number for number in range(16) if zones.manager(number) == channel != number]
        assert len(members) == min(count, 15)
        assert set(members) <= set(zones.group(channel))


def test_a_new_zone_ends_its_notes_and_resets_its_channels(tiny_space: Space):
    player = Player(tiny_space, *zone(1, 5), *parameter(3, 0, 12), bend(3), press(3, 127), on(3), on(9))
    player.play(*zone(1, 4), on(3))
    assert player.held == {"8-60": (0.0, 0.0, 0.0), "2-60": (0.0, 0.0, 0.0)}
    assert player.play(bend(3)).bends["2-60"] == 48.0


# Bend ranges


def test_members_bend_by_48_semitones_and_the_manager_by_2(tiny_space: Space):
    assert Player(tiny_space, *zone(), on(4), bend(4)).bends == {"3-60": 48.0}
    assert Player(tiny_space, *zone(), on(4), bend(1)).bends == {"3-60": 2.0}
    assert Player(tiny_space, *zone(16, 3), on(14), bend(14), bend(16)).bends == {"13-60": 50.0}


@pytest.mark.parametrize("semitones", [0, 1, 24, 96])
def test_the_range_of_one_member_is_that_of_all(tiny_space: Space, semitones: int):
    player = Player(tiny_space, *zone(1, 7), *parameter(5, 0, semitones), on(3), bend(3), on(12), bend(12))
    assert player.bends == {"2-60": semitones, "11-60": 2.0}
    assert player.play(bend(1)).bends == {"2-60": min(semitones + 2.0, 96.0), "11-60": 2.0}


def test_the_range_of_the_manager_is_its_own(tiny_space: Space):
    assert Player(tiny_space, *zone(), *parameter(1, 0, 7), on(2), bend(1)).bends == {"1-60": 7.0}


# Notes and what shapes them


def test_each_member_bends_its_own_note_with_14_bits(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), on(3), bend(2, 1), bend(3, -8192))
    assert player.held["1-60"][0] == pytest.approx(48.0 / 8191)
    assert player.held["2-60"][0] == -48.0


def test_pressure_and_slide_are_those_of_the_member(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), on(3), press(2, 127), cc(74, 127, 3), cc(74, 0, 2))
    assert player.held == {"1-60": (0.0, 6.0, -2.0), "2-60": (0.0, 0.0, 2.0)}


def test_what_came_before_the_note_is_there_when_it_begins(tiny_space: Space):
    player = Player(tiny_space, *zone(), bend(2), press(2, 127), cc(74, 127, 2), on(2))
    assert [name for name, _ in player.recorder.events] == ["shape", "note_on"]
    assert player.held == {"1-60": (48.0, 6.0, 2.0)}


def test_after_the_release_a_member_does_not_shape_its_note(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), off(2))
    count = len(player.recorder.events)
    player.play(bend(2), press(2, 9), cc(74, 9, 2))
    assert len(player.recorder.events) == count
    player.play(cc(64, 127, 1), on(3), bend(3), off(3), bend(3, 0), press(3, 99))
    assert player.bends == {"2-60": 48.0}  # sustained
    assert player.play(bend(1)).bends == {"2-60": 50.0}  # by the manager as well


def test_two_notes_of_one_member_follow_it_both(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2, 60), on(2, 64), bend(2), press(2, 127))
    assert player.held == {"1-60": (48.0, 6.0, 0.0), "1-64": (48.0, 6.0, 0.0)}


def test_the_manager_adds_to_all_notes_of_its_zone_and_to_no_other(tiny_space: Space):
    player = Player(tiny_space, *zone(1, 6), *zone(16, 6), on(2), on(3), on(15), on(8), bend(3), bend(1))
    assert player.bends == {"1-60": 2.0, "2-60": 50.0, "14-60": 0.0, "7-60": 0.0}
    player.play(cc(74, 127, 1), press(1, 127), cc(74, 32, 2))
    assert player.held["1-60"] == (2.0, 6.0, pytest.approx(2.0 * 31 / 63, abs=1e-5))
    assert player.held["14-60"] == player.held["7-60"] == (0.0, 0.0, 0.0)


def test_notes_on_the_manager_sound_and_have_polyphonic_pressure(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(1, 60), on(1, 64), on(2, 67))
    player.play(*(Message("polytouch", channel=channel, note=note, value=127) for channel, note in ((0, 60), (1, 67))))
    assert {key: values[1] for key, values in player.held.items()} == {"0-60": 6.0, "0-64": 0.0, "1-67": 0.0}


def test_the_pedal_of_the_manager_sustains_its_zone(tiny_space: Space):
    player = Player(tiny_space, *zone(1, 6), on(2), on(9), cc(64, 127, 1), off(2), off(9))
    assert set(player.held) == {"1-60"}
    assert not player.play(cc(64, 0, 1)).held


def test_123_on_the_manager_obeys_the_pedal_and_120_does_not(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), on(3), cc(123, 0, 1))
    assert not player.held
    player.play(cc(64, 127, 1), on(2), on(3), cc(123, 0, 1))
    assert set(player.held) == {"1-60", "2-60"}
    assert not player.play(cc(120, 0, 1)).held
    assert not player.play(on(2), off(2)).held  # the pedal is up


def test_121_on_the_manager_resets_its_zone(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), bend(2), bend(1), press(2, 9), cc(74, 9, 2), cc(64, 99, 1))
    assert player.play(cc(121, 0, 1)).held == {"1-60": (0.0, 0.0, 0.0)}
    assert not player.play(off(2)).held


def test_programs_are_changed_by_the_manager_only(tiny_space: Space):
    change = [Message("program_change", channel=channel, program=0) for channel in (1, 0)]
    player = Player(tiny_space, *zone(), change[0])
    assert not player.recorder.events
    assert player.play(change[1]).recorder.named("at")


def test_controllers_of_the_manager_move_all_and_those_of_members_do_not(tiny_space: Space):
    mapping = Mapping([Control(20, 1, -1.0, 1.0)], PLAIN.notes)
    player = Player(tiny_space, *zone(), on(2), cc(20, 127, 2), mapping=mapping)
    assert not player.recorder.named("at")
    assert player.play(cc(20, 127, 1)).recorder.named("at")


def test_velocity_0_is_a_release_of_velocity_64(tiny_space: Space):
    mapping = Mapping([], [NoteControl("release", "gain", -12.0, 12.0, style="relative")])
    for message, gain in ((on(2, velocity=0), 0.0), (off(2, velocity=127), 12.0), (off(2, velocity=0), -12.0)):
        player = Player(tiny_space, *zone(), on(2), message, mapping=mapping)
        assert not player.held
        assert [event["gain"] for event in player.recorder.named("shape")] == [gain]


def test_a_controller_may_leave_out_the_configuration(tiny_space: Space):
    assert Player(tiny_space, on(2), bend(2), members=15).bends == {"1-60": 48.0}
    with pytest.raises(ConfigError, match="MPE members must be a number from 0 to 15, got 16"):
        Player(tiny_space, members=16)


def test_plain_midi_is_the_case_of_no_members(tiny_space: Space):
    player = Player(tiny_space, on(1), on(2), bend(1), press(2, 127), cc(74, 127, 1))
    assert player.held == {"0-60": (2.0, 0.0, 0.0), "1-60": (0.0, 6.0, 0.0)}  # slide is a controller as others
