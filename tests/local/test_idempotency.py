"""`Idempotency-Key` over HTTP and a real table: one answer, also for two calls at once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import requests

from .conftest import LocalCloud


def ask(cloud: LocalCloud, text: str, key: str, *, timeout_ms: int = 29_000) -> requests.Response:
    headers = {"Idempotency-Key": key, "X-Request-Timeout-Ms": str(timeout_ms)}
    body = {"text_inputs": text, "max_length": 40, "do_sample": True}
    return cloud.call("POST", "/generate", body, headers=headers)


def reached(cloud: LocalCloud, text: str) -> int:
    return [body["text_inputs"] for body in cloud.invocations()].count(f"[CLM] {text}")


def test_the_same_call_again_gets_the_same_answer(cloud: LocalCloud) -> None:
    key = str(uuid4())
    first, again = ask(cloud, "same", key), ask(cloud, "same", key)
    assert first.status_code == again.status_code == 200
    assert first.text == again.text
    assert first.headers["x-pilotlight-idempotency"] == "stored"
    assert again.headers["x-pilotlight-idempotency"] == "replayed"
    assert reached(cloud, "same") == 1


def test_two_calls_at_once_are_one_generation(cloud: LocalCloud) -> None:
    key = str(uuid4())
    cloud.fault(fault="slow", times=1, seconds=2)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ask, cloud, "at once", key) for _ in range(2)]
    answers = [call.result() for call in calls]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].text == answers[1].text
    assert {answer.headers["x-pilotlight-idempotency"] for answer in answers} == {"stored", "replayed"}
    assert reached(cloud, "at once") == 1


def test_another_body_under_the_same_key_is_refused(cloud: LocalCloud) -> None:
    key = str(uuid4())
    assert ask(cloud, "one", key).status_code == 200
    refusal = ask(cloud, "two", key)
    assert (refusal.status_code, refusal.json()["error"]["param"]) == (422, "Idempotency-Key")
    assert reached(cloud, "two") == 0


def test_what_timed_out_is_generated_again(cloud: LocalCloud) -> None:
    key = str(uuid4())
    cloud.fault(fault="slow", times=1, seconds=7)
    assert ask(cloud, "late", key, timeout_ms=6000).status_code == 504
    assert ask(cloud, "late", key).status_code == 200
    assert reached(cloud, "late") == 2


def test_the_table_holds_no_key(cloud: LocalCloud) -> None:
    key = f"secret-{uuid4()}"
    assert ask(cloud, "kept", key).status_code == 200
    dynamodb = cloud.client("dynamodb")
    (table,) = (name for name in dynamodb.list_tables()["TableNames"] if "Api" in name)
    assert key not in str(dynamodb.scan(TableName=table)["Items"])
