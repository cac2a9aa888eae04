/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "export/accept.h"
#include "export/gzip.h"
#include "export/text.h"
#include "sink/families.h"
#include "sink/metrics.h"
#include "traffic.h"

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
	text_free(&text);
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
		text_free(&in);
		text_free(&out);
	}
}

/* ---- what Prometheus' own tool says of it ---- */

static void collect(void *context, struct self_writer *writer)
{
	(void)context;
	self_write_build(writer);
	self_write_process(writer);
}

/* Something in every metric. */
static void fill(struct sink *sink, uint32_t identity)
{
	static const struct protocol *const all[] = { &traffic_http, &traffic_database,
						      &traffic_cache };

	for (int i = 0; i < 6; i++) {
		struct connection connection = traffic_connection(
			identity, all[i / 2], i % 2 ? SIDE_CLIENT : SIDE_SERVER, "10.0.0.1:80");
		struct exchange exchange = traffic_exchange(&connection, "A\"B\\", 1000);

		connection.session = SESSION_TRANSACTION;
		sink->connection(sink, &connection, CONNECTION_OPENED, SESSION_NONE);
		sink->connection(sink, &connection, CONNECTION_SESSION, SESSION_NONE);
		exchange.code = 200;
		exchange.hits = 1;
		exchange.target = BYTES("/a\"b\\c\nd/\xe2\x82\xac");
		sink->exchange(sink, &exchange);
		sink->connection(sink, &connection, CONNECTION_CLOSED, SESSION_NONE);
		sink->connection(sink, &connection, CONNECTION_FAILED, SESSION_NONE);
	}
}

static void check(const struct text *scrape)
{
	char path[] = "/tmp/onlooker-scrape-XXXXXX", command[128], said[4096];
	int fd = mkstemp(path), status;
	FILE *tool;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, scrape->data, scrape->size), scrape->size);
	close(fd);
	snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1", path);
	tool = popen(command, "r");
	assert_non_null(tool);
	said[fread(said, 1, sizeof(said) - 1, tool)] = '\0';
	status = pclose(tool);
	unlink(path);
	assert_string_equal(said, "");
	assert_int_equal(status, 0);
}

static void test_promtool(void **state)
{
	struct identities *identities = NULL;
	struct metrics *metrics = NULL;
	struct text scrape = { 0 };
	struct config config;
	char error[256];

	(void)state;
	if (system("command -v promtool >/dev/null 2>&1") != 0) {
		print_message("promtool is not there\n");
		skip();
	}
	assert_int_equal(config_load(NULL, &config, error, sizeof(error)), 0);
	assert_int_equal(identities_new(16, 16, &identities), 0);
	assert_int_equal(metrics_new(&config, identities, &metrics), 0);
	fill(metrics_sink(metrics), traffic_identity(identities, "shop"));
	for (unsigned int i = 0; i < METRICS; i++)
		assert_non_null(series_first(metrics_series(metrics), i));
	assert_int_equal(
		exposition_write(&scrape, EXPOSITION_TEXT, metrics_series(metrics), collect, NULL),
		0);
	check(&scrape);
	text_free(&scrape);
	metrics_free(metrics);
	identities_free(identities);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),	 cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_promtool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
