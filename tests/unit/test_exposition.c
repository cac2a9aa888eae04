/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "export/accept.h"
#include "export/gzip.h"
#include "export/text.h"

static void test_accept(void **state)
{
	static const char *const open[] = {
		"application/openmetrics-text",
		"application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		"version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		"text/plain;q=0.5, Application/OpenMetrics-Text; version=\"1.0.0\"; q=0.6",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
		"application/vnd.google.protobuf;q=0.6,*/*;q=0.1",
	};
	static const char *const plain[] = {
		"",
		"*/*",
		"text/plain",
		"application/openmetrics-text;q=0",
		"application/json",
		"application/openmetrics-text;version=2.0.0",
		"application/openmetrics-textual",
		"text/plain, application/openmetrics-text;q=0.9",
		"application/openmetrics-text;q=",
		";;,;q=,=",
		"application/openmetrics-text;q=0.000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		assert_int_equal(accept_format(open[i]), EXPOSITION_OPENMETRICS);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_int_equal(accept_format(plain[i]), EXPOSITION_TEXT);
	assert_int_equal(accept_format(NULL), EXPOSITION_TEXT);
}

static void test_numbers(void **state)
{
	struct text text = { 0 };

	(void)state;
	text_seconds(&text, 0, true);
	text_puts(&text, " ");
	text_seconds(&text, 1500000000, false);
	text_puts(&text, " ");
	text_seconds(&text, 1, false);
	text_puts(&text, " ");
	text_seconds(&text, 10000000000ULL, false);
	text_puts(&text, " ");
	text_signed(&text, INT64_MIN);
	text_puts(&text, " ");
	text_unsigned(&text, UINT64_MAX);
	text_puts(&text, " ");
	text_double(&text, 1764037322.25);
	text_puts(&text, " ");
	text_double(&text, -3);
	text_put(&text, "", 1);
	assert_string_equal(text.data, "0.0 1.5 0.000000001 10 -9223372036854775808 "
				       "18446744073709551615 1764037322.25 -3");
	free(text.data);
}

static void test_encodings(void **state)
{
	static const char *const yes[] = { "gzip", "deflate, GZIP;q=0.1", "*", "gzip;q=1, *;q=0",
					   "br, x-gzip" };
	static const char *const no[] = { "",	   "identity",	    "gzip;q=0",
					  "*;q=0", "*, gzip;q=0.0", "gzipped" };

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(accept_gzip(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(accept_gzip(no[i]));
	assert_false(accept_gzip(NULL));
}

/* Of any size, also of what cannot be made smaller, zlib's own reader finds the same bytes. */
static void test_gzip(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, 1000000 };
	static uint8_t back[1 << 20];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct text in = { 0 }, out = { 0 };
		z_stream stream = { .next_out = back, .avail_out = sizeof(back) };

		assert_true(text_reserve(&in, sizes[i] + 1));
		for (; in.size < sizes[i]; in.size++)
			in.data[in.size] = (char)random();
		assert_int_equal(gzip_pack(&in, &out), 0);
		stream.next_in = (uint8_t *)out.data;
		stream.avail_in = (unsigned int)out.size;
		assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
		assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
		assert_int_equal(stream.total_out, sizes[i]);
		assert_int_equal(stream.avail_in, 0);
		assert_memory_equal(back, in.data, sizes[i]);
		inflateEnd(&stream);
		free(in.data);
		free(out.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_gzip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
