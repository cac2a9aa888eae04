/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "options.h"

static char path[64];
static char error[1024];

static int write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	return fclose(file);
}

static int load(const char *text, struct config *ret)
{
	write_file(text);
	error[0] = '\0';
	return config_load(path, ret, error, sizeof(error));
}

/* The file is refused, with a message that names it and contains `message`; nothing is written. */
static void refuse(const char *text, const char *message)
{
	struct config config;
	struct config before;

	memset(&config, 0x5a, sizeof(config));
	before = config;
	assert_int_equal(load(text, &config), -EINVAL);
	assert_memory_equal(&config, &before, sizeof(config));
	if (strncmp(error, path, strlen(path)) != 0 || !strstr(error, message))
		fail_msg("for %s\n  expected: %s\n  got: %s", text, message, error);
}

static int set_up(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/onlooker-config-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static void test_defaults(void **state)
{
	struct config config;
	struct sockaddr_in *address = (struct sockaddr_in *)&config.listen.address;

	(void)state;
	assert_int_equal(config_load(NULL, &config, error, sizeof(error)), 0);
	assert_string_equal(config.listen.text, "0.0.0.0:9750");
	assert_int_equal(address->sin_family, AF_INET);
	assert_int_equal(ntohs(address->sin_port), 9750);
	assert_int_equal(config.backend, BACKEND_AUTO);
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
	assert_int_equal(config.endpoints.count, 0);
	assert_int_equal(config.http.count, 13);
	assert_int_equal(config.http.bound_ns[0], 1000000);
	assert_int_equal(config.http.bound_ns[12], 10000000000ULL);
	assert_int_equal(config.database.count, 16);
	assert_int_equal(config.database.bound_ns[0], 50000);
	assert_int_equal(config.cache.bound_ns[15], 5000000000ULL);
	assert_int_equal(config.limits.connections, 32768);
	assert_int_equal(config.limits.ring_bytes, 16777216);
	assert_int_equal(config.limits.endpoint_limit, 200);
	assert_int_equal(config.limits.peer_limit, 100);
	assert_int_equal(config.limits.series, 20000);
	assert_int_equal(config.limits.open_requests, 65536);
	assert_int_equal(config.memory_limit, 64 << 20);
	assert_int_equal(config.watch.count, 0);
	config_free(&config);
}

static void test_full(void **state)
{
	struct config config;
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&config.listen.address;

	(void)state;
	assert_int_equal(
		load("{\"listen\": \"[::1]:80\", \"backend\": \"fexit\","
		     "\"log_level\": \"critical\","
		     "\"endpoints\": [\"/api/travels/{id}\", \"/\"],"
		     "\"buckets\": {\"http\": [0.1, 1], \"cache\": [0.000001]},"
		     "\"limits\": {\"connections\": 16, \"ring_bytes\": 65536},"
		     "\"watch\": {\"exclude\": [{\"port\": 22}], \"include\":"
		     "[{\"executable\": \"*/redis*\", \"port\": 65535}, {\"cgroup\": \"/a/*\"}]}}",
		     &config),
		0);
	assert_int_equal(address->sin6_family, AF_INET6);
	assert_int_equal(config.listen.size, sizeof(*address));
	assert_int_equal(ntohs(address->sin6_port), 80);
	assert_int_equal(address->sin6_addr.s6_addr[15], 1);
	assert_int_equal(config.backend, BACKEND_FEXIT);
	assert_int_equal(config.log_level, LOG_LEVEL_CRITICAL);
	assert_int_equal(config.endpoints.count, 2);
	assert_string_equal(config.endpoints.patterns[0], "/api/travels/{id}");
	assert_int_equal(config.http.count, 2);
	assert_int_equal(config.http.bound_ns[1], 1000000000);
	assert_int_equal(config.cache.bound_ns[0], 1000);
	assert_int_equal(config.database.count, 16);
	assert_int_equal(config.limits.connections, 16);
	assert_int_equal(config.watch.count, 3);
	assert_true(config.watch.entries[0].exclude);
	assert_int_equal(config.watch.entries[0].port, 22);
	assert_null(config.watch.entries[0].executable);
	assert_false(config.watch.entries[1].exclude);
	assert_string_equal(config.watch.entries[1].executable, "*/redis*");
	assert_int_equal(config.watch.entries[1].port, 65535);
	assert_string_equal(config.watch.entries[2].cgroup, "/a/*");
	config_free(&config);
	assert_null(config.endpoints.patterns);
	assert_int_equal(config.watch.count, 0);
}

static void test_refused_file(void **state)
{
	struct config config;

	(void)state;
	refuse("{\n\n \"listen\": }", ": line 3: ");
	refuse("", ": line ");
	refuse("[]", ": the file: expected an object");
	refuse("{} {}", ": line 1: ");
	refuse("{\"listen\": \"1.2.3.4:1\",\n\"listen\": \"1.2.3.4:2\"}", "duplicate");
	refuse("{\"limits\": {\"series\": 200, \"series\": 200}}", "duplicate");
	assert_int_equal(config_load("/nonexistent/x.json", &config, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error,
			    "/nonexistent/x.json: cannot be read: No such file or directory");
	assert_int_equal(config_load("/tmp", &config, error, sizeof(error)), -EISDIR);
	assert_string_equal(error, "/tmp: cannot be read: Is a directory");
}

static void test_refused_keys(void **state)
{
	(void)state;
	refuse("{\"listne\": 1}", ": listne: unknown key");
	refuse("{\"limits\": {\"x\": 1}}", ": limits.x: unknown key");
	refuse("{\"limits.series\": 200}", ": limits.series: unknown key");
	refuse("{\"limits\": 3}", ": limits: expected an object");
	refuse("{\"watch\": []}", ": watch: expected an object");
	refuse("{\"log_level\": \"INFO\"}", ": log_level: expected \"debug\", ");
	refuse("{\"backend\": null}", ": backend: expected \"auto\", ");
	refuse("{\"backend\": \"kprobe\"}", ": backend: expected \"auto\", ");
}

static void test_refused_listen(void **state)
{
	static const char *const wrong[] = { "9750",	      ":9750",		"0.0.0.0",
					     "0.0.0.0:",      "0.0.0.0:0",	"0.0.0.0:65536",
					     "0.0.0.0:9750x", "localhost:9750", "::1:9750",
					     "[::1]",	      "[::1:9750",	"[]:1",
					     "0.0.0.0:+1",    "256.0.0.1:1",	"0.0.0.0:000001" };
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "{\"listen\": \"%s\"}", wrong[i]);
		refuse(text, ": listen: expected \"ADDRESS:PORT\"");
	}
	refuse("{\"listen\": 9750}", ": listen: expected \"ADDRESS:PORT\"");
}

