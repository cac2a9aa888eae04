/* SPDX-License-Identifier: Apache-2.0 */
/* Real HTTP over the loopback: the endpoint on one thread's loop, clients as raw sockets in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "export/exposition.h"
#include "export/prometheus.h"
#include "sink/metrics.h"
#include "traffic.h"
#include "util/clock.h"

static struct config config;
static struct identities *identities;
static struct metrics *metrics;
static struct http *http;
static char answer[16 << 20];
static size_t answer_size;
static bool well = true;
static uint64_t longest; /* http_run(), ns */
static unsigned int collected;

static void collect(void *context, struct self_writer *writer)
{
	assert_ptr_equal(context, &config);
	collected++;
	self_write_build(writer);
	self_write_process(writer);
	self_family(writer, "onlooker_events_total", SELF_COUNTER, "Events read, by kind.");
	self_value(writer, 3, "kind", "da\"ta", NULL);
	self_value(writer, 4, "kind", "open", NULL);
}

static bool healthy(void *context, char reason[HTTP_REASON_SIZE])
{
	(void)context;
	if (!well)
		snprintf(reason, HTTP_REASON_SIZE, "programs \"x\"\nare gone");
	return well;
}

static const struct http_source *source(void)
{
	static struct http_source made = { .collect = collect,
					   .healthy = healthy,
					   .context = &config };

	made.series = metrics_series(metrics);
	return &made;
}

/* Whatever port is free. */
static struct config_listen any_port(void)
{
	struct config_listen listen = { .size = sizeof(struct sockaddr_in) };
	struct sockaddr_in *address = (struct sockaddr_in *)&listen.address;
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	close(fd);
	return listen;
}

/* Series of requests until there are at least `lines`; with exemplars, once there are any. */
static void fill(uint64_t lines)
{
	struct sink *sink = metrics_sink(metrics);
	struct connection served =
		traffic_connection(IDENTITY_NONE, &traffic_http, SIDE_SERVER, "10.0.0.9");

	for (unsigned int i = 0; series_lines(metrics_series(metrics)) < lines; i++) {
		struct exchange exchange = traffic_exchange(&served, "GET", i * 1234567);
		char target[64];

		snprintf(target, sizeof(target), "/api/some/longer/path-%u/{id}", i % 100);
		exchange.target = traffic_view(target);
		exchange.code = (uint16_t)(200 + i / 100);
		sink->exchange(sink, &exchange);
		if (metrics_observed(metrics))
			metrics_exemplar(
				metrics, metrics_observed(metrics),
				&(struct exemplar){ .duration = i * 1234567, .end = clock_now() });
	}
}

/* As the program's loop does it: runs when, and only when, the descriptor says so. */
static void run(int timeout)
{
	struct pollfd ready = { .fd = http_fd(http), .events = POLLIN };
	uint64_t begin;

	if (poll(&ready, 1, timeout) <= 0)
		return;
	begin = clock_now();
	http_run(http);
	if (clock_now() - begin > longest)
		longest = clock_now() - begin;
}

static struct config_listen listening;

static int client(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&listening.address, listening.size), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the server closes; at most 10 s. */
static void read_answer(int fd)
{
	uint64_t end = clock_now() + 10 * NSEC_PER_SEC;
	ssize_t n = -1;

	answer_size = 0;
	while (n != 0) {
		assert_true(clock_now() < end);
		n = recv(fd, answer + answer_size, sizeof(answer) - 1 - answer_size, MSG_DONTWAIT);
		if (n > 0)
			answer_size += (size_t)n;
		else if (n < 0)
			run(20);
	}
	answer[answer_size] = '\0';
	close(fd);
}

static void ask(const char *method, const char *path, const char *headers)
{
	char text[1024];
	int fd = client();

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
		 method, path, headers);
	send_text(fd, text);
	read_answer(fd);
}

static void contains(const char *text)
{
	if (!strcasestr(answer, text))
		fail_msg("no \"%s\" in %.1000s", text, answer);
}

static const char *body(void)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static int set_up(void **state)
{
	char error[256];

	(void)state;
	well = true;
	longest = 0;
	if (config_load(NULL, &config, error, sizeof(error)))
		return -1;
	config.limits.series = 200000; /* of which one service may have half */
	if (identities_new(16, 16, &identities) || metrics_new(&config, identities, &metrics))
		return -1;
	listening = any_port();
	return http_open(&listening, source(), &http);
}

static int tear_down(void **state)
{
	(void)state;
	http_close(http);
	metrics_free(metrics);
	identities_free(identities);
	config_free(&config);
	return 0;
}

