"""What is wrong is told with its place and with what would be right, in two languages."""

from __future__ import annotations

import re

import httpx
import pytest

from datahub.errors import codes

JOBS = "/api/v1/sql/jobs"
ROWS = "/api/v1/datasets/schools/resources/schools/rows"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def problem(server, method, path, **options):
    """Ask for something that is refused, and return its problem."""
    answered = httpx.request(method, server.url + path, timeout=60, **options)
    found = answered.json()
    assert answered.headers["content-type"] == "application/problem+json", answered.text
    assert (found["status"], found["code"]) == (answered.status_code, found["title"])
    assert CHINESE.search(found["detail_zh"])
    assert found["detail"] == found["detail"].strip()
    return found


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "param", "en", "zh"),
    [
        (b"{q: select 1}", 400, None, "this is no JSON: object keys", "不是 JSON：第 1 字节处"),
        (b"q=select+1", 400, None, "Send UTF-8 JSON, not compressed", "内容应为 UTF-8 的 JSON"),
        (
            b"",
            400,
            None,
            'a JSON body is needed, such as {"q": …}',
            '需要 JSON 内容，例如 {"q": …}',
        ),
        (b"[]", 400, "", "give an object {…}, not a list", "应为对象 {…}，不是列表"),
        (b"null", 400, "", "give an object {…}, not null", "应为对象 {…}"),
        (b"{}", 400, "q", "q: it is missing. The fields are q, params?", "q 缺少这个字段。字段：q"),
        (b'{"q":1}', 400, "q", "q: give a text, not a whole number", "q 应为文本，不是整数"),
        (b'{"q":"select 1","rows":1}', 400, "rows", "rows: there is no such", "rows 没有这个字段"),
        (b'{"q":"\xff"}', 400, None, "it is not UTF-8", "不是 UTF-8 文本"),
        (b'{"q":"\\ud800"}', 400, None, "half of a surrogate pair", "半个代理字符"),
        (b"[" * 9000 + b"]" * 9000, 400, None, "nested too deeply", "嵌套过深"),
        (b'{"q":"select $a","params":{"a":1e999}}', 400, None, "number is too large", "数字太大"),
        (
            *(b'{"q":"select $a","params":{"a":1' + b"0" * 60 + b"}}", 400, None),
            *("no integer of 128 bits; give it as a text", "超过 128 位整数；请写成文本"),
        ),
        (b'{"q":"' + b"x" * (2 << 20) + b'"}', 413, None, "exceeds the limit of 1048576", "上限"),
        (b'{"q":"' + b"x" * 30_000 + b'"}', 400, "q", "20,000 characters. Shorten", "请缩短"),
        (b'{"q":""}', 400, "q", "there is no statement. Write one SELECT.", "没有语句"),
    ],
)
def test_a_job_has_an_id_or_a_reason(server, body, status, param, en, zh):
    """Whatever comes as a job: 202 with its address, or what is wrong and what would be right."""
    found = problem(server, "POST", JOBS, content=body, headers=JSON)
    assert found["status"] == status
    assert en in found["detail"]
    assert zh in found["detail_zh"]
    assert [error["param"] for error in found["errors"]] == ([] if param is None else [param])


@pytest.mark.parametrize(
    ("series", "most"),
    [
        ("from range(3000000)", "1,000,000"),
        ("from generate_series(1, 3000000, 2)", "1,000,000"),
        ("unnest(range(20000))", "10,000"),
    ],
)
def test_a_long_series_is_told_how_to_be_longer(server, series, most):
    """It is the length that is wrong, not that the bounds were no constants; the advice works."""
    q = f"select * {series}" if series.startswith("from") else f"select {series} as n"
    for address in ("/api/v1/sql", JOBS):
        found = problem(server, "POST", address, json={"q": q})
        assert (found["status"], found["code"]) == (400, "sql-invalid")
        assert f"a series has at most {most} items" in found["detail"]
        assert f"数列最多 {most} 项" in found["detail_zh"]
        assert found["facts"]["position"]["line"] == 1
    advised = re.search(r"from range\(\d+\) a, range\(\d+\) b", found["detail"])[0]
    answered = server.post(JOBS, json={"q": f"select * {advised}", "format": "csv"})
    assert (answered.status_code, answered.headers["location"]) == (
        *(202,),
        f"{JOBS}/{answered.json()['id']}",
    )
    httpx.delete(server.url + answered.headers["location"], timeout=60)


