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

    def configure(self, channel: int, count: int) -> set[int]:
        """Give the zone of a manager a number of members, 0 to 15; the other zone keeps what is left over.

        Returns the channels whose zone is new or has changed; none if the channel cannot manage a zone.
        """
        if channel not in MANAGERS:
            return set()
        zone, before = MANAGERS.index(channel), self._managers()
        self._counts[zone] = count = min(count, MEMBERS)
        self._counts[1 - zone] = min(self._counts[1 - zone], max(0, _BETWEEN - count))
        changed = {number for number, old in enumerate(before) if old != self._managers()[number]}
        return changed | {channel, *self.group(channel)}

    def manager(self, channel: int) -> int:
        """The channel whose messages mean all notes of this channel's zone: itself for a plain channel."""
        lower, upper = self._counts
        if 1 <= channel <= lower:
            return 0
        return 15 if 15 - upper <= channel < 15 else channel

    def group(self, channel: int) -> list[int]:
        """The channels that follow a channel: itself, and the members of the zone that it manages."""
        return [number for number in range(16) if channel in (number, self.manager(number))]

    def is_member(self, channel: int) -> bool:
        """Whether a channel belongs to a zone that another one manages."""
        return self.manager(channel) != channel

    def in_zone(self, channel: int) -> bool:
        """Whether a channel belongs to a zone of more than itself."""
        return len(self.group(self.manager(channel))) > 1

    def _managers(self) -> list[int | None]:
        """The manager of each channel; None for a plain one."""
        return [self.manager(number) if self.in_zone(number) else None for number in range(16)]
