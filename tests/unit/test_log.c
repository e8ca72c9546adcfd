/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* What `say` writes to stderr. */
static void hear(void (*say)(void), char *ret, size_t size)
{
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    say();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    ssize_t n = read(ends[0], ret, size - 1);
    ret[n > 0 ? n : 0] = '\0';
    close(ends[0]);
}

static void say_all(void)
{
    log_error("an %s", "error");
    log_warn("a warning");
    log_info("a detail");
}

static void say_hostile(void)
{
    log_error("%s", "x\nchancat: forged \x1b[2J \xE2\x80\xAE \xFF");
}

static void say_long(void)
{
    char text[LOG_LINE_MAX * 2];
    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_error("%s", text);
}

static void levels_say_what_they_promise(void **state)
{
    (void)state;
    char got[256];
    log_init("name", LOG_QUIET);
    hear(say_all, got, sizeof(got));
    assert_string_equal(got, "name: an error\n");
    log_set_level(LOG_NORMAL);
    hear(say_all, got, sizeof(got));
    assert_string_equal(got, "name: an error\nname: a warning\n");
    log_set_level(LOG_VERBOSE);
    hear(say_all, got, sizeof(got));
    assert_string_equal(got, "name: an error\nname: a warning\nname: a detail\n");
}

static void hostile_text_stays_one_visible_line(void **state)
{
    (void)state;
    char got[LOG_LINE_MAX * 8];
    log_init("name", LOG_NORMAL);
    hear(say_hostile, got, sizeof(got));
    assert_string_equal(got, "name: x\\nchancat: forged \\u001b[2J \\u202e \xEF\xBF\xBD\n");
    hear(say_long, got, sizeof(got));
    assert_int_equal(strlen(got), strlen("name: ") + (LOG_LINE_MAX - 1) * 6 + 1);
}

static int locked, unlocked;

static void lock(void *context)
{
    (void)context;
    locked++;
}

static void unlock(void *context)
{
    (void)context;
    unlocked++;
}

static void the_guard_is_held_for_each_line(void **state)
{
    (void)state;
    char got[256];
    log_init("name", LOG_NORMAL);
    log_set_guard(lock, unlock, NULL);
    hear(say_all, got, sizeof(got));
    log_set_guard(NULL, NULL, NULL);
    assert_int_equal(locked, 2);
    assert_int_equal(unlocked, 2);
}

static char written[256];

static void write_here(void *context, const char *line, size_t len)
{
    assert_ptr_equal(context, written);
    assert_true(strlen(written) + len < sizeof(written));
    strncat(written, line, len);
}

static void a_writer_gets_each_line_instead_of_stderr(void **state)
{
    (void)state;
    char got[256];
    log_init("name", LOG_NORMAL);
    log_set_writer(write_here, written);
    hear(say_all, got, sizeof(got));
    log_set_writer(NULL, NULL);
    assert_string_equal(got, "");
    assert_string_equal(written, "name: an error\nname: a warning\n");
    hear(say_all, got, sizeof(got));
    assert_string_equal(got, "name: an error\nname: a warning\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_say_what_they_promise),
        cmocka_unit_test(hostile_text_stays_one_visible_line),
        cmocka_unit_test(the_guard_is_held_for_each_line),
        cmocka_unit_test(a_writer_gets_each_line_instead_of_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