static void test_refused_numbers(void **state)
{
	static const char *const wrong[] = { "\"connections\": 15",
					     "\"connections\": 1000001",
					     "\"connections\": \"64\"",
					     "\"connections\": 64.0",
					     "\"ring_bytes\": 65535",
					     "\"ring_bytes\": 100000",
					     "\"ring_bytes\": 0",
					     "\"ring_bytes\": -65536",
					     "\"ring_bytes\": 2147483648",
					     "\"ring_bytes\": -9223372036854775808",
					     "\"endpoint_limit\": 0",
					     "\"peer_limit\": true",
					     "\"series\": 99",
					     "\"open_requests\": 1" };
	char text[128], key[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "{\"limits\": {%s}}", wrong[i]);
		snprintf(key, sizeof(key), ": limits.%.*s: expected ",
			 (int)strcspn(wrong[i] + 1, "\""), wrong[i] + 1);
		refuse(text, key);
	}
}

/* What the limits make large has to fit into memory_limit. */
static void test_memory(void **state)
{
	struct config config;

	(void)state;
	refuse("{\"memory_limit\": 33554431}", ": memory_limit: expected an integer from 33554432");
	refuse("{\"memory_limit\": \"64M\"}", ": memory_limit: expected an integer");
	refuse("{\"limits\": {\"connections\": 1000000}}",
	       ": memory_limit: expected 87371520 or more for this limits.connections, ");
	refuse("{\"limits\": {\"series\": 1000000}}", ": memory_limit: expected 54280");
	assert_int_equal(
		load("{\"memory_limit\": 87371520, \"limits\": {\"connections\": 1000000}}",
		     &config),
		0);
	assert_int_equal(config.memory_limit, 87371520);
	config_free(&config);
	assert_int_equal(load("{\"memory_limit\": 33554432}", &config), 0);
	config_free(&config);
}

