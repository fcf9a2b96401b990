"""Glossary entries: proposed by anybody who publishes, decided by another person, versioned."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import httpx
import pytest
import yaml
from hub import CATALOG, Hub

from datahub.errors_glossary import TermChanged, TermInvalid, TermPending, TermTaken
from datahub.record.glossary import fold, parse, words
from datahub.store import Catalog, changes, editions, glossary, records

NOW, TODAY = "2026-05-01T08:00:00.000Z", date(2026, 5, 1)
ENTRY = {
    "term": "住房公积金",
    "synonyms": ["公积金"],
    "definition": "单位和职工按月缴存、用于住房的长期储金。",
    "owner": "yc-a",
}


@pytest.fixture
def db(tmp_path):
    """An open transaction on a catalog with two publishers and a region."""
    catalog = Catalog(tmp_path / "catalog.sqlite")
    with catalog.write() as opened:
        for name in ("yc-a", "yc-b"):
            records.save_publisher(
                opened, {"id": name, "title": name, "credit_code": "x", "region": "420500"}
            )
        records.save_terms(opened, "region", [{"code": "420500", "title": "市"}], code="code")
        yield opened
    catalog.close()


def settle(db, identifier="fund", **changed):
    """Propose and approve."""
    made = editions.propose(db, ENTRY | changed, identifier, who="s", now=NOW)
    return editions.decide(
        db, identifier, made.version, verdict="approve", reason="", who="r", now=NOW
    )


# Fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("term", ""),
        ("term", "x" * 51),
        ("term", "<b>公积金</b>"),
        ("term", "两\n行"),
        ("definition", "太短"),
        ("definition", "<script>alert(1)</script> 很长的解释"),
        ("definition", 7),
        ("synonyms", ["公积金", "公 积 金"]),
        ("synonyms", ["住房公积金"]),
        ("synonyms", [f"词{n}" for n in range(31)]),
        ("synonyms", "公积金"),
        ("expires", "2026-02-30"),
        ("expires", "明天"),
        ("reviewed", "2027-01-01"),
        ("related_items", ["../etc"]),
        ("owner", ""),
        ("colour", "red"),
    ],
)
def test_wrong_fields_are_refused_by_name(name, value):
    """Each field that breaks a rule is named, in Chinese and English."""
    with pytest.raises(TermInvalid) as caught:
        parse(ENTRY | {name: value}, "fund", TODAY)
    assert caught.value.facts["field"] == name
    assert caught.value.facts["reason_zh"]


@pytest.mark.parametrize("identifier", ["", "A", "a b", "../x", "a" * 64, "词"])
def test_wrong_ids_are_refused(identifier):
    """An id is lower-case letters, digits and hyphens."""
    with pytest.raises(TermInvalid):
        parse(ENTRY, identifier, TODAY)


def test_the_sample_glossary_is_whole():
    """The city's glossary has 120 entries and more, each word belongs to one of them."""
    entries = yaml.safe_load((CATALOG / "glossary.yaml").read_text(encoding="utf-8"))["terms"]
    parsed = [parse(entry, entry["id"], date(2026, 12, 31)) for entry in entries]
    found = [fold(word) for term in parsed for _, word in words(term)]
    assert len(parsed) >= 120
    assert len(found) == len(set(found))
    everyday = {"公积金": "housing-fund", "低保": "subsistence-allowance", "AQI": "aqi",
                "审批": "admin-licence", "三公经费": "three-public-funds"}  # fmt: skip
    owner_of = {word: term.id for term in parsed for _, word in words(term)}
    assert {word: owner_of[word] for word in everyday} == everyday


# Versions --------------------------------------------------------------------------------------


def test_a_proposal_holds_once_it_is_approved(db):
    """A version in review feeds no search; approved it does, and readers are told."""
    editions.propose(db, ENTRY, "fund", who="s", now=NOW)
    assert glossary.approved(db) == []
    before = changes.last(db)
    editions.decide(db, "fund", 1, verdict="approve", reason="", who="r", now=NOW)
    (term,) = glossary.approved(db)
    assert (term.term, term.version, term.reviewed) == ("住房公积金", 1, "2026-05-01")
    assert [c.what for c in changes.since(db, before)] == ["glossary"]