static void test_formats(void **state)
{
	(void)state;
	fill(100);
	ask("GET", "/metrics", "");
	contains("HTTP/1.1 200 OK\r\n");
	contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	contains("\nonlooker_events_total{kind=\"da\\\"ta\"} 3\n");
	contains("\nonlooker_build_info{version=\"");
	contains("# TYPE process_cpu_seconds_total counter\n");
	contains("# TYPE process_start_time_seconds gauge\n");
	contains("# TYPE process_open_fds gauge\n");
	assert_null(strstr(answer, "# EOF"));
	ask("GET", "/metrics?x=1", "Accept: application/openmetrics-text;version=1.0.0\r\n");
	contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n");
	contains("# TYPE onlooker_events counter\nonlooker_events_total{");
	assert_string_equal(answer + answer_size - 6, "# EOF\n");
	ask("GET", "/metrics",
	    "Accept: text/plain;q=0.5\r\naccept: application/openmetrics-text\r\nAccept:\r\n");
	contains("Content-Type: application/openmetrics-text;");
}

/* Packed or not, it is the same scrape. */
static void test_gzip(void **state)
{
	static uint8_t plain[1 << 20];
	z_stream stream = { .next_out = plain, .avail_out = sizeof(plain) - 1 };

	(void)state;
	fill(2000);
	ask("GET", "/metrics", "Accept-Encoding: gzip\r\n");
	contains("Content-Encoding: gzip\r\n");
	contains("Vary: Accept, Accept-Encoding\r\n");
	stream.next_in = (uint8_t *)body();
	stream.avail_in = (unsigned int)(answer + answer_size - body());
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	plain[stream.total_out] = '\0';
	ask("GET", "/metrics", "");
	assert_null(strstr(answer, "Content-Encoding"));
	/* The series stand before the figures of the process. */
	assert_memory_equal(plain, body(), strstr(body(), "# HELP process_") - body());
	assert_non_null(strstr((char *)plain, "\nprocess_start_time_seconds "));
}

/* HEAD says what GET would have said. */
static void test_head(void **state)
{
	unsigned long long length = 0;
	const char *header;

	(void)state;
	fill(1000);
	ask("HEAD", "/metrics", "");
	contains("HTTP/1.1 200 OK\r\n");
	assert_string_equal(body(), "");
	header = strcasestr(answer, "Content-Length: ");
	assert_non_null(header);
	assert_int_equal(sscanf(header + 16, "%llu", &length), 1);
	ask("GET", "/metrics", "");
	/* The figures of the process may have another length by now. */
	assert_true(llabs((long long)length - (long long)strlen(body())) < 64);
	ask("HEAD", "/health", "");
	contains("HTTP/1.1 200 OK\r\n");
	assert_string_equal(body(), "");
}

static void test_refusals(void **state)
{
	(void)state;
	ask("GET", "/", "");
	contains("HTTP/1.1 404 ");
	ask("GET", "/metrics/", "");
	contains("HTTP/1.1 404 ");
	ask("POST", "/metrics", "Content-Length: 1000000000\r\n");
	contains("HTTP/1.1 405 ");
	contains("Allow: GET, HEAD\r\n");
	ask("DELETE", "/health", "");
	contains("HTTP/1.1 405 ");
	ask("GET", "/metrics", "Content-Length: 0\r\n");
	contains("HTTP/1.1 200 ");
	ask("nonsense", "", "");
	assert_non_null(strstr(answer, "HTTP/1."));
	assert_null(strstr(answer, " 200 "));
}

static void test_health(void **state)
{
	(void)state;
	ask("GET", "/health", "");
	contains("HTTP/1.1 200 OK\r\n");
	contains("Content-Type: application/json\r\n");
	assert_string_equal(body(), "{\"status\":\"ok\"}\n");
	well = false;
	ask("GET", "/health", "");
	contains("HTTP/1.1 503 ");
	assert_string_equal(
		body(), "{\"status\":\"unhealthy\",\"reason\":\"programs \\\"x\\\"_are gone\"}\n");
}

/* One connection, one scrape after the other. */
static void test_kept_alive(void **state)
{
	int fd = client();
	ssize_t n;

	(void)state;
	for (int i = 0; i < 3; i++) {
		send_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
		for (int tries = 0; tries < 100; tries++) {
			run(20);
			n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
			if (n > 0)
				break;
		}
		assert_true(n > 0);
		answer[n] = '\0';
		contains("HTTP/1.1 200 OK");
	}
	close(fd);
}

