"""Secrets come from files and variables, and stay out of sight."""

import pytest

from memsnap.capture.access import Access, SecretSource, make_access, parse_header, read_secret
from memsnap.errors import FileError, UsageError


def test_a_secret_is_read_from_a_file_without_its_newline(tmp_path):
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    assert read_secret(SecretSource(file=str(file))) == "t0ken"


def test_a_secret_is_read_from_a_variable():
    assert read_secret(SecretSource(variable="TOKEN"), {"TOKEN": "t0ken"}) == "t0ken"


def test_no_source_is_no_secret():
    assert read_secret(SecretSource()) == ""


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"two\nlines"])
def test_a_file_that_holds_no_secret_is_refused(tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises((FileError, UsageError), match="token"):
        read_secret(SecretSource(file=str(file)))


def test_a_missing_file_or_variable_is_named(tmp_path):
    with pytest.raises(FileError, match="absent cannot be read: No such file"):
        read_secret(SecretSource(file=str(tmp_path / "absent")))
    with pytest.raises(UsageError, match="TOKEN is not set"):
        read_secret(SecretSource(variable="TOKEN"), {})
    with pytest.raises(UsageError, match="not from both"):
        read_secret(SecretSource(file="a", variable="b"), {})


def test_a_repr_holds_no_secret():
    access = Access(
        headers=(("X-Key", "s3cret"),),
        user="ann-s3cret",
        password="s3cret",
        bearer="s3cret",
    )
    assert "s3cret" not in repr(access)


def test_a_header_is_split_at_its_first_colon():
    assert parse_header("X-Time:  12:30 ") == ("X-Time", "12:30")


@pytest.mark.parametrize("text", ["s3cret", ": s3cret", "a b: s3cret", "X: s3\ncret", "X: s3crét"])
def test_a_malformed_header_is_refused_without_its_value(text):
    with pytest.raises(UsageError) as caught:
        parse_header(text)
    assert "s3" not in caught.value.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user": "ann", "bearer": SecretSource(variable="T")}, "exclude each other"),
        ({"password": SecretSource(variable="P")}, "needs a user name"),
        ({"client_key": "k.pem"}, "needs its certificate"),
        ({"insecure": True, "ca_file": "ca.pem"}, "exclude each other"),
    ],
)
def test_options_that_contradict_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        make_access(**options)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"DER", "is no PEM file"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", "is encrypted"),
    ],
)
def test_certificates_and_keys_must_be_usable(tmp_path, content, words):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FileError, match=words):
        make_access(ca_file=str(file))


@pytest.mark.parametrize(
    "limits", [{"timeout_s": 0}, {"timeout_s": float("inf")}, {"timeout_s": -1}, {"max_bytes": 0}]
)
def test_limits_must_be_limits(limits):
    with pytest.raises(UsageError):
        Access(**limits)


def test_credentials_of_a_url_give_way_to_options():
    given = Access(user="ann", password="a")
    assert given.with_user("bob", "b") is given
    assert Access(bearer="t").with_user("bob", "b").authorization() == "Bearer t"
    assert Access().with_user("bob", "b").authorization() == "Basic Ym9iOmI="
    assert Access().with_user("", "").authorization() == ""
