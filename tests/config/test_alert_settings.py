"""[[alert]] and [judging]: what they mean, and what is refused."""

import pytest
from settings_texts import settings

from memsnap.config.mistakes import ConfigError
from memsnap.config.settings import AlertKind, AlertSettings, Severity
from memsnap.config.show import render

HOOK = "https://hooks.slack.example/services/T000/B000/secret"
CHAT = f"[[alert]]\nname='chat'\nkind='slack'\nurl='{HOOK}'\n"


def test_an_alert_needs_a_name_a_kind_and_a_url():
    (alert,) = settings(CHAT).alerts
    assert alert == AlertSettings(name="chat", kind=AlertKind.SLACK, url=HOOK)
    assert (alert.min_severity, alert.min_confidence) == (Severity.HIGH, 0.7)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (CHAT + CHAT, "alert[2].name: 'chat' is there twice"),
        ("[[alert]]\nname='chat'\nkind='json'", "alert[1]: url is missing"),
        (CHAT + "url-env='CHAT'", "alert[1].url-env: stands beside url"),
        (CHAT + "kinds='x'", "alert[1].kinds: unknown key"),
        (CHAT + "min-confidence=70", "alert[1].min-confidence: is a part of the whole"),
        (CHAT + "per-hour=0", "alert[1].per-hour: is 0, but must be at least 1"),
        (CHAT + "request={user='a', token-file='b'}", "alert[1].request.user: stands beside"),
        (CHAT.replace("slack'", "irc'"), "alert[1].kind"),
        (CHAT.replace("https:", "ftp:"), "alert[1].url: takes a URL"),
        ("[judging]\ncaptures=2", "judging.captures: is 2, but must be at least 3"),
        ("[judging]\nprocessor-share=1.5", "judging.processor-share: is a part of the whole"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text, mistake):
    with pytest.raises(ConfigError) as caught:
        settings(text)
    assert mistake in "\n".join(map(str, caught.value.mistakes))


def test_what_a_webhook_url_hides_is_never_shown():
    shown = render(settings(CHAT))
    assert 'url = "https://hooks.slack.example/***"' in shown
    assert "secret" not in shown + repr(settings(CHAT))
