/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "util/trace_context.h"

#define TRACE "12345678901234567890123456789012"
#define PARENT "1234567890123456"

static struct bytes text(const char *string)
{
	return (struct bytes){ (const uint8_t *)string, strlen(string) };
}

/* Values, and the flags they are read with; -1: they are refused. */
static const struct {
	const char *value;
	int flags;
} parents[] = {
	{ "00-" TRACE "-" PARENT "-01", 1 },
	{ "00-" TRACE "-" PARENT "-00", 0 },
	{ "00-" TRACE "-" PARENT "-03", 3 },
	{ "00-" TRACE "-" PARENT "-fd", 1 },
	{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 1 },
	{ " 00-" TRACE "-" PARENT "-01", 1 },
	{ "\t 00-" TRACE "-" PARENT "-01 \t", 1 },
	/* versions */
	{ "cc-" TRACE "-" PARENT "-01", 1 },
	{ "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like", 1 },
	{ "01-" TRACE "-" PARENT "-01-", 1 },
	{ "fe-" TRACE "-" PARENT "-04", 0 },
	{ "cc-" TRACE "-" PARENT "-01.what-the-future-will-be-like", -1 },
	{ "cc-" TRACE "-" PARENT "-011", -1 },
	{ "ff-" TRACE "-" PARENT "-01", -1 },
	{ "00-" TRACE "-" PARENT "-01.", -1 },
	{ "00-" TRACE "-" PARENT "-01-", -1 },
	{ "00-" TRACE "-" PARENT "-01-what-the-future-will-be-like", -1 },
	{ ".0-" TRACE "-" PARENT "-01", -1 },
	{ "0.-" TRACE "-" PARENT "-01", -1 },
	{ "000-" TRACE "-" PARENT "-01", -1 },
	{ "0-" TRACE "-" PARENT "-01", -1 },
	/* digits */
	{ "00-00000000000000000000000000000000-" PARENT "-01", -1 },
	{ "00-" TRACE "-0000000000000000-01", -1 },
	{ "00-1234567890123456789012345678901A-" PARENT "-01", -1 },
	{ "00-" TRACE "-123456789012345F-01", -1 },
	{ "00-" TRACE "-" PARENT "-0A", -1 },
	{ "0A-" TRACE "-" PARENT "-01", -1 },
	{ "00-.2345678901234567890123456789012-" PARENT "-01", -1 },
	{ "00-1234567890123456789012345678901.-" PARENT "-01", -1 },
	{ "00-" TRACE "-.234567890123456-01", -1 },
	{ "00-" TRACE "-" PARENT "-.0", -1 },
	{ "00-" TRACE "-" PARENT "-0.", -1 },
	/* sizes */
	{ "00-" TRACE "3-" PARENT "-01", -1 },
	{ "00-1234567890123456789012345678901-" PARENT "-01", -1 },
	{ "00-" TRACE "-12345678901234567-01", -1 },
	{ "00-" TRACE "-123456789012345-01", -1 },
	{ "00-" TRACE "-" PARENT "-001", -1 },
	{ "00-" TRACE "-" PARENT "-1", -1 },
	{ "00_" TRACE "_" PARENT "_01", -1 },
	{ "", -1 },
	{ "-", -1 },
};

static void test_parent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		struct trace_context context = { .flags = 77 };
		bool valid = trace_parent_parse(text(parents[i].value), &context);

		if (valid != (parents[i].flags >= 0))
			print_message("%s\n", parents[i].value);
		assert_int_equal(valid, parents[i].flags >= 0);
		assert_int_equal(context.valid, valid);
		assert_int_equal(context.flags, valid ? parents[i].flags : 77);
	}
}