static void test_refused_lists(void **state)
{
	char text[8192] = "{\"watch\": {\"include\": [";
	int i;

	(void)state;
	refuse("{\"buckets\": {\"http\": []}}", ": buckets.http: expected 1 to 40 numbers");
	refuse("{\"buckets\": {\"http\": [0]}}", ": buckets.http: expected");
	refuse("{\"buckets\": {\"http\": [1, 1]}}", ": buckets.http: expected");
	refuse("{\"buckets\": {\"http\": [2, 1]}}", ": buckets.http: expected");
	refuse("{\"buckets\": {\"http\": [\"1\"]}}", ": buckets.http: expected");
	refuse("{\"buckets\": {\"database\": 1}}", ": buckets.database: expected");
	refuse("{\"buckets\": {\"cache\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"
	       "21,22,"
	       "23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41]}}",
	       ": buckets.cache: expected");
	refuse("{\"endpoints\": [\"/a\", \"b\"]}", ": endpoints: expected");
	refuse("{\"endpoints\": [1]}", ": endpoints: expected");
	refuse("{\"endpoints\": {}}", ": endpoints: expected");
	refuse("{\"endpoints\": [\"/ok\"], \"watch\": {\"include\": [{}]}}",
	       ": watch.include: expected a list");
	refuse("{\"watch\": {\"include\": [{\"executable\": \"a\"}, {\"exe\": \"a\"}]}}",
	       ": watch.include: expected");
	refuse("{\"watch\": {\"exclude\": [{\"executable\": \"a\", \"port\": 0}]}}",
	       ": watch.exclude: expected");
	refuse("{\"watch\": {\"exclude\": [{\"port\": 65536}]}}", ": watch.exclude: expected");
	refuse("{\"watch\": {\"exclude\": [{\"cgroup\": \"\"}]}}", ": watch.exclude: expected");
	refuse("{\"watch\": {\"exclude\": [\"a\"]}}", ": watch.exclude: expected");
	for (i = 0; i < 64; i++)
		strcat(text, i ? ",{\"port\": 1}" : "{\"port\": 1}");
	strcat(text, "], \"exclude\": [{\"executable\": \"a\"}]}}");
	refuse(text, ": watch.exclude: expected a list (64 entries");
}

static void parse(const char *const *words, int status, struct options *ret)
{
	char *argv[16] = { (char *)"onlooker" };
	int argc;

	for (argc = 1; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	error[0] = '\0';
	assert_int_equal(options_parse(argc, argv, ret, error, sizeof(error)), status);
}

#define PARSE(status, ret, ...) parse((const char *const[]){ __VA_ARGS__, NULL }, status, ret)

static void test_flags(void **state)
{
	struct options options = { .action = ACTION_RUN };
	struct config config;

	(void)state;
	write_file(
		"{\"listen\": \"127.0.0.1:1\", \"backend\": \"fexit\", \"log_level\": \"error\"}");
	PARSE(0, &options, "--config", path, "--listen=[::]:2", "--log-level", "debug");
	assert_int_equal(options.action, ACTION_RUN);
	assert_int_equal(options_config(&options, &config, error, sizeof(error)), 0);
	assert_string_equal(config.listen.text, "[::]:2");
	assert_int_equal(config.backend, BACKEND_FEXIT);
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
	config_free(&config);
	PARSE(0, &options, "check", "--backend", "tracepoint");
	assert_int_equal(options.action, ACTION_CHECK);
	PARSE(0, &options, "--version");
	assert_int_equal(options.action, ACTION_VERSION);
	PARSE(0, &options, "--version", "--help");
	assert_int_equal(options.action, ACTION_HELP);
}

static void test_refused_flags(void **state)
{
	struct options options = { .action = ACTION_CHECK };

	(void)state;
	PARSE(-EINVAL, &options, "--bogus");
	assert_string_equal(error, "--bogus: no such flag, see --help");
	PARSE(-EINVAL, &options, "--version", "-x");
	assert_string_equal(error, "-x: no such flag, see --help");
	PARSE(-EINVAL, &options, "--config");
	assert_string_equal(error, "--config: a value is missing");
	PARSE(-EINVAL, &options, "--help=1");
	assert_string_equal(error, "--help=1: takes no value");
	PARSE(-EINVAL, &options, "--backend", "kprobe");
	assert_string_equal(error, "--backend: expected \"auto\", \"tracepoint\" or \"fexit\"");
	PARSE(-EINVAL, &options, "run");
	assert_string_equal(error, "run: no such command, see --help");
	assert_int_equal(options.action, ACTION_CHECK);
}

/* Help comes from the tables: flags, keys and defaults are in it. */
static void test_description(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	options_help(out);
	fclose(out);
	assert_non_null(strstr(text, "--log-level LEVEL"));
	assert_non_null(strstr(text, "limits.ring_bytes"));
	assert_non_null(strstr(text, "default \"0.0.0.0:9750\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_full),
		cmocka_unit_test(test_refused_file),   cmocka_unit_test(test_refused_keys),
		cmocka_unit_test(test_refused_listen), cmocka_unit_test(test_refused_numbers),
		cmocka_unit_test(test_memory),	       cmocka_unit_test(test_refused_lists),
		cmocka_unit_test(test_flags),	       cmocka_unit_test(test_refused_flags),
		cmocka_unit_test(test_description),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
