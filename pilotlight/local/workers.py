"""The processes in which ministack runs Python functions, made to fail and to log as Lambda's own do.

A handler's exception is the function's answer, under the exception's own name and with its stack trace; the process
lives on. What a handler logs ends with a mark, so that nobody waits for more. Its wall clock is the cloud's own: what
API Gateway says of a request's age would make no sense otherwise.
"""

import contextvars
import queue
import time
from typing import Any

Record = dict[str, Any]

_MARK = "\x00end of this invocation"
_LOG_SECONDS = 0.25

_NOW = "pilotlight_now"
"""Beside ministack's own values of one invocation: the moment, in simulated time."""
_BEGIN = '        _function_name = init.get("function_name", "")\n'
_TRAVEL = f"""        _travel(_ms_durable.get({_NOW!r}))
"""
_TRAVELLER = """
_traveller = None

def _travel(now):
    global _traveller
    if _traveller is not None:
        _traveller.move_to(now, tick=True)
    elif now is not None and abs(now - time.time()) > 0.5:  # until somebody advances the clock, it costs nothing
        import time_machine
        _traveller = time_machine.travel(now, tick=True).start()

run()
"""
_RUN = "\nrun()\n"
_SUCCESS = '            _real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\\n")\n'
_FAILURE = (
    "        except Exception as e:\n"
    '            _real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})'
    ' + "\\n")\n'
)
_ANSWER = f"""            try:
                answer = json.dumps({{"status": "ok", "result": result}})
            except (TypeError, ValueError) as e:
                said = {{"errorMessage": "Unable to marshal response: " + str(e), "errorType": "Runtime.MarshalError"}}
                answer = json.dumps({{"status": "ok", "failed": said | {{"stackTrace": []}}}})
        except Exception as e:
            traceback.print_exc()
            frames = traceback.format_tb(e.__traceback__)[1:]
            said = {{"errorMessage": str(e), "errorType": type(e).__name__, "stackTrace": frames}}
            answer = json.dumps({{"status": "ok", "failed": said}})
        sys.stderr.write({_MARK!r} + "\\n")
        sys.stderr.flush()
        _real_stdout.write(answer + "\\n")
"""
_EXITED, _INIT_FAILED = "Worker process died", "Worker init failed: "

_failed: contextvars.ContextVar[Record | None] = contextvars.ContextVar("failed", default=None)


def install() -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack.core import lambda_runtime  # noqa: PLC0415  read their environment when imported
    from ministack.services import lambda_svc  # noqa: PLC0415

    lambda_runtime._PYTHON_WORKER_SCRIPT = changed(lambda_runtime._PYTHON_WORKER_SCRIPT)
    invoke, execute = lambda_runtime.Worker.invoke, lambda_svc._execute_function_warm
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def invoke_and_keep(worker: Any, *arguments: Any, **options: Any) -> Record:
        options["durable"] = (options.get("durable") or {}) | {_NOW: time.time()}
        response: Record = invoke(worker, *arguments, **options)
        _failed.set(response.get("failed"))
        return response

    def execute_and_tell(function: Record, event: Any, request_id: str) -> Record:
        token = _failed.set(None)
        try:
            result: Record = execute(function, event, request_id)
            failed = _failed.get() or _runtime_error(result, request_id)
        finally:
            _failed.reset(token)
        if failed is None:
            return result
        body = {**failed, "requestId": request_id}
        return result | {"body": body, "error": True, "function_error": "Unhandled"}

    def drain_to_mark(worker: Any) -> str:
        if not str(worker.config.get("Runtime", "")).startswith("python"):
            return str(drain(worker))
        return _until_mark(worker._stderr_queue)

    lambda_runtime.Worker.invoke = invoke_and_keep
    lambda_runtime.Worker._drain_stderr_bounded = drain_to_mark
    lambda_svc._execute_function_warm = execute_and_tell


def changed(script: str) -> str:
    """ministack's worker script with another way of answering, and another clock."""
    parts = {_SUCCESS + _FAILURE: _ANSWER, _BEGIN: _TRAVEL + _BEGIN, _RUN: _TRAVELLER}
    for known, ours in parts.items():
        if script.count(known) != 1:
            raise RuntimeError(f"ministack's Python worker has no {known.strip().splitlines()[0]!r} any more.")
        script = script.replace(known, ours)
    return script


def _runtime_error(result: Record, request_id: str) -> Record | None:
    """Failures of the process rather than of the handler, under the names that Lambda gives them."""
    body = result.get("body")
    if not result.get("error") or not isinstance(body, dict):
        return None
    message = str(body.get("errorMessage", ""))
    if message == _EXITED:
        said = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
        return {"errorMessage": said, "errorType": "Runtime.ExitError"}
    if message.startswith(_INIT_FAILED):
        said = f"Unable to import the handler: {message.removeprefix(_INIT_FAILED)}"
        return {"errorMessage": said, "errorType": "Runtime.ImportModuleError", "stackTrace": []}
    return None


def _until_mark(lines: "queue.Queue[str]") -> str:
    """What was logged up to the mark; a process that died leaves none, so not for ever."""
    said = []
    try:
        while not (line := lines.get(timeout=_LOG_SECONDS)).endswith(_MARK):
            said.append(line)
        said.append(line.removesuffix(_MARK))
    except queue.Empty:
        pass
    return "\n".join(said).rstrip("\n")
