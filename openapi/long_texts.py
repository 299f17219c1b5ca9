"""What answers of `/generate` and of tasks share: names, and what is told of texts longer than the window."""

from openapi.schemas import COUNT, STRING, Json, array, nullable, record, ref, said

NAMES: dict[str, Json] = {"model": said(STRING, "The stage's model."), "request_id": STRING}
CUT = said(array(ref("Cut")), "With `truncate`: which characters were left out of which input.")
TOLD = {"cut": CUT, "split": said(ref("Split"), "With `split`: how far it came.")}


def told_of_long_texts() -> dict[str, Json]:
    """By component name."""
    cut = {"input": said(COUNT, "Its index in `text_inputs`; 0 for a task's text."), "start": COUNT, "end": COUNT}
    return {"Cut": record(cut), "Split": _split()}


def _split() -> Json:
    return record(
        {
            "parts": COUNT,
            "done": COUNT,
            "texts": array(STRING),
            "spans": array(array(COUNT, least=2, most=2)),
            "continue_at": said(nullable(COUNT), "The first character that was not sent; null where all was."),
            "error": said(nullable(record({"type": STRING, "message": STRING})), "What ended it, as in `Error`."),
        }
    )
