/* SPDX-License-Identifier: MIT */
/*
 * What an outbox does with good lines. The calls that link and that put a directory on disk are
 * wrapped, to fail on demand.
 *
 * link: -Wl,--wrap=link,--wrap=file_sync_directory
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/outbox.h"
#include "common/file.h"
#include "scratch.h"

#define ONE   "00000000000000000001"
#define CHILD 8
#define LINES 50

static int links_that_find_nothing;
static int syncs_until_failure = -1;

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
    if (links_that_find_nothing > 0) { /* as if a cleaner had come between */
        links_that_find_nothing--;
        unlink(from);
    }
    return __real_link(from, to);
}

enum error_kind __real_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e);
enum error_kind __wrap_file_sync_directory(const char *path, struct error *e)
{
    if (syncs_until_failure >= 0 && syncs_until_failure-- == 0)
        return error_set(e, ERROR_LOCAL, "cannot put %s on disk: test", path);
    return __real_file_sync_directory(path, e);
}

static struct error e;

static void open_box(struct outbox *o)
{
    if (outbox_open(o, scratch_path("box"), &e))
        fail_msg("%s", e.text);
}

static void open_locked(struct outbox *o)
{
    bool held;
    open_box(o);
    assert_int_equal(outbox_lock(o, &held, &e), ERROR_NONE);
    assert_true(held);
}

static uint64_t add(struct outbox *o, struct span content, char key[KEY_LEN + 1])
{
    uint64_t number;
    char own[KEY_LEN + 1];
    if (outbox_add(o, span_of("http://h:1"), span_of("room"), span_of("me"), content,
                   key ? key : own, &number, &e))
        fail_msg("%s", e.text);
    return number;
}

/* The next line has this content; NULL: there is none. */
static void expect(struct outbox *o, struct outbox_line *line, const char *content)
{
    bool found;
    if (outbox_next(o, UINT64_MAX, line, &found, &e))
        fail_msg("%s", e.text);
    assert_int_equal(found, content != NULL);
    if (content)
        assert_true(span_equal(line->content, span_of(content)));
}

static int64_t count(struct outbox *o)
{
    int64_t ret = -1;
    assert_int_equal(outbox_count(o, UINT64_MAX, &ret, &e), ERROR_NONE);
    return ret;
}

static enum outbox_state state_of(struct outbox *o, uint64_t number, const char *key)
{
    enum outbox_state ret;
    assert_int_equal(outbox_state(o, number, key, &ret, &e), ERROR_NONE);
    return ret;
}

static void makes_its_directories_and_keeps_them_private(void **state)
{
    (void)state;
    struct outbox o;
    struct stat info;
    mode_t before = umask(0);
    assert_int_equal(outbox_open(&o, scratch_path("a//b/c/"), &e), ERROR_NONE);
    outbox_close(&o);
    umask(before);
    static const char *const made[] = {"a",         "a/b",       "a/b/c",
                                       "a/b/c/tmp", "a/b/c/new", "a/b/c/failed"};
    for (size_t i = 0; i < COUNT(made); i++) {
        assert_int_equal(stat(scratch_path(made[i]), &info), 0);
        assert_int_equal(info.st_mode & 07777, 0700);
    }
    assert_int_equal(outbox_open(&o, scratch_path("a/b/c"), &e), ERROR_NONE);
    outbox_close(&o);
    struct outbox never = {0};
    int standard_input = fcntl(0, F_GETFD);
    outbox_close(&never);
    assert_int_equal(fcntl(0, F_GETFD), standard_input);
}

static void what_is_no_outbox_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct outbox o;
    assert_int_equal(mkdir(scratch_path("d"), 0700), 0);
    scratch_write("d/.profile", span_of("x"));
    assert_int_equal(outbox_open(&o, scratch_path("d"), &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, ".profile"));
    outbox_close(&o);
    assert_int_equal(scratch_count("d", "", NULL), 1);
    scratch_write("file", span_of("x"));
    assert_int_equal(outbox_open(&o, scratch_path("file"), &e), ERROR_LOCAL);
    outbox_close(&o);
    assert_int_equal(outbox_open(&o, scratch_path("file/box"), &e), ERROR_LOCAL);
    outbox_close(&o);
    assert_int_equal(outbox_open(&o, "", &e), ERROR_LOCAL);
    outbox_close(&o);
    char *longest = calloc(1, OUTBOX_PATH_MAX + 2);
    assert_non_null(longest);
    memset(longest, '/', OUTBOX_PATH_MAX + 1);
    assert_int_equal(outbox_open(&o, longest, &e), ERROR_LOCAL);
    outbox_close(&o);
    free(longest);
}

