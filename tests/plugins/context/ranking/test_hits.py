from only1mcp_context.ranking import Related, ToolDocument, build, document, search
from only1mcp_context.ranking.hits import CLOSELY, MOST_WORDS
from only1mcp_context.ranking.related import NONE, parse

READ = document("files", "read_text_file", "Read the complete contents of a file as text.")
TREE = document("files", "directory_tree", "A recursive tree of files and directories.")
DELETE = document("files", "delete_directory", "Delete a directory and all that is in it.")
LOG = document(
    "git", "git_log", "Shows the commit logs.", {"properties": {"max_count": {"description": "Most"}}}
)
STATUS = document("git", "git_status", "Shows the working tree status.")
TIME = document(
    "clock",
    "get_current_time",
    "Get current time in a zone.",
    {"properties": {"timezone": {"enum": ["Tokyo"]}}},
)
ALL = [READ, TREE, DELETE, LOG, STATUS, TIME]
INDEX = build(ALL)


def names(
    *queries: str, related: Related = NONE, servers: set[str] | None = None, limit: int = 10
) -> list[str]:
    return [hit.document.name for hit in search(INDEX, queries, related, servers=servers, limit=limit)]


def test_every_field_is_searched() -> None:
    assert names("current")[0] == "get_current_time"
    assert names("complete")[0] == "read_text_file"
    assert names("clock")[0] == "get_current_time"
    assert names("maxCount")[0] == "git_log"
    assert names("Most")[0] == "git_log"
    assert names("tokyo")[0] == "get_current_time"
    tool = document("s", "t", server_text="Weather everywhere")
    assert search(build([READ, tool]), ["weather"], NONE)[0].document is tool


def test_a_name_counts_more_than_a_description() -> None:
    named, told = document("a", "merge"), document("b", "other", "may merge what else there is to do")
    assert [hit.document for hit in search(build([told, named]), ["merge"], NONE)] == [named, told]


def test_what_nothing_matches_finds_nothing() -> None:
    assert names("volcano") == []
    assert names("") == []
    assert names() == []
    assert search(build([]), ["anything"], NONE) == ()


def test_related_words_find_what_the_words_do_not() -> None:
    related = parse("remove delete\nfolder directory", "")
    assert names("remove folder") == []
    assert names("remove folder", related=related)[0] == "delete_directory"


def test_the_word_itself_wins_over_a_related_one() -> None:
    related = parse("log history", "")
    history = document("a", "history", "Shows something.")
    log = document("b", "log", "Shows something.")
    assert search(build([log, history]), ["history"], related)[0].document is history


def test_synonyms_in_one_tool_do_not_add_up() -> None:
    related = parse("picture image photo screenshot snapshot drawing portrait", "")
    said = document("a", "one", "picture taken now kept for good here again")
    rich = document("b", "two", "image photo screenshot snapshot drawing portrait again")
    assert search(build([rich, said]), ["picture"], related)[0].document is said


def test_a_related_word_that_is_asked_for_itself_counts_once() -> None:
    related = parse("remove delete", "")
    one, other = document("a", "alpha"), document("b", "delete")
    assert search(build([one, other]), ["remove delete alpha"], related)[0].document is one


def test_unknown_forms_match_by_their_beginning() -> None:
    assert names("directorial")[0] in {"delete_directory", "directory_tree"}
    assert names("dir") == []


def test_words_side_by_side_count_more() -> None:
    apart = document("a", "one", "work others keep tree")
    beside = document("b", "two", "others keep work tree")
    assert search(build([apart, beside]), ["work tree"], NONE)[0].document is beside


def test_what_a_query_says_beyond_a_tool_counts_against_it() -> None:
    index = build([document("a", "alpha"), document("b", "beta")])
    [alone] = search(index, ["alpha"], NONE)
    both = search(index, ["alpha beta"], NONE)
    assert both[0].document is alone.document
    assert both[0].score < alone.score


def test_servers_narrow_the_search() -> None:
    assert names("shows the directory tree", servers={"git"}) == ["git_status", "git_log"]
    assert names("shows", servers=set()) == []
    assert names("shows", servers={"nobody"}) == []


def test_several_queries_take_turns() -> None:
    found = search(INDEX, ["current time", "commit logs", "delete a directory"], NONE)
    assert [hit.document.name for hit in found[:3]] == ["get_current_time", "git_log", "delete_directory"]
    assert [hit.query for hit in found[:3]] == [0, 1, 2]
    assert len({hit.document.name for hit in found}) == len(found)


def test_a_tool_that_several_queries_find_stands_where_it_ranks_best() -> None:
    found = search(INDEX, ["tree of directories", "working tree status"], NONE)
    assert [(hit.document.name, hit.query) for hit in found[:2]] == [("directory_tree", 0), ("git_status", 1)]


def test_limit() -> None:
    assert len(names("shows the tree of files", limit=2)) == 2
    assert names("shows", limit=0) == []


def test_the_same_tool_on_several_servers_takes_one_place() -> None:
    copies = [ToolDocument(server, READ.name, READ.description) for server in ("ant", "bee", "cat")]
    other = document("files", "read_media_file", "Read an image file.")
    found = search(build([*copies, other]), ["read a text file"], NONE)
    assert [hit.document.name for hit in found] == ["read_text_file", "read_media_file"]
    assert [twin.server for twin in found[0].twins] == ["bee", "cat"]
    asked = search(build([*copies, other]), ["read a text file on cat"], NONE)
    assert asked[0].document.server == "cat"
    assert [twin.server for twin in asked[0].twins] == ["ant", "bee"]
    named = search(build([*copies, other]), ["read a text file on bee or cat"], NONE)
    assert [one.server for one in (named[0].document, *named[0].twins)] == ["bee", "ant", "cat"]
    alone = search(build([*copies, other]), ["read a text file"], NONE, servers={"bee"})
    assert [(hit.document.server, hit.twins) for hit in alone] == [("bee", ())]


def test_many_copies_leave_room_for_others() -> None:
    copies = [ToolDocument(f"server{number}", READ.name, READ.description) for number in range(2 * CLOSELY)]
    other = document("files", "read_media_file", "Read an image.")
    found = search(build([*copies, other]), ["read a text file"], NONE)
    assert [hit.document.name for hit in found] == ["read_text_file", "read_media_file"]


def test_a_long_query_is_cut() -> None:
    filler = " ".join(f"{a}{b}{a}{b}" for a in "bcdfghjklm" for b in "bnpqrstvwxzhjkm")
    assert len(filler.split()) > MOST_WORDS
    assert names(f"status {filler}")[0] == "git_status"
    assert names(f"{filler} status") == []