def test_every_change_is_a_version(db):
    """What held before stays readable; declined versions change nothing."""
    settle(db)
    settle(db, meaning="查缴存")
    editions.propose(db, ENTRY | {"term": "别的词"}, "fund", who="s", now=NOW)
    editions.decide(db, "fund", 3, verdict="decline", reason="不对", who="r", now=NOW)
    states = [(item.version, item.state) for item in editions.versions(db, "fund")]
    assert states == [(3, "declined"), (2, "approved"), (1, "approved")]
    assert glossary.approved(db)[0].meaning == "查缴存"


def test_words_belong_to_one_entry(db):
    """A term or synonym of another entry is refused naming that one, whatever width or spaces."""
    settle(db)
    for word in ("公积金", "住房 公积金", "公積金".replace("積", "积")):
        with pytest.raises(TermTaken) as caught:
            editions.propose(db, ENTRY | {"term": word, "synonyms": []}, "other", who="s", now=NOW)
        assert caught.value.facts["other"] == "fund"


def test_two_proposals_for_one_word_cannot_both_hold(db):
    """The word of a proposal is looked at again when it is approved."""
    editions.propose(db, ENTRY, "one", who="s", now=NOW)
    editions.propose(db, ENTRY, "two", who="t", now=NOW)
    editions.decide(db, "one", 1, verdict="approve", reason="", who="r", now=NOW)
    with pytest.raises(TermTaken):
        editions.decide(db, "two", 1, verdict="approve", reason="", who="r", now=NOW)


def test_an_open_proposal_gives_way_to_its_author_only(db):
    """The author may propose again; another person waits for the decision."""
    editions.propose(db, ENTRY, "fund", who="s", now=NOW)
    with pytest.raises(TermPending):
        editions.propose(db, ENTRY, "fund", who="t", now=NOW)
    again = editions.propose(db, ENTRY | {"meaning": "查缴存"}, "fund", who="s", now=NOW)
    assert again.version == 2
    assert editions.version(db, "fund", 1).state == "declined"


def test_retired_and_expired_entries_leave_the_search(db):
    """Retiring frees the words; an expired entry is kept and not searched."""
    settle(db)
    editions.retire(db, "fund", reason="并入", who="r", now=NOW)
    assert glossary.approved(db) == []
    settle(db, "again", expires="2026-06-30")
    assert [term.id for term in glossary.approved(db, date(2026, 6, 30))] == ["again"]
    assert glossary.approved(db, date(2026, 7, 1)) == []


def test_a_version_older_than_the_last_decision_cannot_be_approved(db):
    """What was proposed before the entry was retired cannot bring it back."""
    settle(db)
    editions.propose(db, ENTRY | {"meaning": "查缴存"}, "fund", who="s", now=NOW)
    editions.retire(db, "fund", reason="并入", who="r", now=NOW)
    with pytest.raises(TermChanged):
        editions.decide(db, "fund", 2, verdict="approve", reason="", who="r", now=NOW)


@pytest.mark.parametrize(
    ("name", "value"), [("owner", "yc-x"), ("region", "1"), ("related_datasets", ["x"])]
)
def test_what_an_entry_names_exists(db, name, value):
    """Owner, region and datasets have to be in the catalog."""
    with pytest.raises(TermInvalid) as caught:
        editions.propose(db, ENTRY | {name: value}, "fund", who="s", now=NOW)
    assert caught.value.facts["field"] == name


# Folders ---------------------------------------------------------------------------------------


def test_registering_again_changes_nothing(db):
    """A folder's entries come approved; the same ones again are no change, others a version."""
    entry = ENTRY | {"id": "fund"}
    assert glossary.sync(db, [entry], NOW, "op", catalog="c") == (("fund",), ())
    assert glossary.sync(db, [entry], "2026-06-01T00:00:00.000Z", "op", catalog="c") == ((), ())
    changed = entry | {"meaning": "新"}
    assert glossary.sync(db, [changed], NOW, "op", catalog="c") == ((), ("fund",))
    assert glossary.sync(db, [], NOW, "op", catalog="c") == ((), ("fund",))
    assert glossary.approved(db) == []
    assert glossary.sync(db, [changed], NOW, "op", catalog="c") == (("fund",), ())


