"""The differences that are on purpose: for each row of docs/compatibility.md, in what and where which scenarios show it."""

# Where two runs are compared: the two modules in a mode, or this module in its two modes.
PLACES = ("embedded", "daemon", "modes")
# What of a run is compared.
ASPECTS = ("interim", "status", "headers", "order", "body", "framing", "connection", "log")


def differs(row, places, aspects, scenarios):
    """The row for each scenario, place and aspect."""
    places, aspects = places.split(), aspects.split()
    assert set(places) <= set(PLACES), f"{row}: {places}"
    assert set(aspects) <= set(ASPECTS), f"{row}: {aspects}"
    return [(scenario, (place, aspect), row) for scenario in scenarios.split() for place in places for aspect in aspects]


LISTED = [
    differs("known-length", "embedded daemon", "headers",
            "environ-head-with-a-filter"),
    differs("error-override", "embedded", "status headers body",
            "hooks-error-override"),
    differs("error-texts", "embedded daemon", "body",
            "bodies-read-bad-arguments responses-write-string"),
    differs("error-texts", "embedded daemon", "log",
            "faults-close-is-called-without-start files-text-file responses-length-not-a-number "
            "responses-length-negative responses-bytes-as-iterable responses-string responses-list-of-strings "
            "responses-list-of-bytearray responses-list-of-memoryview responses-list-of-int start-never "
            "start-never-and-nothing start-invalid-header-uncaught"),
    differs("traceback-frames", "embedded daemon", "log",
            "faults-before-start"),
    differs("read-none", "embedded daemon", "body",
            "bodies-read-none"),
    differs("chunked-by-default", "embedded daemon", "status headers body connection",
            "bodies-chunked-by-default"),
    differs("failed-upload", "embedded daemon", "body",
            "bodies-chunked-broken bodies-chunked-too-large"),
    differs("failed-upload", "daemon", "status headers body",
            "bodies-aborted bodies-aborted-chunked"),
    differs("expect-not-read", "embedded", "headers connection",
            "bodies-expect-not-read bodies-expect-answer-first"),
    differs("expect-not-read", "daemon", "interim headers connection",
            "bodies-expect-not-read bodies-expect-answer-first"),
    differs("errors-object", "embedded daemon", "body",
            "environ-everything environ-everything-of-a-post environ-everything-over-http-1.0 "
            "logs-errors-attributes logs-errors-buffer"),
    differs("errors-object", "embedded daemon", "body log",
            "logs-errors-results"),
    differs("truncation", "embedded daemon", "status headers body framing",
            "faults-after-write-of-nothing"),
    differs("truncation", "embedded", "framing connection",
            "responses-length-of-nothing"),
    differs("truncation", "daemon", "connection",
            "responses-length-of-nothing"),
    differs("truncation", "embedded", "connection",
            "faults-in-generator-after-output faults-system-exit-after-output faults-request-timeout-after-output"),
    differs("truncation", "daemon", "framing connection",
            "faults-in-generator-after-output faults-after-write faults-system-exit-after-output "
            "faults-request-timeout-after-output"),
    differs("truncation", "embedded daemon", "connection",
            "faults-in-generator-after-output-with-length faults-close-is-called-after-an-exception "
            "responses-length-too-short-a-body"),
    differs("truncation", "embedded", "body framing connection",
            "faults-after-write"),
    differs("log-while-loading", "embedded daemon", "log",
            "loading-exception-leaves-no-module logs-print-while-loading"),
    differs("log-surrogates", "embedded daemon", "log",
            "faults-message-with-surrogate logs-surrogate"),
    differs("log-surrogates", "embedded daemon", "body",
            "logs-stderr-attributes logs-stdout-attributes"),
    differs("list-is-checked-first", "embedded daemon", "status headers body framing connection log",
            "faults-list-with-a-wrong-item-later"),
    differs("list-is-checked-first", "embedded", "status headers body framing connection log",
            "responses-string-after-bytes"),
    differs("list-is-checked-first", "daemon", "status headers body connection log",
            "responses-string-after-bytes"),
    differs("known-length", "embedded daemon", "framing",
            "responses-no-length-of-a-list responses-head-without-length"),
    differs("file-wrapper-length", "embedded daemon", "body framing connection",
            "files-file-with-longer-length"),
    differs("file-wrapper-close", "embedded daemon", "log",
            "files-read-only files-read-fails files-no-read"),
    differs("rs-version", "embedded daemon", "body",
            "inside-names"),
    differs("callable-missing", "modes", "status headers body connection",
            "loading-empty mounts-callable-missing"),
    differs("log-nul", "embedded daemon", "log",
            "logs-nul"),
    differs("log-long-lines", "embedded daemon", "log",
            "logs-very-long-line"),
    differs("log-streams-apart", "embedded daemon", "log",
            "logs-streams-in-parts"),
    differs("log-handler-place", "embedded daemon", "log",
            "logs-log-handler"),
    differs("duplicates-kept", "daemon", "headers",
            "responses-headers-in-order responses-header-twice responses-cache-control-twice responses-link-twice"),
    differs("content-type-case", "daemon", "headers",
            "responses-content-type-in-capitals"),
    differs("status-header", "daemon", "status headers",
            "responses-status-header"),
    differs("control-characters", "embedded", "framing",
            "responses-header-with-control"),
    differs("control-characters", "daemon", "body",
            "responses-header-with-control"),
    differs("content-length-value", "embedded daemon", "status headers body connection log",
            "responses-length-with-blanks responses-length-with-plus responses-length-empty"),
    differs("last-modified", "daemon", "headers",
            "responses-last-modified-in-another-form responses-last-modified-nonsense"),
    differs("long-path", "embedded daemon", "status headers body",
            "mounts-file-with-a-long-path"),
    differs("ranges", "embedded", "status headers body",
            "files-range"),
    differs("location-with-200", "daemon", "headers body",
            "responses-location-with-200"),
    differs("status-200-error", "daemon", "status headers body connection",
            "responses-status-200-error"),
    differs("status-without-reason", "embedded daemon", "status",
            "responses-status-with-blank-only"),
    differs("status-below-200", "embedded daemon", "status headers body connection log",
            "responses-status-099 responses-status-000"),
    differs("nul-and-colon", "embedded daemon", "body",
            "start-status-nul start-name-colon start-name-nul start-value-nul"),
    differs("nul-and-colon", "embedded daemon", "status headers body connection log",
            "start-name-nul-sent"),
    differs("callable-missing", "modes", "status headers body connection",
            "hooks-handler-missing-function"),
    differs("asked-nul", "embedded daemon", "status headers body connection",
            "hooks-password-nul hooks-dispatch-nul"),
    differs("dispatch-empty-callable", "embedded", "status headers body connection",
            "hooks-dispatch-callable-without-a-name"),
    differs("asked-nul", "embedded daemon", "status headers body",
            "hooks-groups-nul"),
    differs("asked-proxy", "embedded daemon", "body",
            "hooks-password-environ-proxy"),
    differs("asked-groups-string", "embedded daemon", "status headers body",
            "hooks-groups-of-one-letter"),
    differs("asked-log", "embedded daemon", "log",
            "hooks-groups-not-iterable hooks-access-raises hooks-access-missing-script hooks-dispatch-wrong-type "
            "hooks-dispatch-not-latin-1 hooks-dispatch-missing-script"),
    differs("dispatch-fails", "embedded daemon", "status headers body connection",
            "hooks-dispatch-missing-script"),
    differs("dispatch-environ", "embedded daemon", "body",
            "hooks-dispatch-environ"),
]

# For each scenario: place and aspect, and the row that says why.
EXPECTED = {}
for rows in LISTED:
    for scenario, pair, row in rows:
        assert pair not in EXPECTED.setdefault(scenario, {}), f"{scenario} {pair} is listed twice"
        EXPECTED[scenario][pair] = row

