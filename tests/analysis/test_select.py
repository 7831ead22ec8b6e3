"""`--focus`, `--in` and their like choose the rows that a Go programmer means by them."""

import pytest
from builders.profiles import Row, heap
from hypothesis import given
from hypothesis import strategies as st
from slow_twin import snapshot

from memsnap.analysis import names
from memsnap.analysis.diff import diff
from memsnap.analysis.select import Selection
from memsnap.errors import UsageError

TYPES = [
    "http.Request",
    "main.Request",
    "main.RequestLog",
    "[]uint8",
    "[]*http.Request",
    "map[string]*main.Session",
    "map[string]int",
    "map[main.ID]main.Session",
    "main.Session",
    "interface {}",
    "[]interface {}",
    "chan *main.Session",
    "main.Cache[string,*shop/internal/orders.Order]",
    "main.Cache[[2]int,int]",
    "func(int, string) error",
]
FUNCTIONS = [
    "main.main",
    "main.handle",
    "main.handle.func1",
    "main.handle.func2.1",
    "main.handle.gowrap1",
    "main.handle.deferwrap1",
    "main.handle-range1",
    "main.handleAll",
    "main.rehandle",
    "main.(*Server).handle",
    "main.(*Server).handle.func1",
    "main.(*Server).handle-fm",
    "main.Server.Name",
    "main.Map[...]",
    "main.Map[...].func1",
    "main.(*Cache[...]).Put",
    "net/http.(*conn).serve",
    "net/http.HandlerFunc.ServeHTTP",
    "github.com/acme/shop/internal/orders.(*Book).add",
    "gopkg.in/yaml%2ev3.unmarshal",
]


@pytest.mark.parametrize(
    ("focus", "wanted"),
    [
        ("http.Request", ["http.Request"]),
        ("*http.Request", ["http.Request"]),
        ("net/http.Request", ["http.Request"]),
        ("*net/http.Request", ["http.Request"]),
        ("Request", ["http.Request", "main.Request"]),
        ("*Request", ["http.Request", "main.Request"]),
        ("main.Request*", ["main.Request", "main.RequestLog"]),
        ("*.Request", ["http.Request", "main.Request", "[]*http.Request"]),
        ("[]byte", ["[]uint8"]),
        ("[]uint8", ["[]uint8"]),
        ("[]*http.Request", ["[]*http.Request"]),
        ("[]*Request", ["[]*http.Request"]),
        ("[]http.Request", []),
        ("map[string]*Session", ["map[string]*main.Session"]),
        ("map[string]*main.Session", ["map[string]*main.Session"]),
        ("map[string]*example.com/shop/main.Session", ["map[string]*main.Session"]),
        ("map[string]Session", []),
        ("map[ID]Session", ["map[main.ID]main.Session"]),
        ("map[string]*", ["map[string]*main.Session", "map[string]int"]),
        ("map[*", [kind for kind in TYPES if kind.startswith("map[")]),
        ("any", ["interface {}"]),
        ("[]any", ["[]interface {}"]),
        ("chan *Session", ["chan *main.Session"]),
        ("Cache[string,*Order]", ["main.Cache[string,*shop/internal/orders.Order]"]),
        ("Cache[string,*orders.Order]", ["main.Cache[string,*shop/internal/orders.Order]"]),
        ("main.Cache[[2]int,int]", ["main.Cache[[2]int,int]"]),
        ("Cache", [kind for kind in TYPES if kind.startswith("main.Cache[")]),
        ("Cache[*", [kind for kind in TYPES if kind.startswith("main.Cache[")]),
        ("func(int, string) error", ["func(int, string) error"]),
        ("[]byte, main.Session", ["[]uint8", "main.Session"]),
        (
            "!main.*,!*http.Request,!map[*",
            [
                *("[]uint8", "[]*http.Request", "interface {}", "[]interface {}"),
                *("chan *main.Session", "func(int, string) error"),
            ],
        ),
        ("main.*,!main.Cache*,!main.Session", ["main.Request", "main.RequestLog"]),
        ("re:Request$", ["http.Request", "main.Request", "[]*http.Request"]),
        (r"re:^map\[\w{2,6}\]", ["map[string]*main.Session", "map[string]int"]),
        (r"!re:^[\w\[\]]{1,}", []),
        ("*", TYPES),
    ],
)
def test_focus_names_types_as_in_go(focus: str, wanted: list[str]) -> None:
    matches = names.type_filter(focus)

    assert [kind for kind in TYPES if matches(kind)] == wanted


