"""Every key is found in its line, whatever stands between."""

from memsnap.config.lines import key_lines, line_of

TEXT = '''\
# a = 1
top = 1
[a.b]   # comment with ] and "
x = "# no comment ["
"quo.ted" = """
y = 2
[no.table]
"""
z = [   # [
  "]", 1,
  { y = 3 },
]
after = 1
[[list]]
one = 1
[[list]]
two = 2
dotted.key = 3
  [list.sub]
  three = \'\'\'it's\'\'\'
[[ list . "deep" ]]
four = 4
'''


def test_keys_and_tables_are_found_in_their_lines():
    assert key_lines(TEXT) == {
        ("top",): 2,
        ("a", "b"): 3,
        ("a", "b", "x"): 4,
        ("a", "b", "quo.ted"): 5,
        ("a", "b", "z"): 9,
        ("a", "b", "after"): 13,
        ("list", 0): 14,
        ("list", 0, "one"): 15,
        ("list", 1): 16,
        ("list", 1, "two"): 17,
        ("list", 1, "dotted", "key"): 18,
        ("list", 1, "sub"): 19,
        ("list", 1, "sub", "three"): 20,
        ("list", 1, "deep", 0): 21,
        ("list", 1, "deep", 0, "four"): 22,
    }


def test_what_has_no_line_of_its_own_is_where_its_table_is():
    lines = key_lines("[a]\nb = { c = 1 }\n")
    assert line_of(("a", "b", "c"), lines) == 2
    assert line_of(("a", "missing"), lines) == 1
    assert line_of(("x",), lines) is None


def test_a_text_that_ends_in_the_middle_of_a_line_is_read_to_its_end():
    assert key_lines("a = 1\nb = 2") == {("a",): 1, ("b",): 2}