static void a_directory_that_is_not_on_disk_is_not_an_outbox(void **state)
{
    (void)state;
    static const char *const parts[] = {"box", "box/tmp", "box/failed", "box/new"};
    struct outbox o;
    for (int failing = 0; failing <= 4; failing++) { /* one goes further each time */
        syncs_until_failure = 0;
        assert_int_equal(outbox_open(&o, scratch_path("box"), &e), ERROR_LOCAL);
        outbox_close(&o);
        syncs_until_failure = -1;
        if (failing == 4)
            break;
        assert_false(scratch_has(parts[failing])); /* so that the next one tries it again */
        assert_int_equal(mkdir(scratch_path(parts[failing]), 0700), 0);
    }
}

static void lines_come_back_as_they_were_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    struct outbox o;
    struct outbox_line line = {0};
    open_locked(&o);
    expect(&o, &line, NULL);
    static const char nasty[] = "a\0b\n\xC3\xA5 %41+ \r";
    char *large = malloc(OUTBOX_TEXT_MAX);
    assert_non_null(large);
    memset(large, 'x', OUTBOX_TEXT_MAX);
    struct span most = {large, OUTBOX_TEXT_MAX};
    char keys[3][KEY_LEN + 1];
    uint64_t number;
    assert_int_equal(outbox_add(&o, span_of("https://h/a b?&;=%\n"), LITERAL(nasty), LITERAL(""),
                                LITERAL(nasty), keys[0], &number, &e),
                     ERROR_NONE);
    assert_int_equal(number, 1);
    assert_int_equal(outbox_add(&o, span_of("s"), most, most, most, keys[1], &number, &e),
                     ERROR_NONE);
    assert_int_equal(number, 2);
    assert_int_equal(add(&o, span_of("last"), keys[2]), 3);
    assert_int_equal(count(&o), 3);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);

    bool found;
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_true(found);
    assert_int_equal(line.number, 1);
    assert_string_equal(line.key, keys[0]);
    assert_true(span_equal(line.server, span_of("https://h/a b?&;=%\n")));
    assert_true(span_equal(line.channel, LITERAL(nasty)));
    assert_int_equal(line.sender.len, 0);
    assert_true(span_equal(line.content, LITERAL(nasty)));
    assert_int_equal(line.try.attempts, 0);
    assert_int_equal(line.try.watermark, -1);
    assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
    assert_true(span_equal(line.channel, most) && span_equal(line.sender, most) &&
                span_equal(line.content, most));
    assert_string_equal(line.key, keys[1]);
    expect(&o, &line, "last");
    expect(&o, &line, NULL);
    free(large);
    outbox_line_release(&line);
    outbox_close(&o);
}

static void what_could_not_be_read_back_is_not_accepted(void **state)
{
    (void)state;
    struct outbox o;
    open_box(&o);
    char *large = malloc(OUTBOX_TEXT_MAX + 1), key[KEY_LEN + 1];
    assert_non_null(large);
    memset(large, 'x', OUTBOX_TEXT_MAX + 1);
    struct span good = span_of("g"), more = {large, OUTBOX_TEXT_MAX + 1}, url = {large, 16384};
    struct span bad = span_of("\xFF");
    const struct span table[][4] = {
        {good, more, good, good}, {good, good, more, good}, {good, good, good, more},
        {good, bad, good, good},  {good, good, bad, good},  {good, good, good, bad},
        {bad, good, good, good},  {url, good, good, good},
    };
    uint64_t number;
    for (size_t i = 0; i < COUNT(table); i++)
        assert_int_equal(
            outbox_add(&o, table[i][0], table[i][1], table[i][2], table[i][3], key, &number, &e),
            ERROR_BAD_DATA);
    assert_int_equal(count(&o), 0);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    free(large);
    outbox_close(&o);
}

