from only1mcp_context.ranking.related import BAND_WEIGHTS, GROUP_WEIGHT, NONE, load, parse
from only1mcp_context.ranking.words import stem


def test_groups_go_both_ways_and_bands_one() -> None:
    related = parse("# a remark\ndelete removes\n", "folder: directori |  | fil\n")
    assert related.of("delet") == {"remov": GROUP_WEIGHT}
    assert related.of("remov") == {"delet": GROUP_WEIGHT}
    assert related.of("folder") == {"directori": BAND_WEIGHTS[0], "fil": BAND_WEIGHTS[2]}
    assert related.of("directori") == {}
    assert related.of("remark") == {}


def test_a_share_scales_what_was_computed_only() -> None:
    related = parse("one two", "one: three | | |")
    assert related.of("one", 0.5) == {"two": GROUP_WEIGHT, "three": BAND_WEIGHTS[0] / 2}


def test_a_group_says_more_than_a_band() -> None:
    assert parse("one two", "one: | two |").of("one") == {"two": GROUP_WEIGHT}


def test_the_lists_that_come_along_are_stems_and_hold_what_agents_say() -> None:
    related = load()
    assert "delet" in related.of(stem("remove"))
    assert "directori" in related.of(stem("folder"))
    assert "rent" in related.of(stem("apartment"))
    assert len(related.bands) > 10_000
    for word, line in related.bands.items():
        assert word == word.lower().strip()
        assert line.count("|") == 3
        assert word not in line.replace("|", " ").split()


def test_neighbours_count_less_than_the_word() -> None:
    assert all(0 < weight < 1 for weight in (*BAND_WEIGHTS, GROUP_WEIGHT))
    assert NONE.of("folder") == {}
