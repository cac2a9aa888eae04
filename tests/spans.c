/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter without an observer: started, confined and stopped as the daemon does it, fed with
 * spans by commands on standard input, one a line. Each is answered with one line of JSON.
 *
 *	usage: spans [FILE]		a configuration; the variables count too
 *
 *	requests N	N traces: GET /api/travels/{id} with a SELECT and a GET below
 *	odd		a span with every kind of text that is no UTF-8, or too long
 *	owners N	a span of each of N processes
 *	books		nothing but the answer
 *
 * At the end of the input it stops, with one last line.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine.h"
#include "export/otlp.h"
#include "export/otlp_encode.h"
#include "privileges.h"
#include "util/clock.h"
#include "util/memory.h"

static struct config config;
static struct identities *identities;
static struct otlp *otlp;
static struct span_owner owner;
static uint64_t ids, pushed, longest, spent;

static const char *const reasons[OTLP_DROPS] = {
	[OTLP_DROP_QUEUE_FULL] = "queue_full", [OTLP_DROP_TOO_LARGE] = "too_large",
	[OTLP_DROP_REJECTED] = "rejected",     [OTLP_DROP_REFUSED] = "refused",
	[OTLP_DROP_UNCLEAR] = "unclear",       [OTLP_DROP_UNREACHABLE] = "unreachable",
	[OTLP_DROP_SHUTDOWN] = "shutdown",
};

/* ---- spans ---- */

static void push(const struct span *span)
{
	uint64_t begin = clock_now(), took;

	otlp_push(otlp, span);
	took = clock_now() - begin;
	if (took > longest)
		longest = took;
	spent += took;
	pushed++;
}

static struct span make(uint64_t trace, uint64_t parent, enum span_kind kind, struct bytes name)
{
	uint64_t now = clock_now();
	struct span span = {
		.id = ++ids,
		.parent = parent,
		.flags = 1,
		.kind = (uint8_t)kind,
		.begin = now - 5 * NSEC_PER_MSEC,
		.end = now,
		.owner = owner,
		.name = name,
	};

	memset(span.trace, 0xab, sizeof(span.trace) - sizeof(trace));
	memcpy(span.trace + sizeof(span.trace) - sizeof(trace), &trace, sizeof(trace));
	return span;
}

static void push_request(uint64_t trace)
{
	static const char sql[] = "SELECT * FROM travels WHERE id = ?";
	struct span server = make(trace, 0, SPAN_SERVER, BYTES("GET /api/travels/{id}"));
	struct span query, command;

	server.state = BYTES("vendor=value");
	span_add_text(&server, SPAN_HTTP_REQUEST_METHOD, BYTES("GET"));
	span_add_text(&server, SPAN_HTTP_ROUTE, BYTES("/api/travels/{id}"));
	span_add_text(&server, SPAN_URL_PATH, BYTES("/api/travels/7"));
	span_add_integer(&server, SPAN_HTTP_RESPONSE_STATUS_CODE, 500);
	span_add_real(&server, SPAN_QUEUE_DURATION, 0.25);
	server.status = SPAN_ERROR;
	push(&server);
	query = make(trace, server.id, SPAN_CLIENT, BYTES("SELECT travels"));
	span_add_text(&query, SPAN_DB_SYSTEM_NAME, BYTES("postgresql"));
	span_add_text(&query, SPAN_DB_QUERY_TEXT, BYTES(sql));
	push(&query);
	command = make(trace, server.id, SPAN_CLIENT, BYTES("GET"));
	span_add_text(&command, SPAN_DB_SYSTEM_NAME, BYTES("redis"));
	push(&command);
}

