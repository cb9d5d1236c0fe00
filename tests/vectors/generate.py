#!/usr/bin/env python3
"""Writes the language-neutral vectors of this folder. `--check` compares instead and fails when a file is not what this would write.

Nothing here shares code with Castline: XXH64 is written from its specification, HMAC comes from the standard library, and every other
expectation is stated by hand. Standard library only.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent

# ---- XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) ----

M64 = (1 << 64) - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotl(x, r):
    return ((x << r) | (x >> (64 - r))) & M64


def xxh_round(acc, lane):
    return rotl((acc + lane * P2) & M64, 31) * P1 & M64


def xxh_merge(acc, lane):
    return ((acc ^ xxh_round(0, lane)) * P1 + P4) & M64


def xxh64(data, seed=0):
    at = 0
    if len(data) >= 32:
        lanes = [(seed + P1 + P2) & M64, (seed + P2) & M64, seed, (seed - P1) & M64]
        while at + 32 <= len(data):
            for i in range(4):
                lane = int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little")
                lanes[i] = xxh_round(lanes[i], lane)
            at += 32
        acc = sum(rotl(lane, r) for lane, r in zip(lanes, (1, 7, 12, 18))) & M64
        for lane in lanes:
            acc = xxh_merge(acc, lane)
    else:
        acc = (seed + P5) & M64
    acc = (acc + len(data)) & M64
    while at + 8 <= len(data):
        lane = int.from_bytes(data[at : at + 8], "little")
        acc = (rotl(acc ^ xxh_round(0, lane), 27) * P1 + P4) & M64
        at += 8
    if at + 4 <= len(data):
        lane = int.from_bytes(data[at : at + 4], "little")
        acc = (rotl(acc ^ (lane * P1 & M64), 23) * P2 + P3) & M64
        at += 4
    while at < len(data):
        acc = rotl(acc ^ (data[at] * P5 & M64), 11) * P1 & M64
        at += 1
    acc = (acc ^ (acc >> 33)) * P2 & M64
    acc = (acc ^ (acc >> 29)) * P3 & M64
    return acc ^ (acc >> 32)


# Published values, so that an error here is not taken for one elsewhere.
assert xxh64(b"") == 0xEF46DB3751D8E999
assert xxh64(b"a") == 0xD24EC4F1A98C6E5B
assert xxh64(b"abc") == 0x44BC2CF5AD770999
assert xxh64(b"Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1


# ---- bucketing (PROTOCOL.md, section 8) ----


def bucket(text):
    return (xxh64(text.encode()) * 10_000) >> 64


def enrolled(salt, player, rollout_bp):
    return bucket(f"{salt}:{player}") < rollout_bp


def choose(salt, player, weights):
    at, end = bucket(f"{salt}:v:{player}"), 0
    for name, weight in sorted(weights, key=lambda pair: pair[0].encode()):
        end += weight
        if at < end:
            return name
    return None


def default_weights(default, variants):
    names = sorted(variants, key=str.encode)
    others = [name for name in names if name != default]
    if not others:
        return [[name, 10_000] for name in names]
    share, rest = divmod(10_000, len(others))
    first = others[0]
    return [[n, 0 if n == default else share + (rest if n == first else 0)] for n in names]


def bucketing():
    rng = random.Random(20_251_120)
    cases = []

    def hash_case(text):
        cases.append({"kind": "bucket", "text": text, "xxh64": f"{xxh64(text.encode()):016x}", "bucket": bucket(text)})

    # Every length around the hash's stripes and tails, then what people put into names.
    for length in [*range(0, 42), 63, 64, 65, 95, 96, 97, 127, 128, 129, 1000]:
        hash_case("".join(chr(97 + i % 26) for i in range(length)))
    for text in [" ", ":", "\0", "\n", "é", "e\u0301", "ß", "игрок", "玩家一号", "مرحبا", "🐟", "👩‍👩‍👧", "𝔘𝔫𝔦", "\u200b", "\ufeff", "A", "a",
                 "starter_pack_price:player_42", "starter_pack_price:v:player_42", "tg_0123456789abcdef0123", "é" * 50, "🐟" * 40]:
        hash_case(text)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-"
    players = ["".join(rng.choice(letters) for _ in range(rng.randint(1, 64))) for _ in range(1000)]
    for player in players:
        cases.append({"kind": "bucket", "text": player, "bucket": bucket(player)})

    # A player at each side of his own edge, and the ends of the range.
    for salt in ["starter_pack_price", "s", "", "naïve-соль"]:
        for player in players[:20]:
            edge = bucket(f"{salt}:{player}")
            for rollout in sorted({0, 1, edge, edge + 1, 5_000, 9_999, 10_000}):
                if rollout <= 10_000:
                    cases.append({"kind": "enrolled", "salt": salt, "player": player, "rolloutBp": rollout,
                                  "expected": enrolled(salt, player, rollout)})
    weightings = [
        [["control", 5_000], ["treatment", 5_000]],
        [["treatment", 5_000], ["control", 5_000]],
        [["b", 3_000], ["a", 2_000], ["c", 5_000]],
        [["Z", 2_500], ["a", 2_500], ["_", 2_500], ["é", 2_500]],
        [["a", 0], ["b", 10_000]],
        [["a", 1], ["b", 9_999]],
        [["a", 4_000]],
        [],
        [["a", 0], ["b", 0]],
        [["v10", 3_334], ["v2", 3_333], ["v1", 3_333]],
    ]
    for weights in weightings:
        for player in players[100:140]:
            cases.append({"kind": "choose", "salt": "price", "player": player, "weights": weights,
                          "expected": choose("price", player, weights)})
    # A cut at the player's very bucket.
    for player in players[200:230]:
        edge = bucket(f"f:v:{player}")
        for cut in (edge, edge + 1):
            if 0 <= cut <= 10_000:
                weights = [["x", cut], ["y", 10_000 - cut]]
                cases.append({"kind": "choose", "salt": "f", "player": player, "weights": weights,
                              "expected": choose("f", player, weights)})
    for default, variants in [
        ("control", ["control", "treatment"]),
        ("control", ["treatment", "control"]),
        ("a", ["a"]),
        ("a", []),
        ("c", ["d", "c", "b", "a"]),
        ("a", ["c", "b", "a", "d"]),
        ("d", ["v1", "v10", "v2", "d", "v3", "v4", "v5", "v6"]),
        ("off", ["on", "off", "ß", "Z", "🐟"]),
        ("gone", ["a", "b", "c"]),
    ]:
        expected = default_weights(default, variants)
        assert sum(weight for _, weight in expected) in (0, 10_000)
        cases.append({"kind": "defaultWeights", "default": default, "variants": variants, "expected": expected})
        for player in players[300:310]:
            cases.append({"kind": "choose", "salt": "dw", "player": player, "weights": expected,
                          "expected": choose("dw", player, expected)})
    return "Which bucket, which rollout, which variant: PROTOCOL.md, section 8.", cases


# ---- flags ----

ABSENT = object()  # the getter gives its default


def flags():
    cases = []

    def case(name, body, **rest):
        cases.append({"name": name, "source": "session", "body": body, **rest})

    def refused(name, body, error):
        case(name, body, error=error)

    def read(flag, getter, default, expected):
        return {"flag": flag, "get": getter, "default": default, "expected": default if expected is ABSENT else expected}

    def reads(flag, b=ABSENT, i=ABSENT, f=ABSENT, s=ABSENT, j=ABSENT):
        # Each getter with two defaults: a default that happens to be the value proves nothing.
        return [
            read(flag, getter, default, expected)
            for getter, expected, defaults in [
                ("bool", b, (True, False)), ("i64", i, (-7, 11)), ("f64", f, (-7.5, 0.25)),
                ("string", s, ("d", "")), ("json", j, ("{}", "")),
            ]
            for default in defaults
        ]

    def answer(**flags_of):
        inner = ",".join(f"{json.dumps(name)}:{text}" for name, text in flags_of.items())
        return f'{{"version":"v1","flags":{{{inner}}}}}'

    def flag(value, variant="a", reason="SPLIT"):
        return f'{{"variant":"{variant}","value":{value},"reason":"{reason}"}}'

    case("the example of PROTOCOL.md",
         '{ "version": "v17", "flags": { "starter_pack_price":\n    { "variant": "treatment", "value": "$1.99", "reason": "SPLIT" } } }',
         version="v17", flags={"starter_pack_price": {"variant": "treatment", "reason": "SPLIT"}},
         reads=reads("starter_pack_price", s="$1.99", j='"$1.99"'))
    case("no flags at all", '{"version":"v1","flags":{}}', version="v1", flags={"f": {"variant": None, "reason": "DEFAULT"}},
         reads=reads("f"))

    big, top = 9_007_199_254_740_992, 9_007_199_254_740_991
    values = [
        ("true", {"b": True}), ("false", {"b": False}),
        ("0", {"i": 0, "f": 0.0}), ("-0", {"i": 0, "f": 0.0}), ("-0.0", {"i": 0, "f": 0.0}),
        ("1", {"i": 1, "f": 1.0}), ("-42", {"i": -42, "f": -42.0}),
        ("1.0", {"i": 1, "f": 1.0}), ("1e3", {"i": 1000, "f": 1000.0}), ("1E+3", {"i": 1000, "f": 1000.0}),
        ("12.50e1", {"i": 125, "f": 125.0}), ("1e-400", {"i": 0, "f": 0.0}),
        ("0.5", {"f": 0.5}), ("0.1", {"f": 0.1}), ("1e-3", {"f": 0.001}), ("-2.75", {"f": -2.75}), ("1.99", {"f": 1.99}),
        (str(top), {"i": top, "f": float(top)}), (str(-top), {"i": -top, "f": float(-top)}), (f"{top}.0", {"i": top, "f": float(top)}),
        (str(big), {"f": float(big)}), (str(-big), {"f": float(-big)}), (str(big + 1), {"f": float(big)}),
        ("9223372036854775807", {"f": 9.223372036854775807e18}), ("1e19", {"f": 1e19}), ("1e300", {"f": 1e300}), ("1e308", {"f": 1e308}),
        ('""', {"s": ""}), ('"text"', {"s": "text"}), ('"5"', {"s": "5"}), ('"true"', {"s": "true"}),
        ('"tab\\tquote\\" slash\\/ \\u00e9 \\ud83d\\udc1f"', {"s": 'tab\tquote" slash/ é 🐟'}), ('"é🐟"', {"s": "é🐟"}),
        ("null", {}), ("{}", {}), ("[]", {}), ('{"a":[1,{"b":null}]}', {}), ('[1, 2 ,"x"]', {}), ('{ "spaces" :  1 }', {}),
    ]
    for value, expected in values:
        case(f"value {value}", answer(f=flag(value)), version="v1", flags={"f": {"variant": "a", "reason": "SPLIT"}},
             reads=reads("f", j=value, **expected))

    for word in ["STATIC", "DEFAULT", "SPLIT", "TARGETING_MATCH", "DISABLED", "CACHED", "STALE", "ERROR", "OVERRIDE", "UNKNOWN"]:
        case(f"reason {word}", answer(f=flag("1", reason=word)), version="v1", flags={"f": {"variant": "a", "reason": word}})
    # The variant tells the two apart.
    case("one that has its default variant, and one that the server does not know", answer(known=flag("1", reason="DEFAULT")),
         version="v1", flags={"known": {"variant": "a", "reason": "DEFAULT"}, "unknown": {"variant": None, "reason": "DEFAULT"}})
    for word in ["ASTROLOGY", "", "split", "SPLIT "]:
        case(f"unknown reason {word!r}", answer(f=flag("1", reason=word)), version="v1",
             flags={"f": {"variant": "a", "reason": "UNKNOWN"}}, reads=reads("f", i=1, f=1.0, j="1"))
    case("no reason", answer(f='{"variant":"a","value":1}'), version="v1", flags={"f": {"variant": "a", "reason": "UNKNOWN"}},
         reads=reads("f", i=1, f=1.0, j="1"))
    for source, word in [("cached", "CACHED"), ("stale", "STALE")]:
        case(f"from disk: {source}", answer(f=flag("1"), bad="7"), source=source, version="v1",
             flags={"f": {"variant": "a", "reason": word}, "bad": {"variant": None, "reason": "ERROR"},
                    "gone": {"variant": None, "reason": "DEFAULT"}},
             reads=reads("f", i=1, f=1.0, j="1") + reads("bad") + reads("gone"))

    malformed = [
        "null", "1", "[]", '"text"', "{}", '{"variant":"a"}', '{"value":1}', '{"variant":1,"value":1}', '{"variant":null,"value":1}',
        '{"variant":"","value":1}', '{"variant":"a\\u0000","value":1}', f'{{"variant":"{"v" * 129}","value":1}}',
        '{"variant":"a","value":1,"reason":7}', '{"variant":"a","value":"\\ud800"}', '{"variant":"a","value":1e999}',
        f'{{"variant":"a","value":{"[" * 30}1{"]" * 30}}}',
    ]
    for index, text in enumerate(malformed):
        case(f"malformed flag {index}", answer(bad=text, good=flag("3")), version="v1",
             flags={"bad": {"variant": None, "reason": "ERROR"}, "good": {"variant": "a", "reason": "SPLIT"}},
             reads=reads("bad") + reads("good", i=3, f=3.0, j="3"))
    deep = "[" * 29 + "1" + "]" * 29
    case("as deep as is allowed", answer(f=flag(deep)), version="v1", flags={"f": {"variant": "a", "reason": "SPLIT"}},
         reads=reads("f", j=deep))
    case("unknown members", '{"later":{"x":[1]},"flags":{"f":{"more":1,"variant":"a","value":1,"reason":"STATIC"}},"version":"v1"}',
         version="v1", flags={"f": {"variant": "a", "reason": "STATIC"}}, reads=reads("f", i=1, f=1.0, j="1"))
    odd = {"é": "1", "🐟 fish": "2", "a.b/c": "3", "n" * 128: "4"}
    case("odd names", answer(**{name: flag(value) for name, value in odd.items()}), version="v1",
         flags={name: {"variant": "a", "reason": "SPLIT"} for name in odd} | {"e\u0301": {"variant": None, "reason": "DEFAULT"}},
         reads=[one for name, value in odd.items() for one in reads(name, i=int(value), f=float(value), j=value)])
    many = {f"f{i}": '{"variant":"a","value":%d}' % i for i in range(60)}
    case("sixty flags", answer(**many), version="v1", flags={"f60": {"variant": None, "reason": "DEFAULT"}},
         reads=[read(f"f{i}", "i64", -1, i) for i in range(60)])

    frame = len(answer(f=flag('""')))
    largest = answer(f=flag(f'"{"x" * (2048 - frame)}"'))
    assert len(largest) == 2048
    case("2,048 bytes", largest, version="v1", flags={"f": {"variant": "a", "reason": "SPLIT"}},
         reads=[read("f", "string", "", "x" * (2048 - frame))])
    refused("2,049 bytes", answer(f=flag(f'"{"x" * (2049 - frame)}"')), "tooLarge")
    refused("2,048 characters, more bytes", answer(f=flag(f'"{"é" * (2048 - frame)}"')), "tooLarge")

    for body in ["", " ", "\r\n\t "]:
        refused(f"empty {body!r}", body, "empty")
    for body in ["<!doctype html><title>Log in to the hotel's network</title>", "\n <html></html>", "<?xml version=\"1.0\"?><e/>"]:
        refused("HTML", body, "html")
    good = answer(f=flag('"é"'))
    for end in range(1, len(good)):
        refused(f"cut after {end} characters", good[:end], "notJson")
    for body in ["OK", "Service Unavailable", "{'version':'v1','flags':{}}", good + "x", good + good, "\ufeff" + good, "NaN", "{\"version\":\"v1\",}"]:
        refused("not JSON", body, "notJson")
    for body in ["null", "17", '"v1"', "{}", "[[]]", '{"version":"v1"}', '{"flags":{}}', '{"version":17,"flags":{}}', '{"version":null,"flags":{}}',
                 '{"version":"","flags":{}}', '{"version":"v\\n1","flags":{}}', f'{{"version":"{"v" * 129}","flags":{{}}}}',
                 '{"version":"v1","flags":null}', '{"version":"v1","flags":[]}', '{"version":"v1","flags":"{}"}',
                 '{"error":"quota exceeded"}', '{"code":"RATE_LIMITED","status":429}']:
        refused("not an answer", body, "wrongForm")
    return "Bodies of GET /flags: what is refused, and what each getter gives. PROTOCOL.md, section 8.", cases


# ---- the envelope ----


def envelope():
    cases = []
    none = {"payload": "{}", "timestamp": 0, "id": None, "re": None, "key": None, "seq": None, "ack": None}

    def good(name, text, channel, kind, **rest):
        json.loads(text)
        cases.append({"name": name, "text": text, "expected": {"channel": channel, "type": kind, **none, **rest}})

    def bad(name, text, error="invalid"):
        cases.append({"name": name, "text": text, "error": error})

    top = 9_007_199_254_740_991
    good("least", '{"channel":"system","type":"ping"}', "system", "ping")
    good("everything",
         '{"channel":"game","type":"spin","payload":{"a":1},"timestamp":1763660000000,"id":"c17","re":"c16","key":"k-1","seq":42,"ack":41}',
         "game", "spin", payload='{"a":1}', timestamp=1_763_660_000_000, id="c17", re="c16", key="k-1", seq=42, ack=41)
    good("members in another order", '{"ack":1,"payload":[],"type":"t","channel":"social"}', "social", "t", payload="[]", ack=1)
    good("unknown members", '{"channel":"offers","type":"t","later":{"x":[1,2]},"v":2}', "offers", "t")
    for channel in ["offers", "system", "social", "analytics", "game"]:
        good(f"channel {channel}", f'{{"channel":"{channel}","type":"t"}}', channel, "t")
    for channel in ["", "Game", "unknown", "weather"]:
        good(f"unknown channel {channel!r}", f'{{"channel":"{channel}","type":"t"}}', "unknown", "t")
    good("escaped channel", r'{"channel":"\u0067ame","type":"t"}', "game", "t")
    good("escaped member name", r'{"chann\u0065l":"game","type":"t"}', "game", "t")
    good("escaped type", r'{"channel":"game","type":"a\"b\\c\u00e9\ud83d\udc1f"}', "game", 'a"b\\cé🐟')
    good("Unicode", '{"channel":"game","type":"рыба","payload":{"é":"🐟"},"id":"é"}', "game", "рыба", payload='{"é":"🐟"}', id="é")
    good("empty type", '{"channel":"game","type":""}', "game", "")
    for payload in ["{}", "[]", "1", "-0.0", "1e400", '"text"', "true", '{"a" : [ 1 ,2 ]}', '{"b":1,"a":2}', '"\\u0041"',
                    "12345678901234567890123", '{"a":1,"a":2}']:
        good(f"payload {payload} is kept as text", f'{{"channel":"game","type":"t","payload":{payload}}}', "game", "t", payload=payload)
    good("payload within white space", '{"channel":"game","type":"t","payload": \n {"a":1} }', "game", "t", payload='{"a":1}')
    good("null counts as absent", '{"channel":"game","type":"t","payload":null,"timestamp":null,"id":null,"re":null,"key":null,"seq":null,"ack":null}',
         "game", "t")
    good("largest numbers", f'{{"channel":"game","type":"t","timestamp":{top},"seq":{top},"ack":{top}}}', "game", "t", timestamp=top, seq=top, ack=top)
    good("least numbers", f'{{"channel":"game","type":"t","timestamp":{-top},"seq":0,"ack":0}}', "game", "t", timestamp=-top, seq=0, ack=0)
    good("white space around", ' \r\n{"channel":"game","type":"t"}\t ', "game", "t")
    brackets = '{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{{{{{{\\"[[[["}'
    good("brackets in a text are no levels", f'{{"channel":"game","type":"t","payload":{brackets}}}', "game", "t", payload=brackets)
    nest = lambda n: "[" * n + "1" + "]" * n
    good("32 levels", f'{{"channel":"game","type":"t","payload":{nest(31)}}}', "game", "t", payload=nest(31))
    wide = "[" + ",".join(["[]"] * 100) + "]"
    good("many brackets, few levels", f'{{"channel":"game","type":"t","payload":{wide}}}', "game", "t", payload=wide)

    def sized(size, letter="a"):
        frame = len('{"channel":"game","type":"t","payload":""}')
        return '{"channel":"game","type":"t","payload":"' + letter * ((size - frame) // len(letter.encode())) + '"}'

    largest = sized(16_384)
    assert len(largest) == 16_384
    good("16,384 bytes", largest, "game", "t", payload=json.loads(largest)["payload"].join('""'))
    bad("16,385 bytes", sized(16_385), "tooLarge")
    wide_text = sized(16_390, "é")
    assert len(wide_text) < 16_384 < len(wide_text.encode())
    bad("fewer characters, more bytes", wide_text, "tooLarge")
    bad("33 levels", f'{{"channel":"game","type":"t","payload":{nest(32)}}}', "tooDeep")
    bad("33 levels in an unknown member", f'{{"channel":"game","type":"t","later":{nest(32)}}}', "tooDeep")
    bad("deep and never closed", "[" * 5_000, "tooDeep")
    for text in ["", " ", "null", "[]", "17", '"x"', "true", "{}", "ping", "<html></html>", '{"channel":"game"}', '{"type":"t"}',
                 '{"channel":1,"type":"t"}', '{"channel":null,"type":"t"}', '{"channel":"game","type":null}', '{"channel":"game","type":5}',
                 '{"channel":"game","type":["t"]}', "[{\"channel\":\"game\",\"type\":\"t\"}]"]:
        bad(f"no message: {text}", text)
    for member in ['"timestamp":"1"', '"timestamp":1.5', f'"timestamp":{top + 1}', f'"timestamp":{-top - 1}', '"timestamp":1e400', '"id":7', '"id":{}',
                   '"re":7', '"key":7', '"seq":-1', '"seq":1.5', '"seq":"1"', f'"seq":{top + 1}', '"seq":18446744073709551616', '"ack":-1', f'"ack":{top + 1}']:
        bad(f"wrong member {member}", f'{{"channel":"game","type":"t",{member}}}')
    one = '{"channel":"game","type":"t","payload":{"a":"é"}}'
    for end in range(1, len(one)):
        bad(f"cut after {end} characters", one[:end])
    for text in [one + "x", one + one, "\ufeff" + one, one.replace('"', "'"), '{"channel":"game","type":"t",}', '{channel:"game",type:"t"}',
                 '{"channel":"game","type":"t","payload":NaN}', '{"channel":"game","type":"a\nb"}', '{"channel":"game","type":"\\ud800"}',
                 '{"channel":"game","type":"\\x41"}', '{"channel":"game","type":"t","payload":01}', '{"channel":"game","type":"t","payload":}',
                 '{"channel":"game","type":"t" "payload":1}', '{"channel":"game","channel":"game","type":"t"}', '// c\n{"channel":"game","type":"t"}']:
        bad(f"not JSON, or not one message: {text!r}", text)
    return "Texts as they come from a socket: the message, or why it is none. PROTOCOL.md, sections 1 and 2.", cases


# ---- back-off ----


def backoff():
    rng = random.Random(11)
    units = [0.0, 2.0**-53, 0.008, 0.1, 0.25, 0.2500001, 0.5, 1 / 3, 0.75, 0.999, 1 - 2.0**-53]
    cases = []
    for attempt in [*range(0, 9), 15, 31, 32, 33, 63, 64, 1000, 4_294_967_295]:
        for unit in units + [rng.random() for _ in range(5)]:
            ceiling = min(30_000, 1000 * 2 ** min(attempt, 40))
            cases.append({"attempt": attempt, "unit": unit, "delayMs": max(250, int(unit * ceiling))})
    return "The delay before attempt n, from a draw in [0, 1): max(250, floor(unit × min(30000, 1000 × 2ⁿ))). PROTOCOL.md, section 11.", cases


# ---- offers ----

WALL = 1_763_660_000_000  # the wall clock, the device's and the server's, at time 0 of a script


def offers():
    cases = []

    def case(name, *steps):
        last = 0
        for step in steps:
            assert step["at"] >= last, name
            last = step["at"]
        cases.append({"name": name, "steps": list(steps)})

    def step(at, do, expect=(), sent=None, http=None, **rest):
        out = {"at": at, "do": do, **rest, "expect": list(expect)}
        if sent is not None:
            out["sent"] = sent
        if http is not None:
            out["http"] = http
        return out

    def ready_event(offer_id, placement="level"):
        return {"event": "offerReady", "offerId": offer_id, "placement": placement}

    def no_offer(placement="level"):
        return {"event": "noOffer", "placement": placement}

    def expired(offer_id):
        return {"event": "offerExpired", "offerId": offer_id}

    connect = lambda at, expect=(), **rest: step(at, "connect", expect, **rest)
    ready = lambda at, expect=(), placement="level", lease=10_000, **rest: step(at, "ready", expect, placement=placement, leaseMs=lease, **rest)
    not_ready = lambda at, expect=(), **rest: step(at, "notReady", expect, **rest)
    lease = lambda at, pending, expect=(): step(at, "lease", expect, pending=pending)
    wait = lambda at, expect=(), **rest: step(at, "wait", expect, **rest)

    def offer(at, offer_id, expect=(), seq=1, until=600_000, **rest):
        return step(at, "offer", expect, offerId=offer_id, seq=seq, expiresAt=WALL + until, **rest)

    def result(at, offer_id, outcome, expect=()):
        return step(at, "result", expect, offerId=offer_id, outcome=outcome)

    def claimed(at, ids, expect=(), status=200, until=600_000):
        found = [{"offerId": offer_id, "expiresAt": WALL + until} for offer_id in ids]
        return step(at, "claimReply", expect, status=status, offers=found)

    asks = ["ready_for_offer"]

    case("in a lease an offer surfaces",
         connect(0), ready(1_000, sent=asks), lease(1_010, 1), offer(1_020, "o1", [ready_event("o1")]), wait(60_000))
    case("what falls due within the lease surfaces",
         connect(0), ready(1_000), lease(1_010, 1), wait(9_000), offer(10_500, "o1", [ready_event("o1")]))
    case("nothing pending: the answer comes at once, and what comes later waits",
         connect(0), ready(1_000), lease(1_010, 0, [no_offer()]), offer(1_500, "o1"), wait(30_000),
         ready(40_000, [ready_event("o1", "shop")], placement="shop"))
    case("outside a break nothing surfaces",
         connect(0), offer(1_000, "o1"), wait(100_000), ready(100_001, [ready_event("o1")]))
    case("a lease ends with its time, to the millisecond",
         connect(0), ready(1_000, lease=1_000), wait(1_999), wait(2_000, [no_offer()]), offer(2_001, "o1"), wait(5_000),
         ready(6_000, [ready_event("o1")]))
    case("not_ready ends it, and an offer that crosses it is held",
         connect(0), ready(1_000), lease(1_010, 1), not_ready(1_020, [no_offer()], sent=["not_ready"]), offer(1_030, "o1"), wait(20_000),
         ready(30_000, [ready_event("o1")]))
    case("not_ready without a break says nothing", connect(0), not_ready(1_000, sent=[]), wait(5_000))
    case("a newer ready answers the former one",
         connect(0), ready(1_000, placement="level"), ready(2_000, [no_offer("level")], placement="shop", sent=asks), lease(2_010, 1),
         offer(2_020, "o1", [ready_event("o1", "shop")]), wait(30_000))
    case("an answer to the former ready is none to the newer one",
         connect(0), ready(1_000, placement="level"), ready(1_005, [no_offer("level")], placement="shop"),
         step(1_010, "lease", pending=0, to="first"), wait(1_020), lease(1_030, 0, [no_offer("shop")]))
    case("one break, one offer; the second waits for the next",
         connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", [ready_event("o1")], seq=1), offer(1_030, "o2", seq=2), wait(9_000),
         ready(20_000, [ready_event("o2")]), wait(40_000))
    case("held offers surface one a break, oldest first",
         connect(0), offer(100, "o1", seq=1), offer(110, "o2", seq=2), offer(120, "o3", seq=3), ready(1_000, [ready_event("o1")]),
         ready(2_000, [ready_event("o2")]), ready(3_000, [ready_event("o3")]), ready(4_000), lease(4_010, 0, [no_offer()]))
    case("an offerId surfaces once, whatever brings it",
         connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", [ready_event("o1")], seq=1), ready(2_000), lease(2_010, 1),
         offer(2_020, "o1", seq=2), wait(12_000, [no_offer()]), ready(13_000), lease(13_010, 0, [no_offer()]))
    case("a repeated seq is the same message", connect(0), offer(1_000, "o1", seq=1), offer(1_010, "other", seq=1),
         ready(2_000, [ready_event("o1")]), ready(3_000), lease(3_010, 0, [no_offer()]))
    case("a hole in seq: nothing of it surfaces before the resume",
         connect(0), offer(1_000, "o1", seq=1), offer(1_010, "o3", seq=3), wait(3_000), connect(3_500, resumed=True), offer(3_510, "o2", seq=2),
         offer(3_520, "o3", seq=3), ready(4_000, [ready_event("o1")]), ready(5_000, [ready_event("o2")]), ready(6_000, [ready_event("o3")]))
    case("a held offer that expires never surfaces",
         connect(0), offer(1_000, "o1", until=5_000), wait(5_000), ready(6_000, sent=asks), lease(6_010, 0, [no_offer()]))
    case("to the millisecond: a moment before its expiry an offer surfaces",
         connect(0), offer(1_000, "o1", until=5_000), ready(4_999, [ready_event("o1")]), wait(5_000, [expired("o1")]))
    case("expired on arrival",
         connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", until=1_020), wait(11_000, [no_offer()]))
    case("expiresAt decides, not expiresIn",
         connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", until=900, expiresIn=3_600), wait(11_000, [no_offer()]), ready(12_000),
         lease(12_010, 1), offer(12_020, "o2", [ready_event("o2")], seq=2, until=20_000, expiresIn=-5), wait(20_000, [expired("o2")]))
    for outcome, ends in [("accepted", True), ("declined", True), ("shown", False)]:
        case(f"an offer that was {outcome} {'ends' if ends else 'can still run out'}",
             connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", [ready_event("o1")], until=9_000), result(2_000, "o1", outcome),
             wait(8_999), wait(9_000, [] if ends else [expired("o1")]), wait(60_000))
    case("after a reconnect the SDK asks for what is left",
         connect(0), ready(20_000, sent=asks), step(21_000, "disconnect", code=1006), wait(23_000), connect(24_000, resumed=True, sent=asks),
         lease(24_010, 1), offer(24_020, "o1", [ready_event("o1")]))
    case("less than a second is not worth asking for",
         connect(0), ready(20_000, lease=4_000, sent=asks), step(21_000, "disconnect", code=1006), wait(23_100),
         connect(23_200, resumed=True, sent=[]), wait(23_999), wait(24_000, [no_offer()]))
    case("offline, an offer is claimed after 1.5 s",
         connect(0), step(20_000, "disconnect", code=1006), ready(20_000), wait(21_499, http=[]), wait(21_500, http=["/offers/claim"]),
         claimed(21_700, ["o1"], [ready_event("o1")]), wait(40_000))
    case("a claim that finds nothing answers the break",
         connect(0), step(20_000, "disconnect", code=1006), ready(20_000), wait(21_500, http=["/offers/claim"]), claimed(21_700, [], [no_offer()]))
    for status in [429, 500, 503]:
        case(f"a claim that fails with {status} leaves the break open",
             connect(0), step(20_000, "disconnect", code=1006), ready(20_000), wait(21_500, http=["/offers/claim"]), claimed(21_700, [], status=status),
             wait(29_999), wait(30_000, [no_offer()]))
    case("a claim's answer after the lease waits for the next break",
         connect(0), step(20_000, "disconnect", code=1006), ready(20_000, lease=2_000), wait(21_500, http=["/offers/claim"]), wait(22_000, [no_offer()]),
         claimed(22_500, ["o1"]), wait(25_000), ready(26_000, [ready_event("o1", "shop")], placement="shop"))
    case("what was claimed and then comes by the socket surfaces once",
         connect(0), step(20_000, "disconnect", code=1006), ready(20_000), wait(21_500, http=["/offers/claim"]),
         claimed(21_700, ["o1"], [ready_event("o1")]), connect(22_000, resumed=True), ready(23_000), lease(23_010, 1), offer(23_020, "o1"),
         wait(33_000, [no_offer()]))
    case("a socket within 1.5 s makes the claim needless",
         connect(0), step(20_000, "disconnect", code=1006), wait(21_050), ready(21_100), connect(21_200, resumed=True, sent=asks), wait(22_700, http=[]),
         lease(22_800, 0, [no_offer()]))
    case("a break too short for a claim",
         connect(0), step(20_000, "disconnect", code=1006), ready(20_000, lease=1_500), wait(21_500, [no_offer()], http=[]))
    case("a refusal answers the break",
         connect(0), ready(1_000), step(1_010, "refuse", [no_offer()], code="RATE_LIMITED"), wait(20_000))
    case("a held offer survives the process",
         connect(0), offer(1_000, "o1"), wait(5_000), step(6_000, "restart"), connect(7_000), ready(8_000, [ready_event("o1")]))
    case("what has surfaced does not surface again in a later process",
         connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", [ready_event("o1")]), wait(5_000), step(6_000, "restart"), connect(7_000),
         offer(7_010, "o1", seq=1), offer(7_020, "o2", seq=2), ready(8_000, [ready_event("o2")]), ready(9_000), lease(9_010, 0, [no_offer()]))
    case("an id is remembered until its expiry only as far as it matters",
         connect(0), ready(1_000), lease(1_010, 1), offer(1_020, "o1", [ready_event("o1")], until=3_000), wait(3_000, [expired("o1")]), wait(5_000),
         ready(6_000), lease(6_010, 1), offer(6_020, "o1", seq=2, until=3_000), wait(16_000, [no_offer()]))
    case("close answers the break", connect(0), ready(1_000), step(2_000, "close", [no_offer()]), wait(20_000))
    case("a banned player's break is answered",
         connect(0), ready(1_000), step(2_000, "disconnect", [no_offer()], code=4503), wait(30_000))
    description = ("The gate: steps in core time, and the offers' events that the game gets with each. "
                   "PROTOCOL.md, section 7. See README.md for the model server that a runner plays.")
    claims = {"sub": "p1", "iat": WALL // 1000, "exp": WALL // 1000 + 300}
    token = "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"
    return description, cases, {"wallAtZero": WALL, "player": "p1", "token": token}


# ---- rolls ----


def rolls():
    rng = random.Random(10)
    cases = []

    def case(seed, client_seed, sides):
        mac = hmac.new(seed, client_seed.encode(), hashlib.sha256).digest()
        cases.append({
            "serverSeed": seed.hex(), "serverSeedHash": hashlib.sha256(seed).hexdigest(), "clientSeed": client_seed, "sides": sides,
            "mac": mac.hex(), "roll": (int.from_bytes(mac[:8], "big") * sides) >> 64,
        })

    edges = [bytes(32), b"\xff" * 32, bytes(range(32))]
    texts = ["a", "0", " ", "é", "🐟", "lucky", "a" * 64, "é" * 32, "🐟" * 16, '{"x":1}', "with\nnewline", "00000000-0000-4000-8000-000000000000"]
    for seed in edges:
        for text in texts:
            for sides in (1, 2, 6, 100, 10_000, (1 << 53) - 1):
                case(seed, text, sides)
    for _ in range(300):
        seed = rng.randbytes(32)
        case(seed, "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789-") for _ in range(rng.randint(1, 64))), 100)
    return "Rolls of the reference game: HMAC-SHA256 and a range without bias. PROTOCOL.md, section 10.", cases


# ---- writing ----


def text_of(description, cases, more=None):
    head = {"description": description, "version": 1, **(more or {})}
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    body = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in cases)
    return "{\n" + "\n".join(lines) + '\n  "cases": [\n' + body + "\n  ]\n}\n"


def main():
    check, wrong = "--check" in sys.argv[1:], []
    for make in (bucketing, flags, envelope, backoff, offers, rolls):
        path, text = HERE / f"{make.__name__}.json", text_of(*make())
        count = len(json.loads(text)["cases"])
        if not check:
            path.write_bytes(text.encode())
            print(f"{path.name}: {count} cases")
        elif not path.exists() or path.read_bytes() != text.encode():
            wrong.append(path.name)
    if wrong:
        sys.exit(f"not what generate.py writes: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
