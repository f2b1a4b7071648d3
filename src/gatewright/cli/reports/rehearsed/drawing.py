"""A world as a drawing (SVG): the internet on top, sites with their networks and nodes below, links at the bottom.

Always the same for the same world.  Colours are those of the page's style sheet.  Counterpart: `places`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.cli.reports.rehearsed.markup import Markup, tag
from gatewright.cli.reports.rehearsed.places import Box, Map, Place, Segment, arranged
from gatewright.rehearsal.world import INTERNET, World

BOX = 232
ROW = 15
GAP = 12
HEAD = 24
PAD = 14
ACROSS = 3
"""How many boxes stand beside each other in a network."""

LANE = 22
"""How far the lines of links are from each other."""

WIDEST = 1260
LETTERS = 34
"""How many letters fit into a line of a box."""


class Spot(Struct, frozen=True):
    """Where something stands."""

    x: float
    y: float
    width: float
    height: float


def svg(world: World) -> Markup:
    """The drawing."""
    return _Drawing(world, arranged(world)).svg()


class _Drawing:
    def __init__(self, world: World, map_: Map) -> None:
        self._world = world
        self._map = map_
        self._spots: dict[str, Spot] = {}
        self._below: list[Markup] = []
        self._lines: list[Markup] = []
        self._above: list[Markup] = []
        self._width = 0.0

    def svg(self) -> Markup:
        bottom = self._sites(self._internet() + 44)
        self._uplinks()
        height = self._links(bottom + GAP) + GAP
        width = self._width + GAP
        parts = [tag("title", "The world of this rehearsal"), *self._below, *self._lines, *self._above]
        return tag(
            "svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:g} {height:g}", width=width,
            height=height, role="img",
        )  # fmt: skip

    def _internet(self) -> float:
        boxes = self._map.internet
        across = max(1, min(len(boxes), WIDEST // (BOX + GAP)))
        _, height = _size(boxes, across)
        width = max(_size(boxes, across)[0], min(WIDEST, self._sites_width())) + 2 * PAD
        self._spots[INTERNET] = spot = Spot(GAP, GAP, width, HEAD + height + PAD)
        self._frame(spot, "internet", "internet")
        self._boxes(boxes, GAP + PAD, GAP + HEAD, across)
        return spot.y + spot.height

    def _sites_width(self) -> float:
        return sum(_site_size(site)[0] + 2 * GAP for site in self._map.sites) - 2 * GAP

    def _sites(self, top: float) -> float:
        """Beside each other, in as many rows as are needed; where they end."""
        x, y, bottom = float(GAP), top, top
        for site in self._map.sites:
            width, height = _site_size(site)
            if x > GAP and x + width > WIDEST:
                x, y = float(GAP), bottom + 2 * GAP
            self._site(site, Spot(x, y, width, height))
            x += width + 2 * GAP
            bottom = max(bottom, y + height)
        return bottom

    def _site(self, site: Place, spot: Spot) -> None:
        self._spots[f"site:{site.name}"] = spot
        self._frame(spot, f"site {site.name}", "site")
        y = spot.y + HEAD
        for segment in site.segments:
            across = max(1, min(ACROSS, len(segment.boxes)))
            _, height = _size(segment.boxes, across)
            name = segment.name.partition("/")[2] or segment.name
            if name:
                width = spot.width - 2 * PAD
                self._above.append(tag("rect", x=spot.x + PAD, y=y + 4, width=width, height=16, rx=8, class_="network"))
                self._above.append(_label(f"network {name}", spot.x + PAD + 10, y + 16, "name"))
            self._boxes(segment.boxes, spot.x + PAD, y + HEAD + 4, across)
            y += HEAD + 4 + height + GAP

    def _boxes(self, boxes: tuple[Box, ...], left: float, top: float, across: int) -> None:
        y = top
        for start in range(0, len(boxes), across):
            line = boxes[start : start + across]
            for number, box in enumerate(line):
                self._box(box, left + number * (BOX + GAP), y)
            y += max(map(_height, line)) + GAP

    def _box(self, box: Box, x: float, y: float) -> None:
        self._spots[box.space] = spot = Spot(x, y, BOX, _height(box))
        parts = [
            tag("title", box.space),
            tag("rect", x=x, y=y, width=BOX, height=spot.height, rx=5, class_=f"box {box.kind}"),
            _label(f"{box.title} ", x + 8, y + 16, "title", box.kind),
        ]
        for number, (kind, said) in enumerate(box.rows):
            parts.append(
                _label(said, x + 8, y + HEAD + 8 + number * ROW, f"row {kind}", kind if kind != "address" else "")
            )
        self._above.append(tag("g", *parts))

    def _frame(self, spot: Spot, title: str, kind: str) -> None:
        self._width = max(self._width, spot.x + spot.width)
        self._below.append(
            tag("rect", x=spot.x, y=spot.y, width=spot.width, height=spot.height, rx=8, class_=f"frame {kind}")
        )
        self._above.append(_label(title, spot.x + PAD, spot.y + 17, "name"))

    # --- lines ----------------------------------------------------------------------------------

    def _uplinks(self) -> None:
        """Straight up where nothing is between, else around on the left."""
        internet = self._spots[INTERNET]
        bottom, margin = internet.y + internet.height, GAP / 2
        first = min((self._spots[f"site:{site.name}"].y for site in self._map.sites), default=0.0)
        for site in self._map.sites:
            spot = self._spots[f"site:{site.name}"]
            x = min(spot.x + spot.width / 2, internet.x + internet.width - PAD)
            points = [(x, bottom), (x, spot.y)]
            if spot.y > first:
                above = spot.y - GAP
                points = [(GAP, bottom - PAD), (margin, bottom - PAD), (margin, above), (x, above), (x, spot.y)]
            if site.reaches:
                self._lines.append(_path(points, "uplink"))

    def _links(self, top: float) -> float:
        """Each has a lane of its own below everything, reached between the boxes; where the last one is."""
        y = top
        for number, (name, devices) in enumerate(sorted(self._world.links.items())):
            spaces = dict.fromkeys(space for space, _ in devices)
            spots = [self._spots.get(space) or self._spots.get(self._map.within.get(space, "")) for space in spaces]
            ends = sorted((spot.x, spot.y + spot.height) for spot in spots if spot is not None)
            if not ends:
                continue
            y += LANE
            beside = 2 + (number * 3) % (GAP - 2)
            for x, bottom in ends:
                turn = bottom + beside / 2
                self._lines.append(
                    _path([(x + PAD, bottom), (x + PAD, turn), (x - beside, turn), (x - beside, y)], "link")
                )
            self._lines.append(_path([(ends[0][0] - beside, y), (ends[-1][0] - beside, y)], "link"))
            if len(ends) == 1:
                self._to_the_edge(ends[0][0] - beside, y)
            self._above.append(_label(f"link {name}", ends[0][0] + 6, y - 4, "linkname"))
        return y

    def _to_the_edge(self, x: float, y: float) -> None:
        """From the lane of a tunnel that has one end here around on the right to the CDN that it dials."""
        edges = [box.space for box in self._map.internet if box.kind == "edge"]
        if len(edges) != 1:
            return
        edge, internet = self._spots[edges[0]], self._spots[INTERNET]
        self._width += GAP
        below, above = internet.y + internet.height + LANE, edge.x + edge.width - PAD
        points = [(x, y), (self._width, y), (self._width, below), (above, below), (above, edge.y + edge.height)]
        self._lines.append(_path(points, "link"))


def _height(box: Box) -> float:
    return HEAD + len(box.rows) * ROW + (6 if box.rows else 0)


def _size(boxes: tuple[Box, ...], across: int) -> tuple[float, float]:
    """Width and height of boxes in rows of so many."""
    lines = [boxes[start : start + across] for start in range(0, len(boxes), across)]
    height = sum(max(map(_height, line)) + GAP for line in lines)
    return min(len(boxes), across) * (BOX + GAP) - GAP if boxes else BOX, max(0.0, height - GAP)


def _site_size(site: Place) -> tuple[float, float]:
    def of(segment: Segment) -> tuple[float, float]:
        return _size(segment.boxes, max(1, min(ACROSS, len(segment.boxes))))

    width = max((of(segment)[0] for segment in site.segments), default=BOX)
    height = sum(HEAD + 4 + of(segment)[1] + GAP for segment in site.segments)
    return width + 2 * PAD, HEAD + height


def _label(said: str, x: float, y: float, class_: str, kind: str = "") -> Markup:
    room = LETTERS - (len(kind) + 1 if kind else 0)
    short = said if len(said) <= room or class_ in ("name", "linkname") else f"{said[: room - 1]}…"
    parts = [tag("tspan", kind, " ", class_="kind")] if kind else []
    whole = [tag("title", said)] if short != said else []
    return tag("text", *whole, *parts, short.strip(), x=x, y=y, class_=class_)


def _path(points: list[tuple[float, float]], class_: str) -> Markup:
    return tag("path", d="M" + " L".join(f"{x:g} {y:g}" for x, y in points), class_=class_)