@pytest.mark.parametrize(
    ("focus", "labels"),
    [
        ("[]byte", ["[]byte", "[]uint8"]),
        ("[]uint8", ["[]byte", "[]uint8"]),
        ("byte", ["byte", "uint8"]),
        ("[]rune", ["[]rune", "[]int32"]),
        ("int32", ["rune", "int32"]),
        ("any", ["any", "interface {}"]),
        ("interface {}", ["any", "interface {}"]),
        ("map[string]any", ["map[string]any", "map[string]interface {}"]),
        ("map[string]interface{}", ["map[string]any", "map[string]interface {}"]),
        ("[]*interface {}", ["[]*any", "[]*interface {}"]),
        ("Cache[byte,*]", ["main.Cache[byte,any]", "main.Cache[uint8,interface {}]"]),
    ],
)
def test_two_names_of_one_type_find_it_however_it_is_labelled(
    focus: str, labels: list[str]
) -> None:
    matches = names.type_filter(focus)

    assert [label for label in labels if matches(label)] == labels
    assert not matches("main.byte")
    assert not matches("main.any")


HANDLE = [name for name in FUNCTIONS if ".handle" in name and "All" not in name]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("handle", HANDLE),
        ("main.handle", [name for name in HANDLE if "Server" not in name]),
        ("(*Server).handle", [name for name in HANDLE if "Server" in name]),
        ("Server).handle", [name for name in HANDLE if "Server" in name]),
        ("main.(*Server).handle.func1", ["main.(*Server).handle.func1"]),
        ("main.handle.func2", ["main.handle.func2.1"]),
        ("main.(*Server).*", [name for name in FUNCTIONS if "*Server" in name]),
        ("handle*", [*HANDLE[:6], "main.handleAll", *HANDLE[6:]]),
        ("Map", ["main.Map[...]", "main.Map[...].func1"]),
        ("main.Map[...]", ["main.Map[...]", "main.Map[...].func1"]),
        ("(*Cache[...]).Put", ["main.(*Cache[...]).Put"]),
        ("(*Cache).Put", ["main.(*Cache[...]).Put"]),
        ("Name", ["main.Server.Name"]),
        ("net/http.*", ["net/http.(*conn).serve", "net/http.HandlerFunc.ServeHTTP"]),
        ("http.(*conn).serve", ["net/http.(*conn).serve"]),
        ("orders.(*Book).add", ["github.com/acme/shop/internal/orders.(*Book).add"]),
        ("handleAll,rehandle", ["main.handleAll", "main.rehandle"]),
        (r"re:^main\.(main|re)", ["main.main", "main.rehandle"]),
        ("nothing", []),
    ],
)
def test_in_names_functions_with_their_closures(pattern: str, wanted: list[str]) -> None:
    matches = names.function_filter(pattern)

    assert [name for name in FUNCTIONS if matches(name)] == wanted


@pytest.mark.parametrize(
    ("function", "package"),
    [
        ("main.main", "main"),
        ("net/http.(*conn).serve", "net/http"),
        (
            "github.com/acme/shop/internal/orders.(*Book).add",
            "github.com/acme/shop/internal/orders",
        ),
        ("gopkg.in/yaml%2ev3.unmarshal", "gopkg.in/yaml.v3"),
        ("main.(*Cache[go.shape.string,example.com/x.T]).Put", "main"),
        ("main.Map[...].func1", "main"),
        ("0x401000", ""),
        ("", ""),
    ],
)
def test_the_package_of_a_function(function: str, package: str) -> None:
    assert names.package_of(function) == package


SERVICE = heap(
    Row("net/http.read server.go:9 < net/http.serve server.go:5", size=512, alloc=9, live=9),
    Row(
        "io.ReadAll io.go:7 < main.(*Server).handle main.go:40 < net/http.serve server.go:5",
        size=4096,
        alloc=9,
        live=9,
        type="[]uint8",
    ),
    Row("main.load main.go:12 < main.main main.go:3", size=64, alloc=9, live=9, type="main.row"),
    Row(
        "strings.Clone clone.go:2 < gopkg.in/yaml%2ev3.parse /mod/yaml.v3@v3.0.1/parse.go:8",
        size=32,
        alloc=9,
        live=9,
        type="string",
    ),
)


def chosen_sizes(**filters: str | int) -> list[int]:
    found = diff([snapshot(SERVICE)] * 2, Selection(**filters))
    return sorted(found.sites.keys.object_bytes.tolist())


@pytest.mark.parametrize(
    ("filters", "sizes"),
    [
        ({}, [32, 64, 512, 4096]),
        ({"focus": "[]byte"}, [4096]),
        ({"focus": "!string"}, [64, 4096]),
        ({"function": "handle"}, [4096]),
        ({"function": "net/http.serve"}, [512, 4096]),
        ({"function": "!net/http.serve"}, [32, 64]),
        ({"function": "net/http.serve,!(*Server).handle"}, [512]),
        ({"function": "!unheard"}, [32, 64, 512, 4096]),
        ({"package": "net/http"}, [512, 4096]),
        ({"package": "http"}, [512, 4096]),
        ({"package": "main"}, [64, 4096]),
        ({"package": "yaml.v3"}, [32]),
        ({"package": "!main"}, [32, 512]),
        ({"file": "main.go"}, [64, 4096]),
        ({"file": "yaml*/parse.go"}, [32]),
        ({"file": "!server.go"}, [32, 64]),
        ({"focus": "[]byte", "function": "main.load"}, []),
    ],
)
def test_filters_by_frame_look_at_the_whole_stack(
    filters: dict[str, str], sizes: list[int]
) -> None:
    assert chosen_sizes(**filters) == sizes