def test_what_people_decided_outlives_the_folder(db):
    """A reviewed change or retirement stays until the folder itself says something new."""
    entry = ENTRY | {"id": "fund"}
    glossary.sync(db, [entry], NOW, "op", catalog="c")
    settle(db, meaning="人改的")
    assert glossary.sync(db, [entry], NOW, "op", catalog="c") == ((), ())
    assert glossary.approved(db)[0].meaning == "人改的"
    editions.retire(db, "fund", reason="停用", who="r", now=NOW)
    assert glossary.sync(db, [entry], NOW, "op", catalog="c") == ((), ())


def test_a_folder_with_a_mistake_changes_nothing(db):
    """One entry at fault keeps all others out, too."""
    entries = [ENTRY | {"id": "fund"}, ENTRY | {"id": "other", "term": "另一个"}]
    with pytest.raises(TermTaken):
        glossary.sync(db, entries, NOW, "op")
    assert glossary.approved(db) == []


# Over HTTP and by command ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A running service of these tests; each of them has entries of its own."""
    own = Hub(tmp_path_factory.mktemp("glossary") / "data")
    own.data.mkdir()
    own.register()
    own.start()
    yield own
    own.stop()


def put(live, identifier, body, token, **headers):
    """PUT a proposal."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["authorization"] = f"Bearer {token}"
    return httpx.put(
        f"{live.url}/api/v1/glossary/{identifier}", json=body, headers=headers, timeout=60
    )


def decide(live, identifier, version, token, **body):
    """POST a decision, approving unless told otherwise."""
    body = {"version": version, "verdict": "approve"} | body
    return live.post(f"/api/v1/glossary/{identifier}/decision", json=body, token=token)


NEW = {"term": "示例词条", "synonyms": ["样词"], "definition": "只在测试里出现的一个词条。"}


def test_the_registered_glossary_is_served(live):
    """Registered entries are listed, narrowed by word, owner and dataset, and shown one by one."""
    listed = live.get("/api/v1/glossary", params={"limit": 5}).json()
    assert listed["total"] >= 120
    assert len(listed["data"]) == 5
    (first, *_) = live.get("/api/v1/glossary", params={"q": "PM2.5"}).json()["data"]
    assert (first["term"], first["owner"]["id"]) == ("细颗粒物", "yc-env")
    assert first["author"] is None
    of = live.get("/api/v1/glossary", params={"dataset": "air_hourly", "owner": "yc-env"}).json()
    assert {item["id"] for item in of["data"]} >= {"pm10", "pm25"}
    one = live.get("/api/v1/glossary/pm10")
    assert one.headers["etag"] == '"1"'
    assert [item["state"] for item in one.json()["versions"]] == ["approved"]
    assert live.get("/api/v1/glossary", params={"colour": "red"}).status_code == 400
    assert live.get("/api/v1/glossary/none").json()["code"] == "term-unknown"


def test_a_steward_proposes_and_another_person_decides(live):
    """The whole way of an entry, with what is refused on it."""
    steward, reviewer = live.token("steward", "yc-market"), live.token("reviewer")
    made = put(live, "sample-term", NEW, steward)
    assert made.status_code == 201, made.text
    assert made.json()["owner"]["id"] == "yc-market"
    assert made.headers["location"] == "/api/v1/glossary/sample-term/versions/1"
    assert live.get("/api/v1/glossary/sample-term").status_code == 404
    assert live.get("/api/v1/glossary", params={"state": "in_review"}).status_code == 401
    waiting = live.get("/api/v1/glossary", params={"state": "in_review"}, token=reviewer).json()
    assert "sample-term" in {item["id"] for item in waiting["data"]}
    assert decide(live, "sample-term", 1, steward).status_code == 403
    assert decide(live, "sample-term", 1, reviewer, verdict="decline").status_code == 400
    assert decide(live, "sample-term", 9, reviewer).json()["code"] == "term-version-unknown"
    assert decide(live, "sample-term", 1, reviewer).json()["state"] == "approved"
    assert decide(live, "sample-term", 1, reviewer).status_code == 409
    assert live.get("/api/v1/glossary/sample-term").json()["version"] == 1


def test_a_change_needs_the_version_it_was_made_from(live):
    """Without If-Match 428, with another version 412; nobody decides on their own."""
    operator, other = live.token("operator"), live.token("steward", "yc-health")
    term = live.get("/api/v1/glossary/aqi").json()
    body = {name: term[name] for name in ("term", "synonyms", "definition")}
    body["synonyms"] = [*body["synonyms"], "大气质量指数"]
    assert put(live, "aqi", body, other).status_code == 428
    assert put(live, "aqi", body, other, if_match='"7"').status_code == 412
    assert put(live, "aqi", body | {"synonyms": ["低保"]}, other, if_match='"1"').json()[
        "code"
    ] == ("term-taken")
    made = put(live, "aqi", body, other, if_match='"1"').json()
    assert made["owner"]["id"] == "yc-env"
    assert [change["field"] for change in made["changes"] if change["field"] == "synonyms"]
    assert put(live, "aqi", body, operator, if_match='"1"').json()["code"] == "term-pending"
    foreign = live.token("reviewer", "yc-market")
    assert decide(live, "aqi", 2, foreign).json()["code"] == "term-foreign"
    assert decide(live, "aqi", 2, live.token("reviewer", "yc-env")).status_code == 200
    own = put(live, "aqi", body, operator, if_match='"2"').json()
    assert decide(live, "aqi", own["version"], operator).json()["code"] == "own-term"


def test_the_commands(live, tmp_path):
    """list, show, put, decide and retire do what the API does."""
    steward, reviewer = live.token("steward", "yc-market"), live.token("reviewer")
    listed = live.cli("glossary", "list", "公积金", "--json", check=True)
    assert "housing-fund" in {item["id"] for item in json.loads(listed.stdout)["data"]}
    file = Path(tmp_path / "term.yaml")
    file.write_text(
        yaml.safe_dump(NEW | {"term": "命令词条", "synonyms": ["令词"]}, allow_unicode=True),
        encoding="utf-8",
    )
    made = live.cli("glossary", "put", "command-term", "--file", file, token=steward)
    assert made.returncode == 0, made.stderr
    assert "待审核" in made.stdout
    done = live.cli("glossary", "decide", "command-term", "1", "--approve", token=reviewer)
    assert done.returncode == 0, done.stderr
    again = live.cli(
        "glossary", "put", "command-term", "--synonym", "例词", "--json", token=steward
    )
    assert json.loads(again.stdout)["synonyms"] == ["例词"]
    shown = live.cli("glossary", "show", "command-term", "--version", "2", token=steward)
    assert "改动 synonyms：令词 → 例词" in shown.stdout
    taken = live.cli(
        "glossary",
        "put",
        "other-term",
        "--term",
        "低保",
        "--definition",
        "重复的一个词。",
        token=steward,
    )
    assert taken.returncode == 3
    assert "subsistence-allowance" in taken.stderr
    ended = live.cli("glossary", "retire", "command-term", "--reason", "测试完", token=reviewer)
    assert "已停用" in ended.stdout


def test_hostile_bodies_are_refused(live):
    """Markup, wrong types, deep nesting and odd ids end in problems, never in a fault."""
    token = live.token("operator")
    bodies = [
        NEW | {"definition": "<img src=x onerror=alert(1)>"},
        {"term": [[[]]]},
        {},
        [1],
        "x",
        None,
    ]
    for body in bodies:
        answer = put(live, "hostile-term", body, token)
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["detail_zh"]
    assert put(live, "Bad%20Id", NEW, token).status_code == 422
    deep = "[" * 100_000
    answer = httpx.put(
        f"{live.url}/api/v1/glossary/x",
        content=deep,
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert answer.status_code == 400
