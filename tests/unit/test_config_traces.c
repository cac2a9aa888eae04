/* SPDX-License-Identifier: Apache-2.0 */
/* The keys "traces.*", and the standard variables that stand for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "util/clock.h"

#define EXPORTER "OTEL_EXPORTER_OTLP_"

static char path[64];
static char error[1024];

/* The environment is what these words say, NAME=VALUE each; `text` NULL: there is no file. */
static int load(const char *text, const char *const *words, struct config *ret)
{
	FILE *file;

	clearenv();
	for (; *words; words++)
		putenv((char *)*words);
	error[0] = '\0';
	if (!text)
		return config_load(NULL, ret, error, sizeof(error));
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return config_load(path, ret, error, sizeof(error));
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NOTHING ((const char *const[]){ NULL })

static struct config take(const char *text, const char *const *words)
{
	struct config config;

	if (load(text, words, &config))
		fail_msg("%s %s: %s", text ? text : "", words[0] ? words[0] : "", error);
	return config;
}

static void refuse(const char *text, const char *const *words, const char *message)
{
	struct config config, before;

	memset(&config, 0x5a, sizeof(config));
	before = config;
	assert_int_equal(load(text, words, &config), -EINVAL);
	assert_memory_equal(&config, &before, sizeof(config));
	if (!strstr(error, message))
		fail_msg("expected: %s\n  got: %s", message, error);
}

static int set_up(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/onlooker-traces-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static const char *find(const struct config_pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strcmp(pairs->list[i].name, name) == 0)
			return pairs->list[i].value;
	return NULL;
}

/* ---- the file ---- */

static void test_defaults(void **state)
{
	struct config config = take(NULL, NOTHING);
	struct config_traces *traces = &config.traces;

	(void)state;
	assert_false(config_traces_on(traces));
	assert_null(traces->endpoint);
	assert_null(traces->certificate);
	assert_null(traces->service);
	assert_int_equal(traces->headers.count, 0);
	assert_int_equal(traces->timeout, 10 * NSEC_PER_SEC);
	assert_int_equal(traces->compression, COMPRESSION_GZIP);
	assert_int_equal(traces->sampler, SAMPLER_PARENT_RATIO);
	assert_true(traces->ratio == 0.1);
	assert_int_equal(traces->slow, 0);
	assert_true(traces->tasks);
	assert_int_equal(traces->queue, 2048);
	assert_int_equal(traces->batch, 512);
	assert_int_equal(traces->delay, 5 * NSEC_PER_SEC);
	assert_int_equal(traces->flush, 3 * NSEC_PER_SEC);
	config_free(&config);
}

static void test_full(void **state)
{
	struct config config =
		take("{\"traces\": {\"endpoint\": \"https://[::1]:4318/x\", \"compression\":"
		     "\"none\", \"headers\": {\"Authorization\": \"Basic a==\", \"x-b\": \"\"},"
		     "\"certificate\": \"/ca\", \"client_certificate\": \"/c\","
		     "\"client_key\": \"/k\", \"timeout\": 0.25, \"sampler\": \"always_off\","
		     "\"tasks\": false, \"ratio\": 1, \"slow\": 0.001, \"queue\": 64, \"batch\": 1,"
		     "\"delay\": 1, \"retry\": 0, \"flush\": 0, \"service\": \"all\","
		     "\"resource\": {\"deployment.environment.name\": \"test\"}}}",
		     NOTHING);
	struct config_traces *traces = &config.traces;

	(void)state;
	assert_true(config_traces_on(traces));
	assert_string_equal(traces->endpoint, "https://[::1]:4318/x");
	assert_string_equal(find(&traces->headers, "Authorization"), "Basic a==");
	assert_string_equal(find(&traces->headers, "x-b"), "");
	assert_string_equal(traces->certificate, "/ca");
	assert_string_equal(traces->client_certificate, "/c");
	assert_string_equal(traces->client_key, "/k");
	assert_int_equal(traces->timeout, 250 * NSEC_PER_MSEC);
	assert_int_equal(traces->compression, COMPRESSION_NONE);
	assert_int_equal(traces->sampler, SAMPLER_ALWAYS_OFF);
	assert_true(traces->ratio == 1);
	assert_int_equal(traces->slow, NSEC_PER_MSEC);
	assert_false(traces->tasks);
	assert_int_equal(traces->queue, 64);
	assert_int_equal(traces->batch, 1);
	assert_int_equal(traces->retry, 0);
	assert_string_equal(traces->service, "all");
	assert_string_equal(find(&traces->resource, "deployment.environment.name"), "test");
	config_free(&config);
	assert_null(traces->endpoint);
	assert_null(traces->headers.list);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = { "\"endpoint\": \"host:4318\"",
					     "\"endpoint\": \"http://\"",
					     "\"endpoint\": \"http:///v1\"",
					     "\"endpoint\": \"ftp://x\"",
					     "\"endpoint\": \"http://a b\"",
					     "\"endpoint\": 4318",
					     "\"headers\": {\"a b\": \"c\"}",
					     "\"headers\": {\"a\": \"b\\r\\nc: d\"}",
					     "\"headers\": {\"\": \"c\"}",
					     "\"headers\": {\"a\": 1}",
					     "\"headers\": [\"a\"]",
					     "\"certificate\": \"\"",
					     "\"client_key\": 7",
					     "\"timeout\": 0",
					     "\"timeout\": 3601",
					     "\"compression\": \"zstd\"",
					     "\"sampler\": \"jaeger_remote\"",
					     "\"ratio\": 1.01",
					     "\"ratio\": -0.1",
					     "\"ratio\": \"0.1\"",
					     "\"slow\": -1",
					     "\"tasks\": 1",
					     "\"tasks\": \"false\"",
					     "\"tasks\": null",
					     "\"queue\": 63",
					     "\"batch\": 0",
					     "\"delay\": 0.001",
					     "\"retry\": -1",
					     "\"flush\": 61",
					     "\"service\": \"a\\u0007\"",
					     "\"resource\": {\"a\": null}" };
	char text[128], key[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "{\"traces\": {%s}}", wrong[i]);
		snprintf(key, sizeof(key), ": traces.%.*s: expected ",
			 (int)strcspn(wrong[i] + 1, "\""), wrong[i] + 1);
		refuse(text, NOTHING, key);
	}
	refuse("{\"traces\": {\"x\": 1}}", NOTHING, ": traces.x: unknown key");
	refuse("{\"traces\": {\"endpoint\": \"http://x\", \"queue\": 65536}}", NOTHING,
	       "memory_limit: expected ");
	refuse("{\"traces\": {\"resource\": {\"a\": \"\"}, \"headers\": 1}}", NOTHING,
	       ": traces.headers: expected ");
}

