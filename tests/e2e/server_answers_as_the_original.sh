#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every recorded request of the original server, through real HTTP. The differences are those of
# chancat-protocol(7): [] for null, channel names are text, JSON for the plain 404, `limit`. With
# --plain the first and the last of these are not there.
. "$(dirname "$0")/lib.sh"
need jq curl

start_server

# check METHOD TARGET TYPE BODY STATUS REPLY NOTE: asks, and puts what came and what was
# recorded on one line each of the files got and wanted.
check() {
    local arguments=(-sS -o reply -w '%{http_code} %{content_type}' -X "$1")
    [ "$1" = GET ] || arguments+=(--data-binary "$4" -H "Content-Type: $3")
    assert_eq "$(curl "${arguments[@]}" "$URL$2")" "$5 application/json" "answer to $1 $2"
    case $1:$7:$6:$plain in
    *:'404 page not found'*:* | GET:'numeric-looking'*) return ;;
    *:'unknown parameters'*:*:no) return ;;
    *:null:no) echo '[]' >>wanted ;;
    *) printf '%s\n' "$6" >>wanted ;;
    esac
    cat reply >>got
    echo >>got
}

# Asks everything of a server on an empty database.
check_records() {
    local file
    jq -r '@sh "check \(.method) \(.target) \(.type // "") \(.body // "") \(.status) \(.reply) \(.note // "")"' \
        "$ROOT/tests/data/wire.jsonl" >records
    assert [ "$(wc -l <records)" -gt 80 ]
    # shellcheck source=/dev/null
    . ./records
    for file in got wanted; do
        jq -cS 'walk(if type == "object" and has("time") then .time = "TIME" else . end)' "$file" \
            >"$file.jsonl"
    done
    assert_same got.jsonl wanted.jsonl
    assert [ "$(wc -l <got.jsonl)" -gt 60 ]
}

test_case "status and reply of each record"
plain=no
check_records

test_case "an unknown path or method is a JSON error"
for request in "GET /nosuch" "PUT /send" "DELETE /get" "POST /get" "GET /get/"; do
    got=$(curl -sS -o reply -w '%{http_code}' -X "${request% *}" "$URL${request#* }")
    assert_eq "$got" 404 "status of $request"
    assert jq -e '.error | type == "string"' reply >/dev/null
done
assert_eq "$(curl -sS -I -o head -w '%{http_code}' "$URL/get?channel=t")" 404 "status of HEAD"

test_case "every reply of the API announces the extras"
for target in '/get?channel=t' '/past?channel=t' '/get' '/nosuch'; do
    curl -sS -D head -o /dev/null "$URL$target"
    assert_has head '^Chancat-Features: wait, limit, keys, batch, minimal.$'
done

test_case "the front page is a short reference"
curl -sS -D head -o page "$URL/"
assert_has head '^Content-Type: text/plain'
assert_has page '/send'

test_case "times are UTC with whole seconds"
post times a b
curl -sS "$URL/get?channel=times" >reply
assert jq -e '.[0].time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")' reply \
    >/dev/null

test_case "a body of more than 10 MB is 413, and nothing of it is stored"
{
    printf 'channel=huge&sender=a&content='
    head -c 10000000 /dev/zero | tr '\0' x
} >body
for framing in 'X-Plain: 1' 'Transfer-Encoding: chunked'; do
    got=$(curl -sS -o reply -w '%{http_code}' --data-binary @body -H "$framing" \
        -H 'Expect:' "$URL/send")
    assert_eq "$got" 413 "status with $framing"
done
assert_eq "$(curl -sS "$URL/get?channel=huge")" '[]' stored
head -c 9999000 body >almost
assert_eq "$(curl -sS -o reply -w '%{http_code}' --data-binary @almost -H 'Expect:' "$URL/send")" \
    200 "status of almost 10 MB"
assert_eq "$(curl -sS "$URL/get?channel=huge" | jq 'length')" 1 stored

test_case "bytes that are not UTF-8 become three each, and are stored all the same"
{
    printf 'channel=odd-bytes&sender=a&content='
    head -c 5000000 /dev/zero | tr '\0' '\377'
} >body
assert_eq "$(curl -sS -o reply -w '%{http_code}' --data-binary @body "$URL/send")" 200 status
assert_eq "$(jq '.content | length' reply)" 5000000 "length of content"

test_case "a form that is no form stores nothing"
for type in application/json multipart/form-data text/plain; do
    got=$(curl -sS -o reply -w '%{http_code}' -H "Content-Type: $type" \
        --data-binary 'channel=odd&sender=a&content=x' "$URL/send")
    assert_eq "$got" 400 "status of $type"
done
assert_eq "$(curl -sS "$URL/get?channel=odd")" '[]' stored
stop_server
assert_status 0

test_case "with --plain it is a server without extras"
stop_server
start_server --plain
plain=yes
check_records
for target in '/get?channel=none&wait=20&limit=1' '/past?channel=none' '/nosuch'; do
    curl -sS -D head -o reply --max-time 15 "$URL$target"
    assert_not_has head '^Chancat-'
done
assert_eq "$(curl -sS "$URL/get?channel=none")" null
for content in one two; do
    assert_eq "$(curl -sS -D head -o reply -w '%{http_code}' -H 'Idempotency-Key: k' "$URL/send" \
        -d channel=keyed -d sender=me -d content=$content)" 200 "status of $content"
done
assert_eq "$(curl -sS "$URL/get?channel=keyed&limit=1" | jq length)" 2 stored
stop_server
assert_status 0

done_testing
