"""The shared vectors for vectors.c: as C tables, and from a server whose answers they are. Standard library alone, Python 3.9 or newer.

vectors.py FOLDER tables FILE   writes the header with what is expected
vectors.py FOLDER serve         prints its port, and answers until its standard input ends:
                                GET /<n>/flags is the body of case n of flags.json; a socket gets the texts of envelope.json, one for each `next`
"""

import base64
import hashlib
import http.server
import json
import pathlib
import struct
import sys
import threading

# What the C interface has no word for, each with its reason; vectors.c says how many these are.
#   seq: a durable message; a stray one ends the session, so that one of them is no case of its own.
#   re: a reply to no request, which is passed over.
#   above 16,384 bytes: the socket ends before the text is one.
UNSEEN_ENVELOPE = ("seq", "re")
MAX_MESSAGE = 16384


def load(folder, name, members):
    vectors = json.loads((folder / name).read_text("utf-8"))
    if vectors["version"] != 1 or not vectors["cases"]:
        sys.exit(f"{name}: not the version that is known here, or no cases")
    for case in vectors["cases"]:
        unknown = set(case) - members
        if unknown:
            sys.exit(f"{name}: {case['name']}: what is {', '.join(unknown)}?")
    return vectors["cases"]


def flags(folder):
    return load(folder, "flags.json", {"name", "source", "body", "error", "version", "flags", "reads"})


def envelopes(folder):
    cases = load(folder, "envelope.json", {"name", "text", "error", "expected"})

    def is_seen(case):
        expected = case.get("expected", {})
        unseen = any(expected.get(member) is not None for member in UNSEEN_ENVELOPE)
        return not unseen and len(case["text"].encode("utf-8")) <= MAX_MESSAGE

    seen = [case for case in cases if is_seen(case)]
    return seen, len(cases) - len(seen)


# ---- tables ----


class Tables:
    def __init__(self):
        self.texts, self.rows = {}, []

    def text(self, text):
        """A text as {bytes, length}; None is {NULL, 0}. Arrays, for C99 promises no more than 4,095 bytes of a literal."""
        if text is None:
            return "{NULL, 0}"
        name = self.texts.setdefault(text, f"text_{len(self.texts)}")
        return f"{{{name}, {len(text.encode('utf-8'))}}}"

    def write(self, out):
        print("/* Written by vectors.py from tests/vectors. */", file=out)
        for text, name in self.texts.items():
            values = ",".join(str(byte) for byte in text.encode("utf-8") + b"\0")
            print(f"static const unsigned char {name}[] = {{{values}}};", file=out)
        print("\n".join(self.rows), file=out)


GETTERS = {"bool": "GET_BOOL", "i64": "GET_I64", "f64": "GET_F64", "string": "GET_STRING", "json": "GET_JSON"}


def tables(folder, out):
    made = Tables()
    text = made.text
    reads, abouts, cases = [], [], []
    for case in flags(folder):
        first_read, first_about = len(reads), len(abouts)
        for flag, about in case.get("flags", {}).items():
            abouts.append(f"{{{text(flag)}, {text(about['variant'] or '')}, CASTLINE_REASON_{about['reason']}}}")
        for read in case.get("reads", []):
            pair = []
            for value in (read["default"], read["expected"]):
                kind = read["get"]
                number = int(value) if kind in ("bool", "i64") else 0
                real = float(value).hex() if kind == "f64" else "0"
                words = value if kind in ("string", "json") else None
                pair.append(f"{{INT64_C({number}), {real}, {text(words)}}}")
            reads.append(f"{{{GETTERS[read['get']]}, {text(read['flag'])}, {pair[0]}, {pair[1]}}}")
        cases.append(
            f"{{{text(case['name'])}, SOURCE_{case['source'].upper()}, {text(case.get('error'))}, {text(case.get('version'))}, "
            f"{first_about}, {len(abouts)}, {first_read}, {len(reads)}}}"
        )
    rows = []
    seen, unseen = envelopes(folder)
    for case in seen:
        expected = case.get("expected") or {}
        channel = f"CASTLINE_CHANNEL_{expected.get('channel', 'unknown').upper()}"
        rows.append(
            f"{{{text(case['name'])}, {text(case.get('error'))}, {channel}, {text(expected.get('type'))}, {text(expected.get('payload'))}}}"
        )
    for kind, name, lines in (
        ("struct read", "READS", reads),
        ("struct about", "ABOUTS", abouts),
        ("struct flags_case", "FLAGS_CASES", cases),
        ("struct envelope_case", "ENVELOPE_CASES", rows),
    ):
        made.rows.append(f"static const {kind} {name}[] = {{\n  " + ",\n  ".join(lines) + "\n};")
    made.rows.append(f"enum {{ ENVELOPE_CASES_UNSEEN = {unseen} }};")
    with open(out, "w", encoding="ascii", newline="\n") as file:
        made.write(file)


# ---- server ----


def serve(folder):
    bodies, texts = flags(folder), [case["text"] for case in envelopes(folder)[0]]
    asked, lock, over = {}, threading.Lock(), threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def answer(self, status, body=b""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(503)

        def do_GET(self):
            number, _, what = self.path.lstrip("/").partition("/")
            if what.startswith("flags?") and number.isdigit():
                case = bodies[int(number)]
                with lock:
                    again = asked[number] = asked.get(number, 0) + 1
                if again > 1 and case["source"] == "cached":
                    # The run's fetch stays open.
                    over.wait()
                self.answer(500) if again > 1 else self.answer(200, case["body"].encode("utf-8"))
            elif "Sec-WebSocket-Key" in self.headers and number == "envelope":
                self.socket()
            else:
                self.answer(404)

        def socket(self):
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Protocol", "castline.v1")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
            self.close_connection = True
            self.say("system", "connected", {
                "connectionId": "1", "serverTime": 1763660000000, "heartbeatMs": 300000, "deadAfterMs": 450000, "idleTimeoutMs": 300000,
                "maxMessageBytes": 16384,
            })
            left = list(enumerate(texts))
            for message in self.messages():
                if message["type"] == "authenticate":
                    self.say("system", "authenticated", {
                        "userId": "anna", "sessionId": "s1", "resumed": False, "discarded": 0, "flagsVersion": "", "rooms": [],
                    })
                elif message["type"] == "next":
                    number, text = left.pop(0)
                    self.send(text)
                    self.say("game", "marker", {"case": number})

        def say(self, channel, kind, payload):
            self.send(json.dumps({"channel": channel, "type": kind, "payload": payload}))

        def send(self, text):
            data = text.encode("utf-8")
            length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
            self.wfile.write(b"\x81" + length + data)

        def messages(self):
            while True:
                head = self.rfile.read(2)
                if len(head) < 2:
                    return
                length = head[1] & 127
                if length == 126:
                    length = struct.unpack(">H", self.rfile.read(2))[0]
                mask = self.rfile.read(4)
                data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(length)))
                if head[0] & 15 == 8:
                    return
                if head[0] & 15 == 1:
                    yield json.loads(data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    over.set()


def main(arguments):
    folder = pathlib.Path(arguments[1])
    if arguments[2:3] == ["tables"]:
        tables(folder, arguments[3])
    elif arguments[2:] == ["serve"]:
        serve(folder)
    else:
        sys.exit(__doc__)


main(sys.argv)