static void each_line_is_given_out_once_until_rewound(void **state)
{
    (void)state;
    struct outbox o, other;
    struct outbox_line line = {0};
    open_locked(&o);
    add(&o, span_of("1"), NULL);
    add(&o, span_of("2"), NULL);
    expect(&o, &line, "1");
    expect(&o, &line, "2");
    expect(&o, &line, NULL);
    open_box(&other);
    add(&other, span_of("3"), NULL);
    expect(&o, &line, "3");
    expect(&o, &line, NULL);
    outbox_rewind(&o);
    expect(&o, &line, "1");
    assert_int_equal(outbox_remove(&o, &line, &e), ERROR_NONE);
    expect(&o, &line, "2");
    outbox_rewind(&o);
    expect(&o, &line, "2");
    assert_int_equal(outbox_remove(&o, &line, &e), ERROR_NONE);
    expect(&o, &line, "3");
    assert_int_equal(outbox_remove(&o, &line, &e), ERROR_NONE);
    expect(&o, &line, NULL);
    /* A writer that comes to an empty outbox begins with 1 again: that is another line. */
    struct outbox fresh;
    open_box(&fresh);
    assert_int_equal(add(&fresh, span_of("again"), NULL), 1);
    expect(&o, &line, "again");
    outbox_line_release(&line);
    outbox_close(&fresh);
    outbox_close(&other);
    outbox_close(&o);
}

static void a_line_that_came_later_is_not_taken_for_the_one_before(void **state)
{
    (void)state;
    struct outbox o, fresh;
    struct outbox_line line = {0}, again = {0};
    char key[KEY_LEN + 1];
    open_locked(&o);
    add(&o, span_of("old"), NULL);
    expect(&o, &line, "old");
    line.try = (struct outbox_try){.watermark = 7, .attempts = 1, .first_s = 9};
    assert_int_equal(outbox_record_try(&o, &line, &e), ERROR_NONE);
    scratch_delete("box/new/" ONE); /* and a crash, so that its .try stays */
    open_box(&fresh);
    assert_int_equal(add(&fresh, span_of("new"), key), 2); /* above every .try, too */
    assert_int_equal(
        rename(scratch_path("box/new/00000000000000000002"), scratch_path("box/new/" ONE)), 0);
    outbox_rewind(&o);
    expect(&o, &again, "new");
    assert_int_equal(again.try.attempts, 0);
    assert_int_equal(again.try.watermark, -1);
    assert_int_equal(outbox_remove(&o, &line, &e), ERROR_NONE);
    assert_int_equal(outbox_set_aside(&o, &line, "no", &e), ERROR_LOCAL);
    assert_int_equal(state_of(&o, 1, line.key), OUTBOX_GONE);
    assert_int_equal(state_of(&o, 1, key), OUTBOX_WAITS);
    assert_int_equal(scratch_count("box/failed", "", NULL), 0);
    outbox_line_release(&line);
    outbox_line_release(&again);
    outbox_close(&fresh);
    outbox_close(&o);
}

static void numbers_go_on_above_what_waits_and_what_failed(void **state)
{
    (void)state;
    struct outbox o;
    open_box(&o);
    scratch_write("box/failed/00000000000000000041.x", span_of(""));
    scratch_write("box/new/00000000000000000007", span_of(""));
    assert_int_equal(add(&o, span_of("a"), NULL), 42);
    for (int i = 43; i < 43 + 200; i++) { /* others have been here: more than a few steps */
        char name[64];
        snprintf(name, sizeof(name), "box/new/%020d", i);
        scratch_write(name, span_of(""));
    }
    assert_int_equal(add(&o, span_of("b"), NULL), 243);
    outbox_close(&o);
    scratch_write("box/new/18446744073709551615", span_of(""));
    scratch_write("box/new/99999999999999999999", span_of(""));
    open_box(&o);
    char key[KEY_LEN + 1];
    uint64_t number;
    struct span x = span_of("x");
    assert_int_equal(outbox_add(&o, x, x, x, x, key, &number, &e), ERROR_LOCAL);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    outbox_close(&o);
}

static void add_many(int who)
{
    struct outbox o;
    int bad = outbox_open(&o, scratch_path("box"), &e) != ERROR_NONE;
    for (int i = 0; i < LINES && !bad; i++) {
        char text[32], key[KEY_LEN + 1];
        uint64_t number;
        struct span x = span_of("x");
        snprintf(text, sizeof(text), "%d %d", who, i);
        bad = outbox_add(&o, x, x, x, span_of(text), key, &number, &e) != ERROR_NONE;
    }
    outbox_close(&o);
    _exit(bad);
}

