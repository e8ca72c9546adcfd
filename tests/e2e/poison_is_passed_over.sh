#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Elements of a reply that are not what they should be, and text that must not be shown raw.
. "$(dirname "$0")/lib.sh"
need jq curl

start_fault

message() {
    printf '{"id":@ID@,"channel":"%s","sender":"s","content":"%s","time":"2024-01-02T03:04:05Z"}' \
        "$1" "$2"
}

good() {
    put "$1" "$(message "$1" "$2")"
}

test_case "NUL in a message is no reason to stop"
good nul one
put nul "$(message nul 'a\u0000b')"
good nul two
run "$CHANCAT" -n all nul
assert_status 0
assert_stream out
assert_file <(jq -c .content out) $'"one"\n"a\\u0000b"\n"two"'
assert_empty err

test_case "bad elements are reported, their good neighbours printed"
n=0
while IFS= read -r element; do
    n=$((n + 1))
    good bad "good $n"
    put bad "$element"
done <<'END'
{"id":@ID@,"channel":"bad","sender":"s","content":"lone \ud800 surrogate","time":"2024-01-02T03:04:05Z"}
{"id":@ID@,"channel":"bad","sender":"s","content":"low \udc00","time":"2024-01-02T03:04:05Z"}
{"id":@ID@ "channel"}
{"id":@ID@,}
{"id":@ID@,"channel":"bad","sender":"s","content":"tw","content":"ice","time":"2024-01-02T03:04:05Z"}
{"id":"@ID@","channel":"bad","sender":"s","content":"text id","time":"2024-01-02T03:04:05Z"}
{"id":-5,"channel":"bad","sender":"s","content":"negative","time":"2024-01-02T03:04:05Z"}
{"id":0,"channel":"bad","sender":"s","content":"zero","time":"2024-01-02T03:04:05Z"}
{"id":1.5,"channel":"bad","sender":"s","content":"fraction","time":"2024-01-02T03:04:05Z"}
{"id":99999999999999999999,"channel":"bad","sender":"s","content":"huge","time":"2024-01-02T03:04:05Z"}
{"channel":"bad","sender":"s","content":"no id","time":"2024-01-02T03:04:05Z"}
{"id":@ID@,"channel":"bad","content":"no sender","time":"2024-01-02T03:04:05Z"}
{"id":@ID@,"channel":"bad","sender":"s","time":"2024-01-02T03:04:05Z"}
{"id":@ID@,"channel":"bad","sender":"s","content":["no","text"],"time":"2024-01-02T03:04:05Z"}
{}
[]
[{"id":@ID@,"channel":"bad","sender":"s","content":"nested","time":"2024-01-02T03:04:05Z"}]
42
null
true
"a string ] } , {"
word
END
good bad last
run "$CHANCAT" -n all bad
assert_status 0
assert_stream out
seq -f 'good %g' "$n" >wanted
echo last >>wanted
jq -r .content out >got
assert_same wanted got
assert [ -s err ]
assert_not_has <(grep -v '^chancat: ' err) .
[ "$(wc -l <err)" -le "$n" ] || fail "more reports than bad elements"

test_case "a bad element at the end is reported once, not at every poll"
good end first
put end "$(message end 'lone \ud800')"
spawn "$CHANCAT" -rf -n all -i 0.02 end >out 2>err
wait_until logged 'GET /get?.*end' 15
assert_lines err 1
good end second
wait_until lines out 2
end_process "$SPAWNED"
assert_lines err 1
assert_file <(jq -r .content out) $'first\nsecond'

test_case "even one without an id"
good noid first
put noid '{"what":"is this"}'
spawn "$CHANCAT" -rf -n all -i 0.02 noid >out 2>err
wait_until logged 'GET /get?.*noid' 15
assert_lines err 1
good noid second
wait_until lines out 2
good noid third
wait_until lines out 3
end_process "$SPAWNED"
assert_file <(jq -r .content out) $'first\nsecond\nthird'
assert_stream out

