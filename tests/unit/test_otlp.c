/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "export/otlp.h"
#include "util/clock.h"

static struct config config;

/* Where nobody listens, as long as the socket is there. */
static int nowhere(char ret[64])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(ret, 64, "http://127.0.0.1:%u/", ntohs(address.sin_port));
	return fd;
}

static void push(struct otlp *otlp)
{
	struct span span = { .trace = { 1 }, .id = 1, .kind = SPAN_SERVER, .name = BYTES("GET /") };

	span.begin = span.end = clock_now();
	otlp_push(otlp, &span);
}

/*
 * The configuration is reread while the exporter's thread runs: for a moment there is another one
 * where the exporter's was, which is none of its business.
 */
static void test_reread(void **state)
{
	const struct timespec pause = { .tv_nsec = 20 * NSEC_PER_MSEC };
	struct identities *identities;
	char error[512], url[64];
	int fd = nowhere(url);
	struct otlp *otlp;
	uint64_t end;

	(void)state;
	assert_int_equal(config_load(NULL, &config, error, sizeof(error)), 0);
	config.traces.endpoint = strdup(url);
	config.traces.delay = 10 * NSEC_PER_MSEC;
	config.traces.retry = 0; /* given up at once */
	assert_int_equal(identities_new(16, 16, &identities), 0);
	assert_int_equal(otlp_open(&config.traces, &otlp, error, sizeof(error)), 0);
	config.traces.delay = 3600 * NSEC_PER_SEC;
	config.traces.retry = 3600 * NSEC_PER_SEC;
	assert_int_equal(otlp_start(otlp, identities), 0);
	push(otlp);
	for (end = clock_now() + 10 * NSEC_PER_SEC; clock_now() < end; nanosleep(&pause, NULL)) {
		if (otlp_counts(otlp).dropped[OTLP_DROP_UNREACHABLE])
			break;
	}
	assert_int_equal(otlp_counts(otlp).dropped[OTLP_DROP_UNREACHABLE], 1);
	assert_int_equal(otlp_close(otlp), 0);
	identities_free(identities);
	config_free(&config);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