def test_growth_below_the_least_is_left_out() -> None:
    grown = heap(
        Row("main.a a.go:1", size=1 << 20, alloc=9, live=9),
        Row("main.b b.go:1", size=1 << 20, alloc=2, live=2),
    )
    before = heap(
        Row("main.a a.go:1", size=1 << 20, alloc=1, live=1),
        Row("main.b b.go:1", size=1 << 20, alloc=1, live=1),
    )
    found = diff([snapshot(before), snapshot(grown)], Selection(min_bytes=4 << 20))

    assert found.sites.keys.text(found.sites.keys.function, 0) == "main.a"
    assert len(found.sites) == 1


def failure(**filters: str) -> UsageError:
    with pytest.raises(UsageError) as raised:
        chosen_sizes(**filters)
    return raised.value


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"focus": "[]unit8"}, "[]uint8"),
        ({"focus": "main.Row"}, "main.row"),
        ({"function": "Handel"}, "main.(*Server).handle"),
        ({"function": "main.laod"}, "main.load"),
        ({"package": "net/htp"}, "net/http"),
        ({"file": "sever.go"}, "server.go"),
    ],
)
def test_a_name_that_matches_nothing_suggests_the_nearest(
    filters: dict[str, str], words: str
) -> None:
    error = failure(**filters)

    assert next(iter(filters.values())) in error.message
    assert words in error.hint


def test_a_name_like_no_other_is_answered_with_examples() -> None:
    assert "main.row" in failure(focus="zzzzzzzzz").hint


def test_focus_without_types_says_what_to_use_instead() -> None:
    plain = heap(Row("main.a a.go:1", size=16, alloc=1, live=1))
    with pytest.raises(UsageError, match="no types") as raised:
        diff([snapshot(plain)] * 2, Selection(focus="main.row"))

    assert "--in" in raised.value.hint


@pytest.mark.parametrize("pattern", ["!", ",", " , ", "main.a,!", "re:", "!re:"])
def test_an_empty_word_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError):
        names.function_filter(pattern)


def test_a_broken_regular_expression_is_refused_with_its_fault() -> None:
    with pytest.raises(UsageError, match="unterminated"):
        names.type_filter("re:main.(")


@given(st.text(alphabet="abA.*()[]{},! \\/^$?+|:re%", min_size=1, max_size=12))
def test_no_pattern_is_a_crash(pattern: str) -> None:
    for compile_filter in (
        names.type_filter,
        names.function_filter,
        names.package_filter,
        names.file_filter,
    ):
        try:
            matches = compile_filter(pattern)
        except UsageError:
            continue
        matches("main.(*T).M")


@given(st.sampled_from(FUNCTIONS))
def test_every_function_is_found_by_its_whole_name(name: str) -> None:
    assert names.function_filter(name)(name)


@given(st.sampled_from(TYPES))
def test_every_type_is_found_by_its_whole_name(kind: str) -> None:
    assert names.type_filter(kind)(kind)


@pytest.mark.parametrize(
    ("full", "shown"),
    [
        ("net/http.Request", "http.Request"),
        ("main.Request", "main.Request"),
        ("[]uint8", "[]uint8"),
        ("[]*net/http.Request", "[]*http.Request"),
        ("map[a.b/c.K]*d/e-f.V", "map[c.K]*e-f.V"),
        ("func(a/b.T, []c/d.U) error", "func(b.T, []d.U) error"),
        ("a/b.Cache[string,*c/d.T]", "b.Cache[string,*c/d.T]"),
        ("[]a/b.Cache[c/d.T]", "[]b.Cache[c/d.T]"),
        ("[4]a/b.Cache[[]c/d.T]", "[4]b.Cache[[]c/d.T]"),
        ("map[string]a/b.Cache[map[c/d.T]int]", "map[string]b.Cache[map[c/d.T]int]"),
        ("a/b.Bitmap[c/d.T]", "b.Bitmap[c/d.T]"),
        ("struct { F a/b.Pair[c/d.T,int]; G e/f.U }", "struct { F b.Pair[c/d.T,int]; G f.U }"),
    ],
)
def test_types_are_shown_as_go_prints_them(full: str, shown: str) -> None:
    assert names.short_type(full) == shown
    assert names.type_filter(full)(full)
    assert names.type_filter(shown)(full)


@pytest.mark.parametrize(
    ("package", "standard"),
    [
        ("net/http", True),
        ("runtime", True),
        ("main", False),
        ("github.com/a/b", False),
        ("", False),
    ],
)
def test_the_standard_library_has_no_dot_in_its_first_element(package: str, standard: bool) -> None:
    assert names.is_standard(package) is standard


def test_short_names_are_those_of_go_tools() -> None:
    assert names.short_function("net/http.(*conn).serve") == "http.(*conn).serve"
    assert names.short_function("a/b.Map[c/d.T]") == "b.Map[c/d.T]"
    assert names.short_file("/src/net/http/server.go") == "server.go"