/* ---- the environment ---- */

static void expect_endpoint(const char *const *words, const char *endpoint)
{
	struct config config = take(NULL, words);

	if (endpoint)
		assert_string_equal(config.traces.endpoint, endpoint);
	else
		assert_null(config.traces.endpoint);
	config_free(&config);
}

static void test_endpoint(void **state)
{
	(void)state;
	expect_endpoint(WORDS(EXPORTER "ENDPOINT=http://a:1"), "http://a:1/v1/traces");
	expect_endpoint(WORDS(EXPORTER "ENDPOINT=http://a:1/"), "http://a:1/v1/traces");
	expect_endpoint(WORDS(EXPORTER "ENDPOINT=https://a/b"), "https://a/b/v1/traces");
	expect_endpoint(WORDS(EXPORTER "TRACES_ENDPOINT=http://a:1/"), "http://a:1/");
	expect_endpoint(WORDS(EXPORTER "TRACES_ENDPOINT=http://a", EXPORTER "ENDPOINT=http://b"),
			"http://a");
	expect_endpoint(WORDS(EXPORTER "TRACES_ENDPOINT=", EXPORTER "ENDPOINT=http://b"),
			"http://b/v1/traces");
	expect_endpoint(WORDS(EXPORTER "ENDPOINT="), NULL);
	expect_endpoint(WORDS(EXPORTER "ENDPOINT=http://b", "OTEL_TRACES_EXPORTER=none"), NULL);
	expect_endpoint(WORDS(EXPORTER "ENDPOINT=http://b", EXPORTER "PROTOCOL=http/protobuf",
			      "OTEL_TRACES_EXPORTER=otlp"),
			"http://b/v1/traces");
}

