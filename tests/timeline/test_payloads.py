import pytest
from temporalio.api.common.v1 import Payload, Payloads

from timeskip.timeline.payloads import one_line, payloads_text


def payload(data: bytes, encoding: str = "json/plain") -> Payload:
    return Payload(metadata={"encoding": encoding.encode()}, data=data)


NULL = payload(b"", "binary/null")


@pytest.mark.parametrize(
    ("payloads", "text"),
    [
        ([], ""),
        ([NULL], ""),
        ([NULL, payload(b"1")], "null, 1"),
        ([payload(b'{"a":1,"b":{"c":[true,null]}}')], 'a=1, b={"c": [true, null]}'),
        ([payload(b'{"a":1}'), payload(b"2")], '{"a": 1}, 2'),
        ([payload(b"{}")], "{}"),
        ([payload(b"[1,2]")], "[1, 2]"),
        ([payload('"Zoë"'.encode())], '"Zoë"'),
        ([payload(b'{"seconds":"1"}', "json/protobuf")], 'seconds="1"'),
        ([payload(b"\x00\x01", "binary/plain")], "<binary/plain, 2 bytes>"),
        ([payload(b"????", "binary/encrypted")], "<binary/encrypted, 4 bytes>"),
        ([payload(b"{broken")], "<json/plain, 7 bytes>"),
        ([Payload(data=b"abc")], "<no encoding, 3 bytes>"),
    ],
)
def test_payloads_are_told_by_their_encoding(payloads: list[Payload], text: str) -> None:
    assert payloads_text(Payloads(payloads=payloads)) == text


def test_one_line_has_no_line_ends_and_no_control_characters() -> None:
    assert (
        one_line("first\n\tsecond \x1b[31mred") == "first second \N{REPLACEMENT CHARACTER}[31mred"
    )


def test_one_line_is_cut_when_nobody_would_read_to_its_end() -> None:
    line = one_line("x" * 5000)

    assert len(line) == 200
    assert line.endswith("x…")