def test_a_series_needs_constants(server):
    """Nobody's data says how long a series gets."""
    q = "select * from schools, range(students)"
    found = problem(server, "GET", "/api/v1/sql", params={"q": q})
    assert "the bounds of a series are one to three constant integers" in found["detail"]


@pytest.mark.parametrize(
    ("method", "path", "code", "en", "zh"),
    [
        ("GET", f"{ROWS}?nme=eq.1", "parameter-unknown", "there are: _row_updated", "可用的：_row_updated"),
        ("GET", f"{ROWS}/x?y=1", "not-found", "/docs lists all", "全部地址见 /docs"),
        ("GET", f"{ROWS}.docx", "form-unknown", "no form 'docx'; there are: json", "“docx”这种格式"),
        ("GET", "/api/v1/sql.docx", "form-unknown", "there are: json, ndjson", "可用：json, ndjson"),
        ("GET", f"{ROWS}?students=eq.x", "parameter-invalid", "give a whole number", "应为整数"),
        ("PUT", JOBS, "method-not-allowed", "supports GET, HEAD, OPTIONS, POST", "支持的是 GET"),
        ("GET", f"{JOBS}?x=1", "parameter-unknown", "there are: none", "可用的：无"),
        ("GET", "/api/v1/sql?q=select+1&timeout_ms=x", "parameter-invalid", "a whole number, not a t", "应为整数，不是文本"),
        ("GET", f"{ROWS[:-4]}snippets?lang=x", "parameter-invalid", "one of: curl, python", "应为：curl、python"),
        ("POST", "/api/v1/queries", "key-missing", "POST /api/v1/keys makes one", "可领取"),
        ("POST", "/api/v1/webhooks", "key-missing", "needs an API key", "需要 API 密钥"),
        ("GET", "/api/v1/submissions", "token-missing", "Authorization: Bearer", "令牌请向管理员索取"),
        ("GET", f"{ROWS}?cursor=x", "cursor-invalid", "without cursor", "去掉 cursor"),
    ],
)  # fmt: skip
def test_what_would_be_right_is_told(server, method, path, code, en, zh):
    """Names, endings, values, methods, keys: each answer helps to the next attempt."""
    found = problem(server, method, path)
    assert found["code"] == code
    assert en in found["detail"]
    assert zh in found["detail_zh"]


def test_an_error_of_sql_names_its_parameter_and_time(server):
    """The text is q; what takes too long says how long it may take."""
    found = problem(server, "GET", "/api/v1/sql", params={"q": "selec 1"})
    assert [error["param"] for error in found["errors"]] == ["q"]
    slow = "select sum(a.range % 7 + b.range) as n from range(1000000) a, range(1000000) b"
    found = problem(server, "GET", "/api/v1/sql", params={"q": slow, "timeout_ms": 300})
    assert (found["code"], found["status"]) == ("query-limit", 422)
    assert "it takes more than 0.3 seconds" in found["detail"]
    assert "超过 0.3 秒" in found["detail_zh"]
    for text in (found["detail"], found["detail_zh"]):
        assert "POST /api/v1/sql/jobs" in text


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_error_has_texts_in_both_languages(code):
    """Templates are sentences, Chinese and English, without the words of the other."""
    error = codes()[code]
    assert CHINESE.search(error.zh) or error.zh.startswith("{")
    assert not CHINESE.search(error.en)
    assert 300 < error.status < 600
    assert re.fullmatch(r"[a-z][a-z0-9-]+", code)
