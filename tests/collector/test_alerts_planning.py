"""Who is told what, and when: rules over findings and what was told before."""

import re
from dataclasses import replace

import pytest
from builders.findings import at, finding

from memsnap.collector.alerts.planning import due, matches, messages
from memsnap.config.settings import AlertKind, AlertSettings, Severity
from memsnap.storage.notices import Notice
from memsnap.storage.sightings import State

CHAT = AlertSettings(
    name="chat",
    kind=AlertKind.JSON,
    url="http://chat",
    min_severity=Severity.MEDIUM,
    min_confidence=0.7,
    cool_down_s=600.0,
)
OPEN, RESOLVED = finding(1), finding(1, state=State.RESOLVED)


def told(state: State, minute: float = 0) -> dict[int, Notice]:
    return {1: Notice(finding_id=1, told=state, at_ns=at(minute))}


def test_an_open_finding_is_told():
    assert due(CHAT, [OPEN], {}, at(1)) == [(State.OPEN, OPEN)]


def test_what_one_judgement_alone_has_shown_is_not_told_yet():
    assert due(CHAT, [finding(1, state=State.NEW)], {}, at(1)) == []


def test_what_was_told_is_not_told_again():
    assert due(CHAT, [OPEN], told(State.OPEN), at(9999)) == []


def test_what_was_told_is_told_to_be_over():
    assert due(CHAT, [RESOLVED], told(State.OPEN), at(1)) == [(State.RESOLVED, RESOLVED)]
    assert due(CHAT, [RESOLVED], told(State.RESOLVED), at(1)) == []


def test_what_nobody_was_told_of_is_not_told_to_be_over():
    assert due(CHAT, [RESOLVED], {}, at(1)) == []


def test_what_is_muted_is_not_told_and_over_for_who_knows_of_it():
    muted = replace(OPEN, muted_until_ns=at(5))
    assert due(CHAT, [muted], {}, at(1)) == []
    assert due(CHAT, [muted], told(State.OPEN), at(1)) == [(State.RESOLVED, muted)]
    assert due(CHAT, [muted], {}, at(5)) == [(State.OPEN, muted)]


def test_what_comes_back_is_told_after_the_cool_down():
    assert due(CHAT, [OPEN], told(State.RESOLVED, 1), at(10.9)) == []
    assert due(CHAT, [OPEN], told(State.RESOLVED, 1), at(11)) == [(State.OPEN, OPEN)]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, True),
        ({"severity": "medium"}, True),
        ({"severity": "low"}, False),
        ({"confidence": 0.69}, False),
    ],
)
def test_a_receiver_chooses_by_severity_and_confidence(change, wanted):
    assert matches(CHAT, replace(OPEN, **change)) is wanted


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({"env": "prod|staging"}, True),
        ({"env": "pro"}, False),
        ({"zone": ".+"}, False),
        ({"verdict": "leak", "service": "shop", "target": "shop-1", "kind": "growth"}, True),
        ({"env": "prod", "verdict": "cache"}, False),
    ],
)
def test_a_receiver_chooses_by_labels(labels, wanted):
    patterns = tuple((name, re.compile(text)) for name, text in labels.items())
    assert matches(replace(CHAT, labels=patterns), OPEN) is wanted


def test_the_most_severe_and_surest_come_first():
    found = [
        finding(1, severity="medium"),
        finding(2, confidence=0.8),
        finding(3, confidence=0.9),
    ]
    assert [one.id for _, one in due(CHAT, found, {}, at(1))] == [3, 2, 1]


def test_each_has_its_message_while_there_is_room():
    wanted = [(State.OPEN, finding(1)), (State.RESOLVED, finding(2, state=State.RESOLVED))]
    sent = messages(wanted, allowed=2)
    assert [(each.state, len(each.findings)) for each in sent] == [
        (State.OPEN, 1),
        (State.RESOLVED, 1),
    ]
    assert not any(each.kept_back for each in sent)


def test_the_last_message_of_the_hour_sums_up_the_rest():
    wanted = [(State.OPEN, finding(number)) for number in range(9)]
    first, last = messages(wanted, allowed=2)
    assert [one.id for one in first.findings] == [0]
    assert ([one.id for one in last.findings], last.kept_back) == ([*range(1, 9)], True)


def test_without_room_nothing_is_sent():
    assert messages([(State.OPEN, OPEN)], allowed=0) == []
    assert messages([(State.OPEN, OPEN)], allowed=-3) == []


def test_open_and_resolved_ones_are_not_summed_up_in_one():
    over = finding(2, state=State.RESOLVED)
    wanted = [(State.OPEN, OPEN), (State.RESOLVED, over), (State.OPEN, finding(3))]
    (only,) = messages(wanted, allowed=1)
    assert (only.state, [one.id for one in only.findings]) == (State.OPEN, [1, 3])
