"""Types are spelled as the compiler spells them."""

import pytest

from memsnap.gobin import names


@pytest.mark.parametrize(
    ("short", "package", "full"),
    [
        ("http.Request", "net/http", "net/http.Request"),
        ("int", "", "int"),
        ("error", "", "error"),
        ("main.T", "main", "main.T"),
        ("yaml.Node", "gopkg.in/yaml.v3", "gopkg.in/yaml.v3.Node"),
        (
            "store.LRU[string,*example.com/x/store.Entry]",
            "example.com/x/store",
            "example.com/x/store.LRU[string,*example.com/x/store.Entry]",
        ),
        ("list.List[gopkg.in/yaml%2ev3.Node]", "a/list", "a/list.List[gopkg.in/yaml.v3.Node]"),
        ("go.shape.struct { a/b.x int }", "go.shape", "go.shape.struct { a/b.x int }"),
        ("go.shape.*uint8", "go.shape", "go.shape.*uint8"),
    ],
)
def test_defined_types_get_the_path_of_their_package(short, package, full):
    assert names.qualified(short, package) == full


@pytest.mark.parametrize(
    ("element", "direction", "spelled"),
    [
        ("int", 3, "chan int"),
        ("int", 1, "<-chan int"),
        ("int", 2, "chan<- int"),
        ("<-chan int", 3, "chan (<-chan int)"),
        ("<-chan int", 2, "chan<- <-chan int"),
    ],
)
def test_channels(element, direction, spelled):
    assert names.channel(element, direction) == spelled


@pytest.mark.parametrize(
    ("parameters", "results", "variadic", "spelled"),
    [
        ([], [], False, "func()"),
        (["int", "string"], ["error"], False, "func(int, string) error"),
        (["int", "[]string"], [], True, "func(int, ...string)"),
        ([], ["int", "error"], False, "func() (int, error)"),
    ],
)
def test_functions(parameters, results, variadic, spelled):
    assert names.function(parameters, results, variadic=variadic) == spelled


def test_structs_and_interfaces():
    tagged = names.Member("A", "int", 'json:"a"', embedded=False)
    embedded = names.Member("Reader", "io.Reader", "", embedded=True)
    method = names.Method("Close", "func() error")

    assert names.struct([]) == "struct {}"
    assert names.struct([tagged, embedded]) == 'struct { A int "json:\\"a\\""; io.Reader }'
    assert names.interface([]) == "interface {}"
    assert names.interface([method, method]) == "interface { Close() error; Close() error }"


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("[]uint8", "[]byte"),
        ("map[string][]uint8", "map[string][]byte"),
        ("[]uint8x", "[]uint8x"),
        ("[4]uint8", "[4]uint8"),
        ("uint8", "uint8"),
        ("map[string]interface {}", "map[string]any"),
        ("interface { Close() error }", "interface { Close() error }"),
        ("func(...interface {}) []uint8", "func(...any) []byte"),
    ],
)
def test_readable_names_say_any_and_byte(name, readable):
    assert names.readable(name) == readable
