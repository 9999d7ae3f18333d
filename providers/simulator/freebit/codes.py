"""The detail codes of the document, and the refusal that carries one."""

from collections.abc import Mapping

from providers.simulator.messages import Refusal

# detail code → status code; the document's table, whole.
STATUS_BY_CODE: Mapping[str, int] = {
    "100": 200,
    **dict.fromkeys(("201", "202", "204", "215", "228", "253", "254", "255", "256", "257", "258"), 400),
    **dict.fromkeys(("266", "269", "274", "276", "277", "278", "279", "307", "333", "356", "360", "370"), 400),
    "205": 403,
    "232": 404,
    **dict.fromkeys(("208", "210", "230", "275", "284", "287", "288", "289", "304", "310"), 500),
    **dict.fromkeys(("371", "372", "374", "900"), 500),
}
MESSAGE_BY_STATUS: Mapping[int, str] = {200: "OK", 400: "Bad Request", 403: "Auth Error", 404: "Not Found", 500: "NG"}


class Decline(Refusal):
    """One of the document's errors: its detail code, answered in the body (and over HTTP as a switch says)."""

    def __init__(self, code: str) -> None:
        """`code`: a detail code of the document. Raises Refusal 400 for another one, told to the test's author."""
        if code not in STATUS_BY_CODE or code == "100":
            known = ", ".join(sorted(set(STATUS_BY_CODE) - {"100"}))
            raise Refusal(400, "UNKNOWN_CODE", f"No detail code {code!r}; there are {known}")
        status = STATUS_BY_CODE[code]
        super().__init__(status, code, MESSAGE_BY_STATUS[status])
