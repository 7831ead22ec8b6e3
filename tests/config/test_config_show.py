"""What is shown of settings reads back as the same, and holds no secret."""

from settings_texts import settings

from memsnap.config.show import format_seconds, format_size, hide_secrets, render
from memsnap.units import parse_bytes, parse_duration

FULL = r"""
    [store]
    spool-max-size = 1500
    [collector]
    interval = "1h1.5s"
    host = "a\"b\\c"
    [http]
    listen = ""
    [[trigger]]
    name = "t"
    metric = "heap"
    above = "2GB"
    grows-fraction = 0.1
    [[target]]
    address = "unix:/run/a.sock"
    labels = { a = "1", b = "ü" }
    gc = "never"
    insecure = true
    [[discover]]
    kind = "dns"
    names = ["a.example", "b.example"]
    type = "AAAA"
    port = 1
    drop = { a = "x\\d+" }
    [[discover]]
    kind = "http"
    url = "https://x/y"
    request = { user = "u", password-env = "P" }
"""


def test_what_is_shown_means_the_same():
    read = settings(FULL)
    assert settings(render(read)) == read


def test_defaults_are_shown():
    assert '[collector]\ninterval = "1m"\n' in render(settings(""))


def test_no_secret_is_shown():
    shown = render(
        settings("""
            [store]
            url = "postgresql://me:SECRET@db/memsnap?sslpassword=SECRET"
            [[target]]
            address = "http://me:SECRET@shop:6060/debug/pprof?key=SECRET&b=SECRET"
            headers = ["X-Key: SECRET"]
            [[discover]]
            kind = "http"
            url = "http://x/list?key=SECRET"
        """)
    )
    assert "SECRET" not in shown
    assert '"postgresql://me:***@db/memsnap?sslpassword=***"' in shown
    assert '"http://me:***@shop:6060/debug/pprof?key=***&b=***"' in shown
    assert 'headers = ["X-Key: ***"]' in shown
    assert 'url = "http://x/list?key=***"' in shown


def test_a_store_from_elsewhere_is_shown_in_a_comment():
    shown = render(settings("[store]\nurl-env = 'DB'", {"DB": "postgresql://u:SECRET@db/x"}))
    assert '# url = "postgresql://u:***@db/x"\nurl-env = "DB"\n' in shown


def test_an_address_without_secrets_stays_as_it_is():
    for address in ("unix:@name", "host:1/x@y", "https://h/a?b", "sqlite:///a@b.db"):
        assert hide_secrets(address) == address


def test_units_are_exact():
    for seconds in (0.0, 0.25, 1.5, 59.0, 60.0, 3661.0, 86_400.0, 90_061.001):
        assert parse_duration(format_seconds(seconds)) == seconds
    for size in (0, 1, 1000, 1024, 1536, 5 << 20, 3 << 40):
        assert parse_bytes(format_size(size)) == size
