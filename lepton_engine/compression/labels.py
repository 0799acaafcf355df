"""Where the names of points go in a picture, so that they cover each other as little as can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LINE_PX, LETTER_PX = 14.0, 6.1
LONGEST = 26
DISTANCES = (20, 34, 52, 76, 104, 140)
ANGLES = (90, 270, 45, 135, 315, 225, 0, 180)

#: left, bottom, width, height in pixels
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Point:
    """A point of the picture in pixels from its lower left corner, and how wide its mark is."""

    text: str
    x: float
    y: float
    size: float

    @property
    def box(self) -> Box:
        half = self.size / 2
        return (self.x - half, self.y - half, self.size, self.size)


def wrapped(recipe: str) -> str:
    """A long recipe in lines of at most some 26 letters, broken before a ``+``."""
    lines = [""]
    for number, step in enumerate(recipe.split("+")):
        part = f"+{step}" if number else step
        if lines[-1] and len(lines[-1]) + len(part) > LONGEST:
            lines.append("")
        lines[-1] += part
    return "<br>".join(lines)


def places(points: Sequence[Point], width: float, height: float) -> list[tuple[int, int]]:
    """For each point the offset (right, up) in pixels at which its name stands.

    Greedy, the most crowded points first: of the places around a point, near ones first, the
    one that covers least of the marks and names that are there and of what is outside.
    """
    taken = [point.box for point in points]
    found: dict[int, tuple[int, int]] = {}
    for index in sorted(range(len(points)), key=lambda i: -_crowd(points[i], points)):
        point, best, least = points[index], (0, DISTANCES[0]), math.inf
        for far in DISTANCES:
            for angle in ANGLES:
                place = (round(far * math.cos(math.radians(angle))),
                         round(far * math.sin(math.radians(angle))))
                own = _box(point, place)
                cost = far / 50 + sum(_shared(own, other) for other in taken)
                cost += own[2] * own[3] - _shared(own, (0.0, 0.0, width, height))
                if cost < least:
                    best, least = place, cost
        found[index] = best
        taken.append(_box(point, best))
    return [found[index] for index in range(len(points))]


def _crowd(point: Point, points: Sequence[Point]) -> float:
    """How much is around a point."""
    return sum(1 / (20 + math.hypot(point.x - other.x, point.y - other.y)) for other in points)


def _box(point: Point, place: tuple[int, int]) -> Box:
    """Of the name; it is centred above and below, else it begins or ends at its place."""
    lines = wrapped(point.text).split("<br>")
    width, height = LETTER_PX * max(map(len, lines)), LINE_PX * len(lines)
    right, up = place
    left = point.x + right - (0 if right > 0 else width if right < 0 else width / 2)
    bottom = point.y + up - (0 if up > 0 else height if up < 0 else height / 2)
    return (left, bottom, width, height)


def _shared(first: Box, second: Box) -> float:
    """The area that two boxes have in common."""
    across = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    up = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(0.0, across) * max(0.0, up)