static void test_variables(void **state)
{
	struct config config = take(
		NULL, WORDS(EXPORTER "HEADERS= api-key = a%20b%3D ,, x=1=2",
			    EXPORTER "CERTIFICATE=/ca", EXPORTER "TRACES_CERTIFICATE=/better",
			    EXPORTER "CLIENT_CERTIFICATE=/c", EXPORTER "CLIENT_KEY=/k",
			    EXPORTER "TIMEOUT=1500", EXPORTER "TRACES_COMPRESSION=none",
			    EXPORTER "COMPRESSION=gzip", "OTEL_SERVICE_NAME=all",
			    "OTEL_RESOURCE_ATTRIBUTES=a=%C3%A4,b=", "OTEL_BSP_SCHEDULE_DELAY=1000",
			    "OTEL_BSP_MAX_QUEUE_SIZE=100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10"));
	struct config_traces *traces = &config.traces;

	(void)state;
	assert_int_equal(traces->headers.count, 2);
	assert_string_equal(find(&traces->headers, "api-key"), "a b=");
	assert_string_equal(find(&traces->headers, "x"), "1=2");
	assert_string_equal(traces->certificate, "/better");
	assert_string_equal(traces->client_certificate, "/c");
	assert_string_equal(traces->client_key, "/k");
	assert_int_equal(traces->timeout, 1500 * NSEC_PER_MSEC);
	assert_int_equal(traces->compression, COMPRESSION_NONE);
	assert_string_equal(traces->service, "all");
	assert_string_equal(find(&traces->resource, "a"), "\xc3\xa4");
	assert_string_equal(find(&traces->resource, "b"), "");
	assert_int_equal(traces->delay, NSEC_PER_SEC);
	assert_int_equal(traces->queue, 100);
	assert_int_equal(traces->batch, 10);
	config_free(&config);
}

static void expect_sampler(const char *const *words, enum config_sampler sampler, double ratio)
{
	struct config config = take(NULL, words);

	assert_int_equal(config.traces.sampler, sampler);
	assert_true(config.traces.ratio == ratio);
	config_free(&config);
}

static void test_sampler(void **state)
{
	(void)state;
	expect_sampler(WORDS("OTEL_TRACES_SAMPLER=always_on"), SAMPLER_ALWAYS_ON, 0.1);
	expect_sampler(WORDS("OTEL_TRACES_SAMPLER=traceidratio"), SAMPLER_RATIO, 1);
	expect_sampler(WORDS("OTEL_TRACES_SAMPLER=parentbased_traceidratio",
			     "OTEL_TRACES_SAMPLER_ARG=0.25"),
		       SAMPLER_PARENT_RATIO, 0.25);
	expect_sampler(WORDS("OTEL_TRACES_SAMPLER_ARG=0.5"), SAMPLER_PARENT_RATIO, 0.5);
	/* Another sampler's argument. */
	expect_sampler(
		WORDS("OTEL_TRACES_SAMPLER=parentbased_always_on", "OTEL_TRACES_SAMPLER_ARG=x"),
		SAMPLER_PARENT_ALWAYS_ON, 0.1);
}

static void test_refused_variables(void **state)
{
	(void)state;
	refuse(NULL, WORDS(EXPORTER "ENDPOINT=localhost:4318"),
	       EXPORTER "ENDPOINT: expected a URL");
	refuse(NULL, WORDS(EXPORTER "TRACES_ENDPOINT=ftp://x"),
	       EXPORTER "TRACES_ENDPOINT: expected a URL");
	refuse(NULL, WORDS(EXPORTER "ENDPOINT=http://b", EXPORTER "PROTOCOL=grpc"),
	       EXPORTER "PROTOCOL: expected http/protobuf");
	refuse(NULL, WORDS("OTEL_TRACES_EXPORTER=zipkin"), "OTEL_TRACES_EXPORTER: expected otlp");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a"), EXPORTER "HEADERS: expected name=value");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a=%0"), EXPORTER "HEADERS: expected");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a=%0g"), EXPORTER "HEADERS: expected");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a=100%"), "a comma or % within written as %2C or %25");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a=b%00c"), EXPORTER "HEADERS: expected");
	refuse(NULL, WORDS("OTEL_RESOURCE_ATTRIBUTES=a%00b=c"),
	       "OTEL_RESOURCE_ATTRIBUTES: expected");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a=b%0d%0ac: d"), EXPORTER "HEADERS: expected");
	refuse(NULL, WORDS(EXPORTER "HEADERS=a%20b=c"), EXPORTER "HEADERS: expected");
	refuse(NULL, WORDS(EXPORTER "TRACES_TIMEOUT=10s"), EXPORTER "TRACES_TIMEOUT: expected an");
	refuse(NULL, WORDS(EXPORTER "TIMEOUT=0"), EXPORTER "TIMEOUT: expected an integer of milli");
	refuse(NULL, WORDS(EXPORTER "COMPRESSION=zstd"), EXPORTER "COMPRESSION: expected gzip");
	refuse(NULL, WORDS("OTEL_RESOURCE_ATTRIBUTES=\xff=1"),
	       "OTEL_RESOURCE_ATTRIBUTES: expected");
	refuse(NULL, WORDS("OTEL_TRACES_SAMPLER=xray"), "OTEL_TRACES_SAMPLER: expected");
	refuse(NULL, WORDS("OTEL_TRACES_SAMPLER_ARG=nan"), "OTEL_TRACES_SAMPLER_ARG: expected a");
	refuse(NULL, WORDS("OTEL_BSP_MAX_QUEUE_SIZE=99999999999999999999"),
	       "OTEL_BSP_MAX_QUEUE_SIZE: expected an integer from");
	refuse(NULL, WORDS(EXPORTER "ENDPOINT=http://b", "OTEL_BSP_MAX_QUEUE_SIZE=65536"),
	       "memory_limit: expected ");
}