static void many_writers_at_once_lose_nothing_and_keep_their_order(void **state)
{
    (void)state;
    struct outbox o;
    pid_t children[CHILD];
    for (int i = 0; i < CHILD; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            add_many(i);
    }
    open_box(&o);
    bool held = true;
    for (int i = 0; i < 50; i++) { /* a cleaner at the same time harms no living writer */
        assert_int_equal(outbox_lock(&o, &held, &e), ERROR_NONE);
        outbox_unlock(&o);
    }
    for (int i = 0; i < CHILD; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(outbox_lock(&o, &held, &e), ERROR_NONE);
    assert_int_equal(count(&o), CHILD * LINES);
    struct outbox_line line = {0};
    int next[CHILD] = {0};
    for (uint64_t n = 0, last = 0; n < CHILD * LINES; n++) {
        bool found;
        char text[32] = "";
        assert_int_equal(outbox_next(&o, UINT64_MAX, &line, &found, &e), ERROR_NONE);
        assert_true(found && line.number > last && line.content.len < sizeof(text));
        last = line.number;
        memcpy(text, line.content.data, line.content.len);
        char *end;
        long who = strtol(text, &end, 10), i = strtol(end, NULL, 10);
        assert_int_equal(i, next[who]++);
    }
    expect(&o, &line, NULL);
    outbox_line_release(&line);
    outbox_close(&o);
}

static void one_sends_at_a_time(void **state)
{
    (void)state;
    struct outbox one, two;
    bool held;
    open_locked(&one);
    open_box(&two);
    assert_int_equal(outbox_lock(&two, &held, &e), ERROR_NONE);
    assert_false(held);
    add(&two, span_of("anyone may add"), NULL);
    assert_int_equal(outbox_lock(&one, &held, &e), ERROR_NONE);
    assert_true(held);
    outbox_unlock(&one);
    assert_int_equal(outbox_lock(&two, &held, &e), ERROR_NONE);
    assert_true(held);
    assert_int_equal(outbox_lock(&one, &held, &e), ERROR_NONE);
    assert_false(held);
    outbox_close(&two);
    assert_int_equal(outbox_lock(&one, &held, &e), ERROR_NONE);
    assert_true(held);
    outbox_close(&one);
}

static void only_the_dead_are_cleaned_up(void **state)
{
    (void)state;
    struct outbox o;
    open_box(&o);
    scratch_write("box/tmp/dead", span_of("half a li"));
    scratch_write("box/tmp/alive", span_of("half a li"));
    int fd = open(scratch_path("box/tmp/alive"), O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    scratch_write("box/new/00000000000000000009.try", span_of("x"));
    assert_int_equal(add(&o, span_of("x"), NULL), 10);
    scratch_write("box/new/00000000000000000010.try", span_of("x"));
    bool held;
    assert_int_equal(outbox_lock(&o, &held, &e), ERROR_NONE);
    assert_false(scratch_has("box/tmp/dead"));
    assert_true(scratch_has("box/tmp/alive"));
    assert_false(scratch_has("box/new/00000000000000000009.try"));
    assert_true(scratch_has("box/new/00000000000000000010.try"));
    close(fd);
    outbox_close(&o);
}

static void a_file_that_was_cleaned_away_is_made_anew(void **state)
{
    (void)state;
    struct outbox o;
    struct outbox_line line = {0};
    open_locked(&o);
    links_that_find_nothing = 3;
    add(&o, span_of("still here"), NULL);
    assert_int_equal(links_that_find_nothing, 0);
    expect(&o, &line, "still here");
    links_that_find_nothing = 1000;
    char key[KEY_LEN + 1];
    uint64_t number;
    struct span x = span_of("x");
    assert_int_equal(outbox_add(&o, x, x, x, x, key, &number, &e), ERROR_LOCAL);
    assert_true(links_that_find_nothing > 900);
    links_that_find_nothing = 0;
    assert_int_equal(count(&o), 1);
    outbox_line_release(&line);
    outbox_close(&o);
}

static void what_is_not_on_disk_is_not_accepted(void **state)
{
    (void)state;
    struct outbox o;
    char key[KEY_LEN + 1];
    uint64_t number;
    struct span x = span_of("x");
    open_box(&o);
    syncs_until_failure = 0;
    assert_int_equal(outbox_add(&o, x, x, x, x, key, &number, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, "box/new"));
    syncs_until_failure = -1;
    assert_int_equal(count(&o), 0);
    scratch_limit(50);
    assert_int_equal(outbox_add(&o, x, x, x, x, key, &number, &e), ERROR_LOCAL);
    assert_non_null(strstr(e.text, strerror(EFBIG)));
    scratch_limit(-1);
    assert_int_equal(count(&o), 0);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    outbox_close(&o);
}

static void a_try_survives_and_goes_with_its_line(void **state)
{
    (void)state;
    struct outbox o;
    struct outbox_line line = {0};
    open_locked(&o);
    add(&o, span_of("x"), NULL);
    for (int i = 1; i <= 2; i++) {
        expect(&o, &line, "x");
        line.try = (struct outbox_try){.watermark = 40 + i, .attempts = i, .first_s = 1700000000};
        assert_int_equal(outbox_record_try(&o, &line, &e), ERROR_NONE);
        outbox_line_release(&line);
        outbox_close(&o);
        open_locked(&o);
        expect(&o, &line, "x");
        assert_int_equal(line.try.watermark, 40 + i);
        assert_int_equal(line.try.attempts, i);
        assert_int_equal(line.try.first_s, 1700000000);
        outbox_rewind(&o);
    }
    assert_int_equal(scratch_count("box/new", "", NULL), 2);
    syncs_until_failure = 0; /* the line goes first, its .try only when that is on disk */
    assert_int_equal(outbox_remove(&o, &line, &e), ERROR_LOCAL);
    assert_true(scratch_has("box/new/" ONE ".try"));
    syncs_until_failure = -1;
    assert_int_equal(outbox_remove(&o, &line, &e), ERROR_NONE);
    assert_int_equal(scratch_count("box/new", "", NULL), 0);
    assert_int_equal(scratch_count("box/tmp", "", NULL), 0);
    outbox_line_release(&line);
    outbox_close(&o);
}

static void a_line_that_is_set_aside_is_never_lost(void **state)
{
    (void)state;
    struct outbox o;
    struct outbox_line line = {0};
    struct buf before, after;
    buf_init(&before, 1000);
    buf_init(&after, 1000);
    for (int failing = 0; failing <= 3; failing++) {
        char key[KEY_LEN + 1], name[80], reason[96];
        open_locked(&o);
        uint64_t number = add(&o, span_of("no good"), key);
        snprintf(name, sizeof(name), "box/new/%020d", (int)number);
        scratch_read(name, &before);
        expect(&o, &line, "no good");
        line.try.attempts = 1;
        assert_int_equal(outbox_record_try(&o, &line, &e), ERROR_NONE);
        assert_int_equal(state_of(&o, number, key), OUTBOX_WAITS);
        syncs_until_failure = failing < 3 ? failing : -1;
        enum error_kind kind = outbox_set_aside(&o, &line, "HTTP 413:\ntoo large", &e);
        assert_int_equal(kind, failing < 3 ? ERROR_LOCAL : ERROR_NONE);
        syncs_until_failure = -1;
        assert_int_equal(outbox_set_aside(&o, &line, "HTTP 413:\ntoo large", &e), ERROR_NONE);
        assert_int_equal(state_of(&o, number, key), OUTBOX_SET_ASIDE);
        assert_int_equal(count(&o), 0);
        assert_int_equal(scratch_count("box/new", "", NULL), 0);
        snprintf(name, sizeof(name), "box/failed/%020d.%s", (int)number, key);
        snprintf(reason, sizeof(reason), "%s.reason", name);
        scratch_read(name, &after);
        assert_true(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
        scratch_read(reason, &after);
        assert_buf(after, "HTTP 413:\\ntoo large\n");
        assert_int_equal(number, failing + 1);
        outbox_line_release(&line);
        outbox_close(&o);
    }
    buf_release(&before);
    buf_release(&after);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        TEST(makes_its_directories_and_keeps_them_private),
        TEST(what_is_no_outbox_is_refused_and_left_alone),
        TEST(a_directory_that_is_not_on_disk_is_not_an_outbox),
        TEST(lines_come_back_as_they_were_in_the_order_of_their_numbers),
        TEST(what_could_not_be_read_back_is_not_accepted),
        TEST(each_line_is_given_out_once_until_rewound),
        TEST(a_line_that_came_later_is_not_taken_for_the_one_before),
        TEST(numbers_go_on_above_what_waits_and_what_failed),
        TEST(many_writers_at_once_lose_nothing_and_keep_their_order),
        TEST(one_sends_at_a_time),
        TEST(only_the_dead_are_cleaned_up),
        TEST(a_file_that_was_cleaned_away_is_made_anew),
        TEST(what_is_not_on_disk_is_not_accepted),
        TEST(a_try_survives_and_goes_with_its_line),
        TEST(a_line_that_is_set_aside_is_never_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