static void push_odd(void)
{
	static char longer[3 * OTLP_TEXT_MOST], ours[2 * OTLP_TEXT_MOST];
	struct span span = make(~0ULL, 0, SPAN_SERVER, BYTES("odd \xff name"));

	for (size_t i = 0; i + 2 < sizeof(longer); i += 2)
		memcpy(longer + i, "\xc3\xa4", 2); /* cut within a character, were it cut blindly */
	longer[0] = 'x';
	longer[1] = 'y';
	memset(ours, 0x80, sizeof(ours));
	span_add_text(&span, SPAN_URL_PATH, BYTES("/\xc3\x28/\xed\xa0\x80/\xf0\x9f\x98\x80"));
	span_add_text(&span, SPAN_USER_AGENT_ORIGINAL, BYTES("a\0b"));
	span_add_text(&span, SPAN_DB_NAMESPACE, (struct bytes){ NULL, 0 });
	span_add_text(&span, SPAN_DB_QUERY_TEXT,
		      (struct bytes){ (const uint8_t *)longer + 1, sizeof(longer) - 1 });
	span_add_text(&span, SPAN_ERROR_TYPE,
		      (struct bytes){ (const uint8_t *)ours, sizeof(ours) });
	span_add_integer(&span, SPAN_SERVER_PORT, INT64_MIN);
	push(&span);
}

static void push_owners(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct span span = make(i, 0, SPAN_SERVER, BYTES("owned"));

		span.owner.tgid = 100000 + (uint32_t)i;
		push(&span);
	}
}

/* ---- books ---- */

static size_t resident(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%*u %lu", &pages) != 1)
		abort();
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void answer(const struct otlp_counts *counts)
{
	char news[OTLP_NEWS_SIZE] = "";
	json_t *dropped = json_object(), *books;
	enum otlp_news kind = otlp_news(otlp, news);

	for (int i = 0; i < OTLP_DROPS; i++)
		json_object_set_new(dropped, reasons[i],
				    json_integer((json_int_t)counts->dropped[i]));
	books = json_pack("{sI sI so sI sI sI sI sI sI sb sb sb ss}", "pushed", (json_int_t)pushed,
			  "exported", (json_int_t)counts->exported, "dropped", dropped, "failures",
			  (json_int_t)counts->failures, "retries", (json_int_t)counts->retries,
			  "queued", (json_int_t)counts->queued, "longest", (json_int_t)longest,
			  "spent", (json_int_t)spent, "resident", (json_int_t)resident(), "told",
			  kind != OTLP_NO_NEWS, "bad", kind == OTLP_FAILING, "warned",
			  kind == OTLP_WARNED, "news", news);
	json_dumpf(books, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(books);
}

static void obey(char *line)
{
	char *rest = line;
	const char *verb = strsep(&rest, " \n");
	uint64_t count = rest ? strtoull(rest, NULL, 10) : 0;
	struct otlp_counts counts;

	if (strcmp(verb, "requests") == 0)
		for (uint64_t i = 0; i < count; i++)
			push_request(++ids);
	else if (strcmp(verb, "odd") == 0)
		push_odd();
	else if (strcmp(verb, "owners") == 0)
		push_owners(count);
	counts = otlp_counts(otlp);
	answer(&counts);
}

/* ---- life ---- */

static int fail(const char *error)
{
	fprintf(stderr, "spans: %s\n", error);
	return 2;
}

int main(int argc, char **argv)
{
	char error[512], *line = NULL;
	uint64_t kept, left;
	size_t size = 0;
	int result;

	signal(SIGPIPE, SIG_IGN);
	if (config_load(argc > 1 ? argv[1] : NULL, &config, error, sizeof(error)) ||
	    otlp_open(&config.traces, &otlp, error, sizeof(error)))
		return fail(error);
	memory_limit(config.memory_limit, config.limits.series * CONFIG_SERIES_BYTES,
		     config_scrape_bytes(&config));
	if (identities_new(PROCESSES_LIMIT, IDENTITIES_LIMIT, &identities))
		return fail("no memory");
	owner = (struct span_owner){ .tgid = (uint32_t)getpid(), .process = 1 };
	owner.identity = identity_resolve(identities, owner.tgid, owner.process, NULL);
	privileges_reduce(0, &kept);
	result = confine(false);
	if (result && result != -EOPNOTSUPP)
		return fail("not confined");
	if (otlp_start(otlp, identities))
		return fail("not started");
	while (getline(&line, &size, stdin) > 0)
		obey(line);
	free(line);
	left = otlp_close(otlp);
	printf("{\"left\":%" PRIu64 "}\n", left);
	identities_free(identities);
	config_free(&config);
	return 0;
}