static void test_ids(void **state)
{
	static const uint8_t trace[] = { 0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
					 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36 };
	static const uint8_t parent[] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };
	struct trace_context context;

	(void)state;
	assert_true(trace_parent_parse(
		BYTES("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), &context));
	assert_memory_equal(context.trace_id, trace, sizeof(trace));
	assert_memory_equal(context.parent_id, parent, sizeof(parent));
}

/* Lists of headers, one a line, 'p' traceparent, 's' tracestate; what is to be kept. */
static void expect(const char *headers, bool valid, const char *kept)
{
	struct trace_headers read = { 0 };
	struct trace_context context;
	struct bytes shown;

	while (*headers) {
		size_t size = strcspn(headers, "\n");
		struct bytes value = { (const uint8_t *)headers + 1, size - 1 };

		if (*headers == 'p')
			trace_headers_parent(&read, value);
		else
			trace_headers_state(&read, value);
		headers += size + (headers[size] == '\n');
	}
	context = trace_headers_read(&read, &shown);
	assert_int_equal(context.valid, valid);
	assert_int_equal(shown.size, strlen(kept));
	assert_memory_equal(shown.data, kept, shown.size);
}

#define GOOD "p00-" TRACE "-" PARENT "-01\n"

static void test_headers(void **state)
{
	(void)state;
	expect("", false, "");
	expect(GOOD, true, "");
	expect(GOOD GOOD, false, "");
	expect(GOOD "p\n", false, "");
	expect("px\n" GOOD, false, "");
	expect(GOOD GOOD GOOD "sa=1\n", false, "");
	expect("sfoo=1\n", false, "");
	expect("sfoo=1\npff-" TRACE "-" PARENT "-01\n", false, "");
	expect("sfoo=1,bar=2\n" GOOD, true, "foo=1,bar=2");
	expect(GOOD "sfoo=1,bar=2\nsrojo=1,congo=2\nsbaz=3\n", true,
	       "foo=1,bar=2,rojo=1,congo=2,baz=3");
	expect(GOOD "s\nsfoo=1\ns \t \ns,, ,\n", true, "foo=1");
	expect(GOOD "s\tfoo=1 \t , \t bar= 2, \t baz=3\t\n", true, "foo=1,bar= 2,baz=3");
	expect(GOOD "sa-_*/@9=!~ +<>;:\"'\n", true, "a-_*/@9=!~ +<>;:\"'");
	expect(GOOD "s0a=1\n", true, "0a=1");
}

static void test_malformed_state(void **state)
{
	static const char *const bad[] = {
		"foo=1,foo=1",	"foo=1,foo=2",	"foo =1",      "FOO=1",
		"foo.bar=1",	"@foo=1,bar=2", "foo",	       "=1",
		"foo=",		"foo=,bar=3",	"foo=bar=baz", "foo=a\tb",
		"foo=\xc3\xa9", "a=1;b=2",	"_a=1",	       "foo=1,bar",
	};
	char headers[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(headers, sizeof(headers), GOOD "sgood=1\ns%s\nslast=1\n", bad[i]);
		expect(headers, true, "");
	}
	expect(GOOD "sfoo=1\nsfoo=2\n", true, "");
}

/* Of `count` members key000=..., each of `size` bytes, one header each. */
static void many(struct trace_headers *read, unsigned int count, size_t size, unsigned int from)
{
	char member[600];

	for (unsigned int i = from; i < from + count; i++) {
		memset(member, 'x', sizeof(member));
		memcpy(member, "key000=", 7);
		member[3] += i / 100;
		member[4] += i / 10 % 10;
		member[5] += i % 10;
		trace_headers_state(read, (struct bytes){ (uint8_t *)member, size });
	}
}

static size_t kept(const struct trace_headers *read)
{
	struct bytes shown;

	assert_true(trace_headers_read(read, &shown).valid);
	return shown.size;
}

static void test_bounds(void **state)
{
	struct trace_headers read = { 0 };
	char key[300];

	(void)state;
	trace_headers_parent(&read, BYTES("00-" TRACE "-" PARENT "-01"));
	many(&read, 32, 8, 0);
	assert_int_equal(kept(&read), 32 * 9 - 1);
	many(&read, 1, 8, 32);
	assert_int_equal(kept(&read), 0);

	/* keys and values of 256 characters, and of one more */
	for (size_t size = 256; size <= 257; size++) {
		memset(key, 'z', sizeof(key));
		memcpy(key + size, "=1", 2);
		memset(&read, 0, sizeof(read));
		trace_headers_parent(&read, BYTES("00-" TRACE "-" PARENT "-01"));
		trace_headers_state(&read, BYTES("foo=1"));
		trace_headers_state(&read, (struct bytes){ (uint8_t *)key, size + 2 });
		assert_int_equal(kept(&read), size == 256 ? 5 + 1 + 258 : 0);
		memcpy(key, "a=", 2);
		key[size] = key[size + 1] = 'z';
		memset(&read, 0, sizeof(read));
		trace_headers_parent(&read, BYTES("00-" TRACE "-" PARENT "-01"));
		trace_headers_state(&read, (struct bytes){ (uint8_t *)key, size + 2 });
		assert_int_equal(kept(&read), size == 256 ? 258 : 0);
	}
}

/* What does not fit goes in whole members: the large ones first, then those at the end. */
static void test_room(void **state)
{
	struct trace_headers read = { 0 };

	(void)state;
	trace_headers_parent(&read, BYTES("00-" TRACE "-" PARENT "-01"));
	many(&read, 5, 99, 0);
	assert_int_equal(kept(&read), 499);
	many(&read, 1, 20, 5);
	many(&read, 1, 8, 6); /* would fit, but comes after what did not */
	assert_int_equal(kept(&read), 499);

	memset(&read, 0, sizeof(read));
	trace_headers_parent(&read, BYTES("00-" TRACE "-" PARENT "-01"));
	many(&read, 1, 200, 0);
	many(&read, 1, 100, 1);
	many(&read, 1, 200, 2);
	assert_int_equal(kept(&read), 502);
	many(&read, 1, 129, 3); /* is itself the last of the large ones */
	assert_int_equal(kept(&read), 502);
	many(&read, 1, 128, 4); /* in the place of the last large one */
	assert_int_equal(kept(&read), 200 + 1 + 100 + 1 + 128);
	assert_memory_equal(read.state + 301, ",key004=", 8);
	many(&read, 1, 80, 5);
	assert_memory_equal(read.state, "key000=", 7);
	many(&read, 1, 100, 6);
	assert_memory_equal(read.state, "key001=", 7);
	assert_int_equal(kept(&read), 100 + 1 + 128 + 1 + 80 + 1 + 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parent),	cmocka_unit_test(test_ids),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_malformed_state),
		cmocka_unit_test(test_bounds),	cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
