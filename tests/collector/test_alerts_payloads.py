"""The forms of an alert: memsnap's own JSON, Slack's, Alertmanager's."""

from dataclasses import replace

from builders.findings import at, finding

from memsnap.collector.alerts.payloads import (
    Links,
    alertmanager_payload,
    json_payload,
    moment,
    slack_payload,
)
from memsnap.collector.alerts.planning import Message
from memsnap.storage.sightings import State

LINKS = Links(base="https://memsnap.example/")
OPEN = Message(state=State.OPEN, findings=(finding(4),))


def test_the_json_form_holds_the_finding_as_in_reports_and_its_course():
    payload = json_payload(OPEN, LINKS, at(6))
    (told,) = payload.pop("findings")
    assert payload.pop("sent") == moment(at(6))
    assert payload == {
        "schema": "memsnap.alert/1",
        "state": "open",
        "summary": False,
        "text": "shop: main.put leaks: 39 MB more",
    }
    assert told["growth"] == {"bytes": 1 << 20, "bytes_per_s": 1024.0}
    assert (told["id"], told["state"], told["since_build"]) == (4, "open", "c0ffee")
    assert told["target"]["labels"] == {"env": "prod"}
    assert told["link"] == "https://memsnap.example/#/findings/4"
    assert told["resolved"] is None


def test_without_a_public_address_there_is_no_link():
    payload = json_payload(OPEN, Links(), at(6))
    assert payload["findings"][0]["link"] is None
    assert "generatorURL" not in alertmanager_payload(finding(4), Links(), ends_ns=at(6))


def test_slack_gets_its_three_characters_escaped():
    (attachment,) = slack_payload(OPEN, LINKS)["attachments"]
    assert "It was &lt;counted&gt; &amp; sampled" in attachment["text"]
    assert attachment["title_link"] == "https://memsnap.example/#/findings/4"
    fields = {field["title"]: field["value"] for field in attachment["fields"]}
    assert fields["Verdict"] == "leak 97%, high"
    assert fields["Rate"] == "3.52 MB an hour"
    assert fields["Code"] == "/srv/shop/put.go:31"


def test_slack_hears_that_it_is_over():
    over = Message(state=State.RESOLVED, findings=(finding(4, state=State.RESOLVED),))
    payload = slack_payload(over, LINKS)
    assert payload["text"] == "shop: resolved: main.put leaks: 39 MB more"


def test_who_resolved_it_is_named():
    over = finding(4, state=State.RESOLVED)
    over = replace(over, course=replace(over.course, resolved_by="ann"))
    text = json_payload(Message(state=State.RESOLVED, findings=(over,)), LINKS, at(9))["text"]
    assert text == "shop: resolved by ann: main.put leaks: 39 MB more"


def test_what_is_over_because_it_is_muted_is_called_so():
    muted = Message(state=State.RESOLVED, findings=(finding(4),))
    assert slack_payload(muted, LINKS)["text"] == "shop: muted: main.put leaks: 39 MB more"


def test_a_summary_names_the_first_ones_and_counts_the_rest():
    many = Message(
        state=State.OPEN, findings=tuple(finding(number) for number in range(13)), kept_back=True
    )
    lines = slack_payload(many, LINKS)["text"].split("\n")
    assert lines[0] == "13 more open findings"
    assert lines[1] == "• <https://memsnap.example/#/findings/0|shop: main.put leaks: 39 MB more>"
    assert (len(lines), lines[-1]) == (12, "and 3 more")
    payload = json_payload(many, LINKS, at(6))
    assert (payload["summary"], len(payload["findings"])) == (True, 13)


def test_an_alert_keeps_its_labels_from_the_beginning_to_the_end():
    began = alertmanager_payload(finding(4), LINKS, ends_ns=at(10))
    ended = alertmanager_payload(finding(4, state=State.RESOLVED), LINKS, ends_ns=at(9))
    assert began["labels"] == ended["labels"]
    assert began["labels"] == {
        "alertname": "MemsnapFinding",
        "env": "prod",
        "finding": "4",
        "function": "main.put",
        "service": "shop",
        "severity": "high",
        "target": "shop-1",
    }
    assert began["startsAt"] == ended["startsAt"] < ended["endsAt"] < began["endsAt"]
