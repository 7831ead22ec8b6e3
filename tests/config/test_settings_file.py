"""A file becomes settings, or an error with every mistake in it, each with its line and key."""

import re

import pytest
from settings_texts import mistakes, settings

from memsnap.collector.discovery.loading import load_settings, target_settings
from memsnap.config.mistakes import ConfigError
from memsnap.config.settings import (
    AccessSettings,
    CollectorSettings,
    DnsRecord,
    DnsSearch,
    GcPolicy,
    Listen,
    Metric,
    Overrides,
    Settings,
    TargetSettings,
    TriggerSettings,
    visit_settings,
)
from memsnap.errors import FileError


def test_an_empty_file_is_all_defaults():
    assert settings("") == Settings()


def test_units_are_read_into_seconds_and_bytes():
    read = settings("""
        [collector]
        interval = "1m30s"
        timeout = 2.5
        max-size = "1.5MB"
        [retention]
        max-size = 0
    """)
    assert read.collector == CollectorSettings(interval_s=90.0, timeout_s=2.5, max_bytes=3 << 19)
    assert read.retention.max_bytes == 0


def test_a_target_says_what_is_different_for_it():
    read = settings("""
        [collector]
        interval = "1m"
        gc = "never"
        [[target]]
        address = "https://shop:6060"
        name = "shop"
        labels = { zone = "eu", team = "a" }
        gc = "after-natural"
        goroutines-every = 0
        user = "me"
        password-env = "PASS"
    """)
    (target,) = read.targets
    access = AccessSettings(user="me", password_env="PASS")
    assert target == TargetSettings(
        address="https://shop:6060",
        name="shop",
        labels=(("team", "a"), ("zone", "eu")),
        overrides=Overrides(gc=GcPolicy.AFTER_NATURAL, goroutines_every=0, access=access),
    )
    visit = visit_settings(read.collector, target.overrides)
    assert (visit.interval_s, visit.gc, visit.goroutines_every) == (
        60.0,
        GcPolicy.AFTER_NATURAL,
        0,
    )
    assert visit.access == access


def test_what_a_trigger_is_above_may_be_a_size_a_part_or_a_count():
    read = settings("""
        [[trigger]]
        name = "a"
        metric = "rss"
        above = "1GB"
        [[trigger]]
        name = "b"
        metric = "cgroup-fraction"
        above = 0.9
        [[trigger]]
        name = "c"
        metric = "goroutines"
        grows-by = 10_000
        at-least = 500
    """)
    assert read.triggers == (
        TriggerSettings(name="a", metric=Metric.RSS, above=float(1 << 30)),
        TriggerSettings(name="b", metric=Metric.CGROUP_FRACTION, above=0.9),
        TriggerSettings(name="c", metric=Metric.GOROUTINES, grows_by=10000.0, at_least=500.0),
    )


def test_the_keys_of_a_discovery_are_those_of_its_kind_and_of_all():
    read = settings("""
        [[discover]]
        kind = "dns"
        names = ["shop.example."]
        type = "A"
        port = 6060
        interval = "5m"
        keep = { zone = "eu.*" }
        relabel = { b = "{a}", a = "x" }
    """)
    (discover,) = read.discovers
    assert discover.name == "dns"
    assert discover.search == DnsSearch(names=("shop.example",), type=DnsRecord.A, port=6060)
    assert discover.overrides == Overrides(interval_s=300.0)
    assert discover.keep == (("zone", re.compile("eu.*")),)
    assert discover.relabel == (("b", "{a}"), ("a", "x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:7070", Listen(host="127.0.0.1", port=7070)),
        (":7070", Listen(host="0.0.0.0", port=7070)),
        ("[::1]:0", Listen(host="::1", port=0)),
        ("unix:/run/m.sock", Listen(path="/run/m.sock")),
        ("", None),
    ],
)
def test_where_to_listen(text, expected):
    assert settings(f"[http]\nlisten = '{text}'").http.listen == expected