static void test_in_use(void **state)
{
	struct config_listen elsewhere = listening;
	struct http *second = NULL;

	(void)state;
	assert_int_equal(http_open(&listening, source(), &second), -EADDRINUSE);
	((struct sockaddr_in *)&elsewhere.address)->sin_addr.s_addr = htonl(0xc0000201);
	assert_int_equal(http_open(&elsewhere, source(), &second), -EADDRNOTAVAIL);
	assert_null(second);
	/* Closed, the port is free at once. */
	http_close(http);
	assert_int_equal(http_open(&listening, source(), &http), 0);
	ask("GET", "/health", "");
	contains("200 OK");
}

#define SLOW 10

/* Readers that take little or nothing, more than there may be: another is served as ever. */
static void test_slow_readers(void **state)
{
	int slow[SLOW], small = 4096;
	size_t whole = 0;
	uint64_t begin;

	(void)state;
	fill(60000);
	for (int i = 0; i < SLOW; i++) {
		slow[i] = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(slow[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		assert_int_equal(
			connect(slow[i], (struct sockaddr *)&listening.address, listening.size), 0);
		send_text(slow[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
		run(20);
		run(0);
		assert_int_equal(recv(slow[i], answer, 1, 0), 1);
	}
	begin = clock_now();
	for (int i = 0; i < 5; i++) {
		ask("GET", "/metrics", "");
		contains("HTTP/1.1 200 OK\r\n");
		whole = answer_size;
		assert_string_equal(answer + answer_size - 1, "\n");
		contains("\nprocess_start_time_seconds ");
	}
	print_message("60 000 series beside slow readers: %llu us, the loop was away for %llu us\n",
		      (unsigned long long)(clock_now() - begin) / 5000,
		      (unsigned long long)longest / 1000);
	assert_true(clock_now() - begin < 5 * NSEC_PER_SEC);
	/* The oldest one was given up: it ends before its time. */
	read_answer(slow[0]);
	assert_true(answer_size < whole - whole / 8);
	for (int i = 1; i < SLOW; i++)
		close(slow[i]);
}

/* Scrapes at the same time are one. */
static void test_many_at_once(void **state)
{
	int fds[30];

	(void)state;
	fill(1000);
	for (int i = 0; i < 30; i++) {
		fds[i] = client();
		send_text(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	}
	collected = 0;
	for (int i = 0; i < 30; i++) {
		read_answer(fds[i]);
		contains("HTTP/1.1 200 OK\r\n");
		assert_int_equal(answer[answer_size - 1], '\n');
	}
	assert_in_range(collected, 1, 10);
	print_message("30 scrapes at once: written %u times\n", collected);
}

/* The best of ten, ns. */
static uint64_t time_scrape(const char *headers)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 10; i++) {
		uint64_t begin = clock_now();

		ask("GET", "/metrics", headers);
		if (clock_now() - begin < best)
			best = clock_now() - begin;
	}
	return best;
}

/* The best of ten writings, ns. */
static uint64_t time_writing(enum exposition format)
{
	uint64_t best = UINT64_MAX;
	struct text text = { 0 };

	for (int i = 0; i < 10; i++) {
		uint64_t begin = clock_now();

		text.size = 0;
		assert_int_equal(
			exposition_write(&text, format, metrics_series(metrics), collect, &config),
			0);
		if (clock_now() - begin < best)
			best = clock_now() - begin;
	}
	text_free(&text);
	return best;
}

static void test_scrape_time(void **state)
{
	uint64_t plain, packed, write, exemplars;
	size_t plain_size;

	(void)state;
	assert_int_equal(metrics_exemplify(metrics), 0);
	fill(10000);
	plain = time_scrape("");
	plain_size = answer_size;
	packed = time_scrape("Accept-Encoding: gzip\r\n");
	write = time_writing(EXPOSITION_TEXT);
	exemplars = time_writing(EXPOSITION_OPENMETRICS);
	print_message(
		"10 000 series: written in %llu us; scraped in %llu us (%zu bytes), with gzip in "
		"%llu us (%zu bytes); written with %zu exemplars in %llu us\n",
		(unsigned long long)write / 1000, (unsigned long long)plain / 1000, plain_size,
		(unsigned long long)packed / 1000, answer_size,
		series_exemplars(metrics_series(metrics)), (unsigned long long)exemplars / 1000);
	assert_true(plain < 50 * NSEC_PER_MSEC && packed < 50 * NSEC_PER_MSEC);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_formats),	TEST(test_head),	 TEST(test_gzip),
		TEST(test_refusals),	TEST(test_health),	 TEST(test_kept_alive),
		TEST(test_in_use),	TEST(test_slow_readers), TEST(test_many_at_once),
		TEST(test_scrape_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
