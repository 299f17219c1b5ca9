"""What every operation of the local SageMaker shares: names, ARNs, tags and tables of records."""

import threading
from datetime import UTC, datetime
from typing import Any

from pilotlight.local.sagemaker.wire import AwsError

Tags = dict[str, str]
Record = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


def tag_map(tags: list[Record] | None) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in tags or []}


class Account:
    """ARNs of one account in one Region and the tags of whatever has one; and the operations on tags."""

    def __init__(self, *, region: str, number: str) -> None:
        self.region = region
        self.number = number
        self._arn_prefix = f"arn:aws:sagemaker:{region}:{number}"
        self._lock = threading.Lock()
        self._tags: dict[str, Tags] = {}

    def arn(self, kind: str, name: str) -> str:
        return f"{self._arn_prefix}:{kind}/{name.lower()}"

    def enter(self, arn: str, tags: list[Record] | None) -> None:
        with self._lock:
            self._tags[arn] = tag_map(tags)

    def leave(self, arn: str) -> None:
        with self._lock:
            self._tags.pop(arn, None)

    def tags_of(self, arn: str) -> Tags:
        """The tags themselves, not a copy."""
        with self._lock:
            if arn not in self._tags:
                raise AwsError("ValidationException", f'Could not find resource "{arn}".')
            return self._tags[arn]

    def list_tags(self, *, ResourceArn: str, **_: Any) -> Record:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self.tags_of(ResourceArn).items()]}

    def add_tags(self, *, ResourceArn: str, Tags: list[Record]) -> Record:
        self.tags_of(ResourceArn).update(tag_map(Tags))
        return self.list_tags(ResourceArn=ResourceArn)

    def delete_tags(self, *, ResourceArn: str, TagKeys: list[str]) -> Record:
        for key in TagKeys:
            self.tags_of(ResourceArn).pop(key, None)
        return {}


class Table:
    """Records of one kind by name: each is its request, with an ARN and the moment of its creation."""

    def __init__(self, account: Account, kind: str, name_key: str) -> None:
        self._account = account
        self._kind = kind
        self._name_key = name_key
        self._arn_key = name_key.removesuffix("Name") + "Arn"
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}

    def add(self, name: str, tags: list[Record] | None, record: Record) -> str:
        """Its ARN. Raises AwsError for a name that is taken."""
        arn = self._account.arn(self._kind, name)
        with self._lock:
            if name in self._records:
                raise AwsError("ValidationException", f'Cannot create already existing {self._kind} "{arn}".')
            self._records[name] = {self._name_key: name, self._arn_key: arn, "CreationTime": now(), **record}
            self._account.enter(arn, tags)
        return arn

    def find(self, name: str) -> Record:
        try:
            return self._records[name]
        except KeyError:
            arn = self._account.arn(self._kind, name)
            raise AwsError("ValidationException", f'Could not find {self._kind} "{arn}".') from None

    def remove(self, name: str) -> None:
        with self._lock:
            arn = self.find(name)[self._arn_key]
            del self._records[name]
            self._account.leave(arn)

    def all(self) -> list[Record]:
        """Oldest first."""
        with self._lock:
            return list(self._records.values())

    def summaries(self, *more_keys: str) -> list[Record]:
        keys = (self._name_key, self._arn_key, "CreationTime", *more_keys)
        return [{key: record[key] for key in keys if key in record} for record in self.all()]


def page(records: list[Record], list_key: str, name_key: str, asked: Record) -> Record:
    """What a List operation answers of `records`, oldest first: by NameContains, the bounds of CreationTime, SortBy
    (Name, or else CreationTime), SortOrder and MaxResults, with NextToken where there is more.
    """
    found = [record for record in records if asked.get("NameContains", "") in record.get(name_key, "")]
    found = [record for record in found if _is_within(record["CreationTime"].timestamp(), asked)]
    if asked.get("SortBy") == "Name":
        found.sort(key=lambda record: str(record[name_key]))
    if asked.get("SortOrder") == "Descending":
        found.reverse()
    start = int(asked.get("NextToken", "0"))
    end = start + asked.get("MaxResults", len(found))
    return {list_key: found[start:end]} | ({"NextToken": str(end)} if end < len(found) else {})


def _is_within(created: float, asked: Record) -> bool:
    return bool(asked.get("CreationTimeAfter", created) <= created <= asked.get("CreationTimeBefore", created))