def test_all_mistakes_are_told_at_once_with_their_lines():
    assert mistakes("""
        [store]
        url = "mysql://host/db"
        [collector]
        timout = "30s"
        interval = "soon"
        gc = "forced"
        [colector]
        [[target]]
        name = "shop"
        [[target]]
        address = "ftp://host"
        labels.1st = "x"
        headers = ["X-Fine: yes", "X Odd: no"]
        [[discover]]
        kind = "k8s"
        [[discover]]
        kind = "file"
        files = []
        keep = { app = "(" }
    """) == [
        "line 3: store.url: takes sqlite:///PATH or postgresql://user@host/name",
        "line 5: collector.timout: unknown key (did you mean 'timeout'?)",
        "line 6: collector.interval: takes a duration such as 30s, 10m or 1h30m, not 'soon'",
        "line 7: collector.gc: is 'forced', but must be 'force', 'after-natural' or 'never' "
        "(did you mean 'force'?)",
        "line 8: colector: unknown table (did you mean 'collector'?)",
        "line 9: target[1]: address is missing",
        "line 12: target[2].address: ftp:// is no scheme that memsnap can visit; give "
        "http://host:6060, https://host/debug/pprof, unix:/run/app.sock or pid:4711",
        "line 13: target[2].labels.1st: '1st' is no name of a label: letters, digits and _ only",
        "line 14: target[2].headers[2]: a header is not of the form 'Name: value'",
        "line 16: discover[1].kind: is 'k8s', but must be one of processes, file, http, dns, "
        "kubernetes",
        "line 19: discover[2].files: is an empty list",
        "line 20: discover[2].keep.app: is no regular expression: missing ), unterminated "
        "subpattern at position 0",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[collector]\ninterval = 0", "line 2: collector.interval: must be above 0"),
        ("[collector]\ninterval = -5", "takes a duration such as 30s"),
        ("[collector]\ninterval = nan", "takes a duration such as 30s"),
        ("[collector]\ninterval = true", "takes a duration such as 30s, 10m or 1h30m, not true"),
        ("[collector]\nconcurrency = 0", "is 0, but must be at least 1"),
        ("[collector]\nconcurrency = 1.5", "takes a whole number, not 1.5"),
        ("[collector]\nmax-size = '0'", "collector.max-size: must be above 0"),
        ("[collector]\ntimeout = '2d'", "must be at most a day"),
        ("[collector]\nname = 7", "takes a text in quotes, not 7"),
        ("[store]\nmigrate = 'yes'", "takes true or false, not 'yes'"),
        ("[store]\nurl-env = 'postgresql://me:secret@db/x'", "the name of an environment variable"),
        ("[http]\nlisten = '7070'", "takes host:port"),
        ("[http]\nlisten = 'a:70000'", "takes host:port"),
        ("collector = 5", "line 1: collector: is a table, with its keys below"),
        ("[target]\naddress = 'a:1'", "line 1: target: write [[target]], for there may be several"),
        ("target = ['a:1']", "line 1: target[1]: is a table"),
        ("[[discover]]\n", "line 1: discover[1]: kind is missing; it must be one of processes"),
        ("[[discover]]\nkind = ['dns']\n", "discover[1].kind: is ['dns'], but must be one of"),
        ("[[discover]]\nkind='http'\nurl='ftp://x'", "discover[1].url: takes a URL such as"),
        ("[[discover]]\nkind='http'\nurl='http://x:y/'", "takes a URL such as"),
        ("[[discover]]\nkind='http'\nurl='http://u:p@x/'", "holds a user; give user with"),
        ("[[discover]]\nkind='http'\nurl='http://x/'\nrequest=1", "request: is a table"),
        ("[[discover]]\nkind='dns'\nnames=['a b']", "names[1]: 'a b' is no name of hosts"),
        ("[[discover]]\nkind='processes'\nrelabel={a='{b'}", "has a brace that belongs to no"),
        ("[[discover]]\nkind='processes'\nrelabel={a='{b-c}'}", "'b-c' is no name of a label"),
        ("[[discover]]\nkind='processes'\nprefix='debug'", "takes a path such as"),
        ("[[discover]]\nkind='processes'\nname='a b'", "takes a name of letters"),
        (
            "[[discover]]\nkind='processes'\nnames=['a']",
            "names: unknown key (did you mean 'name'?)",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_named(text, said):
    (told,) = mistakes(text)
    assert said in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[retention]\nall-for='7d'\nhourly-for='2d'",
            "line 3: retention.hourly-for: is shorter than all-for; ages count from now",
        ),
        (
            "[[target]]\naddress='http://a:1'\n[[target]]\naddress='a:1/debug/pprof/heap'",
            "line 3: target[2]: http://a:1/debug/pprof is target[1] already; if both are meant, "
            "give each an id",
        ),
        (
            "[[target]]\naddress='a:1'\nuser='u'\ntoken-env='T'",
            "line 3: target[1].user: stands beside a token; a request carries one or the other",
        ),
        (
            "[[target]]\naddress='a:1'\npassword-env='P'",
            "line 1: target[1]: user is missing, to whom the password belongs",
        ),
        (
            "[[target]]\naddress='a:1'\nkey='k'",
            "line 3: target[1].key: needs its certificate, cert",
        ),
        (
            "[[target]]\naddress='a:1'\nca='k'\ninsecure=true",
            "line 4: target[1].insecure: stands beside ca; give one of them",
        ),
        (
            "[[discover]]\nkind='http'\nurl='http://x'\nrequest={token-file='a',token-env='B'}",
            "line 4: discover[1].request.token-env: stands beside token-file; give one of them",
        ),
        (
            "[[discover]]\nkind='dns'\nnames=['a']\ntype='A'",
            "line 1: discover[1]: port is missing, which A records do not tell",
        ),
        (
            "[[discover]]\nkind='dns'\nnames=['a']\nport=1",
            "line 4: discover[1].port: is told by SRV records; leave it out, or set type",
        ),
        (
            "[[discover]]\nkind='processes'\n[[discover]]\nkind='processes'",
            "line 3: discover[2]: the name 'processes' is there twice; give each discovery its own",
        ),
        (
            "[[trigger]]\nname='a'\nmetric='rss'",
            "line 1: trigger[1]: has no condition: give above, grows-by or grows-fraction",
        ),
        (
            "[[trigger]]\nname='a'\nmetric='cgroup-fraction'\nabove=90",
            "line 4: trigger[1].above: is a part of the cgroup's limit: below 1, such as 0.9",
        ),
        (
            "[store]\nurl='a.db'\nurl-env='DB'",
            "line 3: store.url-env: stands beside url; give one of them",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_named(text, said):
    assert mistakes(text, {"DB": "b.db"}) == [said]


def test_the_same_address_may_be_two_targets_with_ids():
    read = settings("""
        [[target]]
        id = "a"
        address = "http://proxy:1/debug/pprof?to=a"
        [[target]]
        id = "b"
        address = "http://proxy:1/debug/pprof?to=b"
    """)
    assert [target.id for target in read.targets] == ["a", "b"]


def test_tables_of_others_are_left_to_them():
    assert settings("[capture]\nanything = 1", other_tables=("capture",)) == Settings()
    assert mistakes("[capture]\nanything = 1") == ["line 1: capture: unknown table"]


def test_a_request_that_may_outlast_its_interval_is_a_warning():
    read = settings("""
        [collector]
        interval = "10s"
        timeout = "5s"
        [[target]]
        address = "a:1"
        timeout = "15s"
        [[target]]
        address = "b:1"
    """)
    assert read.warnings == (
        "line 5: target[1]: the timeout of 15s outlasts the interval of 10s: visits that need it "
        "miss the next slot",
    )


def test_a_password_in_the_file_is_a_warning_without_the_password():
    read = settings("""
        [store]
        url = "postgresql://me:hunter2@db/memsnap"
        [[target]]
        address = "http://me:hunter3@shop:6060"
    """)
    assert [warning.partition(" holds")[0] for warning in read.warnings] == [
        "line 3: store.url:",
        "line 5: target[1].address:",
    ]
    assert "hunter" not in str(read) + str(read.warnings)


def test_the_store_comes_from_the_environment_before_anything_else(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://file/db\n")
    text = f"[store]\nurl-file = '{secret}'"
    assert settings(text).store.url == "postgresql://file/db"
    environment = {"MEMSNAP_STORE_URL": "postgresql://environment/db"}
    assert settings(text, environment).store.url == "postgresql://environment/db"
    assert settings("[store]\nurl-env='DB'", {"DB": "x.db"}).store.url == "x.db"


def test_a_secret_that_is_not_there_or_no_store_is_named_without_its_value(tmp_path):
    assert mistakes("[store]\nurl-env='DB'") == [
        "line 2: store.url-env: the variable DB is not set"
    ]
    assert mistakes("[store]\nurl-env='DB'", {"DB": "mysql://hunter2"}) == [
        "line 2: store.url-env: what it holds takes sqlite:///PATH or postgresql://user@host/name"
    ]
    gone = tmp_path / "gone"
    assert mistakes(f"[store]\nurl-file='{gone}'") == [
        f"line 2: store.url-file: cannot read {gone}: No such file or directory"
    ]
    assert mistakes("", {"MEMSNAP_STORE_URL": "mysql://hunter2"}) == [
        "MEMSNAP_STORE_URL: what it holds takes sqlite:///PATH or postgresql://user@host/name"
    ]


def test_the_node_of_a_search_for_pods_comes_from_a_variable():
    text = "[[discover]]\nkind='kubernetes'\nnode-env='NODE'"
    (discover,) = settings(text, {"NODE": "worker-3"}).discovers
    assert discover.search.node == "worker-3"
    assert mistakes(text) == ["line 3: discover[1].node-env: the variable NODE is not set"]


def test_targets_of_the_command_line_are_added_once():
    base = settings("[[target]]\naddress = 'http://a:1'")
    read = target_settings(["a:1", "pid:7"], {}, base=base)
    assert [target.address for target in read.targets] == ["http://a:1", "pid:7"]
    with pytest.raises(ConfigError) as caught:
        target_settings(["pid:x", "b:1", "b:1"], {})
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "--target: pid:x has no process id; write pid:4711",
        "--target: http://b:1/debug/pprof is there twice",
    ]


def test_without_a_file_the_store_still_comes_from_the_environment():
    read = target_settings(["a:1"], {"MEMSNAP_STORE_URL": "postgresql://db/x"})
    assert read.store.url == "postgresql://db/x"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*gone.toml: no such file"):
        load_settings(tmp_path / "gone.toml", {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[store\n", "is not TOML: "),
        (b"\n# \xff\n", "line 2: is not TOML: its letters are not UTF-8"),
        (b"a = " + b"[" * 100_000, "is not TOML: "),
    ],
)
def test_a_file_that_is_no_toml_is_named(content, said, tmp_path):
    path = tmp_path / "memsnap.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert caught.value.message.startswith(f"{path}: {said}")


def test_one_error_has_all_mistakes_in_one_line():
    with pytest.raises(ConfigError) as caught:
        settings("[log]\nlevle = 1\nformat = 'xml'")
    assert caught.value.message == (
        "memsnap.toml: 2 mistakes: line 2: log.levle: unknown key (did you mean 'level'?); "
        "line 3: log.format: is 'xml', but must be 'text' or 'json'"
    )
    assert caught.value.exit_code == 2
