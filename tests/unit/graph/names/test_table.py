"""Tables of names in pieces: what is looked at by many changes with few."""

from __future__ import annotations

from gatewright.graph.names import table


def test_every_name_is_found_in_its_piece() -> None:
    names = {f"{prefix}host-{number}.example.com": number for number in range(500) for prefix in ("", "*.")}
    pieces = table.in_pieces(names)
    assert len(pieces) == table.PIECES
    assert all(pieces[table.piece_of(name)][name] == value for name, value in names.items())
    assert sum(map(len, pieces)) == len(names)


def test_no_other_name_changes_the_piece_of_the_wildcards() -> None:
    before = table.in_pieces({"*.example.com": 1})
    for number in range(500):
        after = table.in_pieces({"*.example.com": 1, f"host-{number}.example.com": 2})
        assert after[table.piece_of("*.example.com")] == before[table.piece_of("*.example.com")]