/* ---- both ---- */

static void test_file_wins(void **state)
{
	struct config config = take("{\"traces\": {\"endpoint\": \"http://file\", \"ratio\": 0.2}}",
				    WORDS(EXPORTER "ENDPOINT=http://b", EXPORTER "TIMEOUT=1",
					  "OTEL_TRACES_SAMPLER_ARG=0.5"));

	(void)state;
	assert_string_equal(config.traces.endpoint, "http://file");
	assert_true(config.traces.ratio == 0.2);
	assert_int_equal(config.traces.timeout, NSEC_PER_MSEC);
	config_free(&config);
	config = take("{\"traces\": {\"endpoint\": null}}", WORDS(EXPORTER "ENDPOINT=http://b"));
	assert_false(config_traces_on(&config.traces));
	config_free(&config);
	/* What the variables say of another collector, not of this one. */
	config = take("{\"traces\": {\"endpoint\": \"http://file\"}}",
		      WORDS(EXPORTER "ENDPOINT=b:4317", EXPORTER "PROTOCOL=grpc",
			    "OTEL_TRACES_EXPORTER=console"));
	assert_string_equal(config.traces.endpoint, "http://file");
	config_free(&config);
}

static void test_disabled(void **state)
{
	struct config config = take("{\"traces\": {\"endpoint\": \"http://file\"}}",
				    WORDS("OTEL_SDK_DISABLED=TRUE"));

	(void)state;
	assert_false(config_traces_on(&config.traces));
	config_free(&config);
	config = take(NULL, WORDS(EXPORTER "ENDPOINT=b:4317", EXPORTER "PROTOCOL=grpc",
				  "OTEL_SDK_DISABLED=true"));
	assert_false(config_traces_on(&config.traces));
	config_free(&config);
	config = take(NULL, WORDS(EXPORTER "ENDPOINT=http://b", "OTEL_SDK_DISABLED=1"));
	assert_true(config_traces_on(&config.traces));
	config_free(&config);
}

/* What is in use stays with its texts; the sampling is the next one's. */
static void test_reread(void **state)
{
	struct config now = take("{\"traces\": {\"endpoint\": \"http://a\"}}", NOTHING);
	struct config same =
		take("{\"traces\": {\"endpoint\": \"http://a\", \"ratio\": 0.7}}", NOTHING);
	struct config other = take("{\"traces\": {\"endpoint\": \"http://a\","
				   "\"headers\": {\"a\": \"b\"}}}",
				   NOTHING);
	const char *endpoint = now.traces.endpoint;

	(void)state;
	assert_false(config_traces_differ(&now.traces, &same.traces));
	assert_true(config_traces_differ(&now.traces, &other.traces));
	same.traces.tasks = false;
	assert_true(config_traces_differ(&now.traces, &same.traces));
	same.traces.tasks = true;
	config_traces_keep(&now.traces, &same.traces);
	config_free(&now);
	assert_ptr_equal(same.traces.endpoint, endpoint);
	assert_string_equal(same.traces.endpoint, "http://a");
	assert_true(same.traces.ratio == 0.7);
	config_free(&same);
	config_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),	  cmocka_unit_test(test_full),
		cmocka_unit_test(test_refused),		  cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_variables),	  cmocka_unit_test(test_sampler),
		cmocka_unit_test(test_refused_variables), cmocka_unit_test(test_file_wins),
		cmocka_unit_test(test_disabled),	  cmocka_unit_test(test_reread),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