test_case "a channel of bad elements only is not waited on"
put onlybad '{"id":@ID@}'
put onlybad 'x'
run "$CHANCAT" -n all onlybad
assert_status 0
assert_empty out

test_case "what is never shown raw is escaped in the output"
put raw "$(message raw $'del \x7f c1 \xc2\x85 sep \xe2\x80\xa8\xe2\x80\xa9 bidi \xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f')"
put raw "$(message raw '\u001b[31m \u0000 \t\n\r \u202a')"
run "$CHANCAT" -n all raw
assert_status 0
assert_lines out 2
assert_has out 'del \\u007f c1 \\u0085 sep \\u2028\\u2029 bidi \\u202e\\u2066\\u200f'
assert_has out '\\u001b\[31m \\u0000 \\t\\n\\r \\u202a'
assert_eq "$(tr -d '\n' <out | grep -c '[[:cntrl:]]')" 0 "lines with control characters"
assert_eq "$(jq -r .content out | head -n 1)" \
    $'del \x7f c1 \xc2\x85 sep \xe2\x80\xa8\xe2\x80\xa9 bidi \xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f'

test_case "other text stays readable"
good readable 'åäö 漢字 😀 \u00e5 \ud83d\ude00 a\/b'
run "$CHANCAT" -n all readable
assert_has out 'åäö 漢字 😀 å 😀 a/b'

test_case "the five HTML escapes are undone, once"
good html '\u0026lt;b\u0026gt; \u0026amp;amp; \u0026#34;q\u0026#34; &#39;s&#39; &amp;lt; &#x41; &copy; &'
run "$CHANCAT" -n all html
assert_file <(jq -r .content out) "<b> &amp; \"q\" 's' &lt; &#x41; &copy; &"

test_case "unknown fields are kept, in their place"
put fields '{"id":@ID@,"channel":"fields","new":{"a":[1,2.5,null]},"sender":"s","content":"c","time":"2024-01-02T03:04:05Z","x":true}'
run "$CHANCAT" -n all fields
assert_has out '"channel":"fields","new":{"a":\[1,2.5,null\]},"sender":"s","content":"c","time":"2024-01-02T03:04:05Z","x":true}$'

test_case "times are UTC, whole seconds, Z"
put time '{"id":@ID@,"channel":"time","sender":"s","content":"c","time":"2024-03-01T00:30:05.999999999+02:00"}'
run "$CHANCAT" -n all time
assert_has out '"time":"2024-02-29T22:30:05Z"'

test_case "the same id twice is printed once, and ids only go up"
put twice '{"id":1000001,"channel":"twice","sender":"s","content":"a","time":"2024-01-02T03:04:05Z"}'
put twice '{"id":1000001,"channel":"twice","sender":"s","content":"b","time":"2024-01-02T03:04:05Z"}'
put twice '{"id":1000000,"channel":"twice","sender":"s","content":"c","time":"2024-01-02T03:04:05Z"}'
put twice '{"id":1000002,"channel":"twice","sender":"s","content":"d","time":"2024-01-02T03:04:05Z"}'
run "$CHANCAT" -r -n all -c 2 twice
assert_status 0
assert_stream out
assert_file <(jq -r .content out) $'a\nd'

test_case "white space around elements does not matter"
put space $' \n\t{ "id" : @ID@ , "channel":"space","sender":"s","content":"c","time":"2024-01-02T03:04:05Z" }\r\n'
good space next
run "$CHANCAT" -n all space
assert_file <(jq -r .content out) $'c\nnext'

test_case "a huge element is passed over"
{
    printf '{"id":@ID@,"channel":"huge","sender":"s","time":"2024-01-02T03:04:05Z","content":"'
    head -c 30000000 /dev/zero | tr '\0' x
    printf '"}'
} | put huge
good huge after
run "$CHANCAT" -n all huge
assert_status 0
assert_eq "$(jq -r .content out | tail -n 1)" after

done_testing
