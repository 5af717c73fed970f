"""`Zones`: which MIDI channels belong together, as MIDI Polyphonic Expression (MPE) has it."""

MANAGERS = (0, 15)  # channels of the lower and of the upper zone, from 0
MEMBERS = 15  # of a zone that has all channels
_BETWEEN = 14  # channels that two zones share


class Zones:
    """The lower zone, managed by channel 1, with members from channel 2 up; the upper one, managed by channel 16, with
    members from channel 15 down; and plain channels, each of which manages itself. Channels count from 0 here.
    """

    def __init__(self) -> None:
        self._counts = [0, 0]  # members of the lower and of the upper zone
        self._managers = list(range(16))

    def configure(self, channel: int, count: int) -> set[int]:
        """Give the zone of a manager a number of members, 0 to 15; the other zone keeps what is left over.

        Returns the channels whose zone is new or has changed; none if the channel cannot manage a zone.
        """
        if channel not in MANAGERS:
            return set()
        zone, before = MANAGERS.index(channel), self._managers
        self._counts[zone] = count = min(count, MEMBERS)
        self._counts[1 - zone] = min(self._counts[1 - zone], max(0, _BETWEEN - count))
        lower, upper = self._counts
        self._managers = [0 if n <= lower and lower else 15 if n >= 15 - upper and upper else n for n in range(16)]
        changed = {number for number, old in enumerate(before) if old != self._managers[number]}
        return changed | {channel, *self.group(channel)}

    def manager(self, channel: int) -> int:
        """The channel whose messages mean all notes of this channel's zone: itself for a plain channel."""
        return self._managers[channel]

    def group(self, channel: int) -> list[int]:
        """The channels that follow a channel: itself, and the members of the zone that it manages."""
        return [number for number, manager in enumerate(self._managers) if channel in (number, manager)]

    def is_member(self, channel: int) -> bool:
        """Whether a channel belongs to a zone that another one manages."""
        return self._managers[channel] != channel

    def in_zone(self, channel: int) -> bool:
        """Whether a channel belongs to a zone of more than itself."""
        return self._managers.count(self._managers[channel]) > 1
