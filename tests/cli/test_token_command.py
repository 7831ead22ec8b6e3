"""`memsnap token create`: a token for people, a hash for the configuration."""

import tomllib

from settings_texts import settings

from memsnap.web.access.tokens import find_token


def test_the_table_that_it_prints_makes_the_token_known(memsnap):
    done = memsnap("token", "create", "grafana", "--scope", "write")

    token, _, table = done.out.partition("\n\n")
    known = settings(table).tokens
    found = find_token(token, known)
    assert done.code == 0
    assert found is not None
    assert (found.name, found.scope.value) == ("grafana", "write")
    assert token not in table
    assert tomllib.loads(table)["token"][0]["hash"].startswith("sha256:")


def test_each_token_is_another(memsnap):
    assert memsnap("token", "create").out != memsnap("token", "create").out


def test_a_name_that_the_configuration_would_refuse_is_refused(memsnap):
    done = memsnap("token", "create", 'a"b')

    assert done.code == 2
    assert "letters, digits" in done.err
