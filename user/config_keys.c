/* SPDX-License-Identifier: Apache-2.0 */
#include "config_keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024 * 1024)
#define GIB (1024LL * MIB)

static const char *const backend_choice[] = { "auto", "tracepoint", "fexit", NULL };
static const char *const level_choice[] = { "debug", "info", "warning", "error", "critical", NULL };

int config_set_integer(const struct key *key, const json_t *value, void *where)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < key->least || n > key->most)
		return -EINVAL;
	*(uint64_t *)where = (uint64_t)n;
	return 0;
}

static int set_power_of_two(const struct key *key, const json_t *value, void *where)
{
	json_int_t n = json_integer_value(value);

	return n < 1 || (n & (n - 1)) ? -EINVAL : config_set_integer(key, value, where);
}

int config_set_choice(const struct key *key, const json_t *value, void *where)
{
	const char *text = json_string_value(value);
	unsigned int i;

	for (i = 0; text && key->choice[i]; i++) {
		if (strcmp(text, key->choice[i]) == 0) {
			*(unsigned int *)where = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned int port = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && i < 5; i++)
		port = port * 10 + (unsigned int)(text[i] - '0');
	if (i == 0 || text[i] || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* "1.2.3.4:80" or "[::1]:80". No host names: they could change their meaning between two starts. */
static int set_listen(const struct key *key, const json_t *value, void *where)
{
	struct config_listen listen = { .size = 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&listen.address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&listen.address;
	const char *text = json_string_value(value);
	const char *colon = text ? strrchr(text, ':') : NULL;
	char host[sizeof(listen.text)];
	uint16_t port;
	size_t size;

	(void)key;
	if (!colon || strlen(text) >= sizeof(listen.text) || parse_port(colon + 1, &port))
		return -EINVAL;
	size = (size_t)(colon - text);
	memcpy(host, text, size);
	host[size] = '\0';
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		listen.size = sizeof(*v4);
	} else {
		if (size < 2 || host[0] != '[' || host[size - 1] != ']')
			return -EINVAL;
		host[size - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
			return -EINVAL;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		listen.size = sizeof(*v6);
	}
	memcpy(listen.text, text, strlen(text) + 1);
	*(struct config_listen *)where = listen;
	return 0;
}

static int set_buckets(const struct key *key, const json_t *value, void *where)
{
	struct config_buckets buckets = { .count = json_array_size(value) };
	size_t i;

	(void)key;
	if (buckets.count < 1 || buckets.count > CONFIG_BUCKETS)
		return -EINVAL;
	for (i = 0; i < buckets.count; i++) {
		const json_t *item = json_array_get(value, i);
		double seconds = json_number_value(item);

		if (!json_is_number(item) || !(seconds >= 1e-9 && seconds <= 1e6))
			return -EINVAL;
		buckets.bound_ns[i] = (uint64_t)llround(seconds * 1e9);
		if (i > 0 && buckets.bound_ns[i] <= buckets.bound_ns[i - 1])
			return -EINVAL;
	}
	*(struct config_buckets *)where = buckets;
	return 0;
}

static void release_endpoints(void *where)
{
	struct config_endpoints *endpoints = where;
	size_t i;

	for (i = 0; i < endpoints->count; i++)
		free(endpoints->patterns[i]);
	free(endpoints->patterns);
	*endpoints = (struct config_endpoints){ NULL, 0 };
}

static int set_endpoints(const struct key *key, const json_t *value, void *where)
{
	struct config_endpoints endpoints = { NULL, 0 };
	size_t count = json_array_size(value);
	int err = 0;

	(void)key;
	if (!json_is_array(value) || count > CONFIG_ENDPOINTS)
		return -EINVAL;
	endpoints.patterns = calloc(count + 1, sizeof(*endpoints.patterns));
	if (!endpoints.patterns)
		return -ENOMEM;
	while (endpoints.count < count && !err) {
		const char *text = json_string_value(json_array_get(value, endpoints.count));

		if (!text || text[0] != '/' || strlen(text) > CONFIG_TEXT)
			err = -EINVAL;
		else if (!(endpoints.patterns[endpoints.count++] = strdup(text)))
			err = -ENOMEM;
	}
	if (err) {
		release_endpoints(&endpoints);
		return err;
	}
	release_endpoints(where);
	*(struct config_endpoints *)where = endpoints;
	return 0;
}

static void release_entry(struct config_watch_entry *entry)
{
	free(entry->executable);
	free(entry->cgroup);
}

static void release_watch(void *where)
{
	struct config_watch *watch = where;

	while (watch->count > 0)
		release_entry(&watch->entries[--watch->count]);
}

static int copy_glob(const json_t *value, char **ret)
{
	const char *text = json_string_value(value);

	if (!text || !text[0] || strlen(text) > CONFIG_TEXT || *ret)
		return -EINVAL;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int read_entry(json_t *value, struct config_watch_entry *ret)
{
	struct config_watch_entry entry = { .exclude = ret->exclude };
	const char *name;
	json_t *member;
	int err = json_object_size(value) > 0 ? 0 : -EINVAL;

	json_object_foreach(value, name, member) {
		json_int_t port = json_integer_value(member);

		if (err)
			break;
		if (strcmp(name, "executable") == 0)
			err = copy_glob(member, &entry.executable);
		else if (strcmp(name, "cgroup") == 0)
			err = copy_glob(member, &entry.cgroup);
		else if (strcmp(name, "port") == 0 && port >= 1 && port <= UINT16_MAX)
			entry.port = (uint16_t)port;
		else
			err = -EINVAL;
	}
	if (err)
		release_entry(&entry);
	else
		*ret = entry;
	return err;
}

/* Both lists fill one array, so that an entry's number is its bit. */
static int set_watch(const json_t *value, struct config_watch *watch, bool exclude)
{
	size_t before = watch->count;
	size_t i;
	int err;

	if (!json_is_array(value) || json_array_size(value) > CONFIG_WATCHES - before)
		return -EINVAL;
	for (i = 0; i < json_array_size(value); i++) {
		watch->entries[watch->count].exclude = exclude;
		err = read_entry(json_array_get(value, i), &watch->entries[watch->count]);
		if (err)
			goto undo;
		watch->count++;
	}
	return 0;
undo:
	while (watch->count > before)
		release_entry(&watch->entries[--watch->count]);
	return err;
}

static int set_include(const struct key *key, const json_t *value, void *where)
{
	(void)key;
	return set_watch(value, where, false);
}

static int set_exclude(const struct key *key, const json_t *value, void *where)
{
	(void)key;
	return set_watch(value, where, true);
}

#define EXPECTED_BUCKETS "1 to 40 numbers of seconds, above 0 and strictly increasing"
#define EXPECTED_WATCH                                                                      \
	"a list (64 entries in both lists at most) of objects with any of \"executable\", " \
	"\"cgroup\" (globs) and \"port\" (1 to 65535), at least one"
#define DATABASE_BUCKETS                                                                   \
	"[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1," \
	" 0.25, 0.5, 1, 2.5, 5]"

#define AT(member) .offset = offsetof(struct config, member)
#define INTEGER(name_, member, least_, most_, expected_, fallback_, meaning_) \
	{ .name = (name_),                                                    \
	  .set = config_set_integer,                                          \
	  AT(member),                                                         \
	  .least = (least_),                                                  \
	  .most = (most_),                                                    \
	  .expected = (expected_),                                            \
	  .fallback = (fallback_),                                            \
	  .meaning = (meaning_) }

const struct key config_keys[] = {
	{ .name = "listen",
	  .set = set_listen,
	  AT(listen),
	  .expected = "\"ADDRESS:PORT\" with an IPv4 or a bracketed IPv6 address, port 1 to 65535",
	  .fallback = "\"0.0.0.0:9750\"",
	  .meaning = "where /metrics and /health are served" },
	{ .name = "backend",
	  .set = config_set_choice,
	  AT(backend),
	  .choice = backend_choice,
	  .expected = "\"auto\", \"tracepoint\" or \"fexit\"",
	  .fallback = "\"auto\"",
	  .meaning = "how to attach to the kernel" },
	{ .name = "log_level",
	  .set = config_set_choice,
	  AT(log_level),
	  .choice = level_choice,
	  .expected = "\"debug\", \"info\", \"warning\", \"error\" or \"critical\"",
	  .fallback = "\"info\"",
	  .meaning = "the least important lines to log" },
	{ .name = "endpoints",
	  .set = set_endpoints,
	  .release = release_endpoints,
	  AT(endpoints),
	  .expected = "a list of path patterns that begin with \"/\"",
	  .fallback = "[]",
	  .meaning = "routes, tried in order before paths are folded" },
	{ .name = "buckets.http",
	  .set = set_buckets,
	  AT(http),
	  .expected = EXPECTED_BUCKETS,
	  .fallback = "[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]",
	  .meaning = "histogram bounds of HTTP durations" },
	{ .name = "buckets.database",
	  .set = set_buckets,
	  AT(database),
	  .expected = EXPECTED_BUCKETS,
	  .fallback = DATABASE_BUCKETS,
	  .meaning = "histogram bounds of database queries" },
	{ .name = "buckets.cache",
	  .set = set_buckets,
	  AT(cache),
	  .expected = EXPECTED_BUCKETS,
	  .fallback = DATABASE_BUCKETS,
	  .meaning = "histogram bounds of Redis commands" },
	INTEGER("memory_limit", memory_limit, 32 * MIB, 64 * GIB,
		"an integer from 33554432 to 68719476736", "67108864",
		"bytes of memory at most, whatever is observed"),
	INTEGER("limits.connections", limits.connections, 16, 1000000,
		"an integer from 16 to 1000000", "32768", "connections tracked at once"),
	{ .name = "limits.ring_bytes",
	  .set = set_power_of_two,
	  AT(limits.ring_bytes),
	  .least = 65536,
	  .most = GIB,
	  .expected = "a power of two from 65536 to 1073741824",
	  .fallback = "16777216",
	  .meaning = "size of the ring buffer between kernel and agent" },
	INTEGER("limits.endpoint_limit", limits.endpoint_limit, 1, 10000,
		"an integer from 1 to 10000", "200", "routes per service, then \"other\""),
	INTEGER("limits.peer_limit", limits.peer_limit, 1, 10000, "an integer from 1 to 10000",
		"100", "peers per service, then \"other\""),
	INTEGER("limits.series", limits.series, 100, 1000000, "an integer from 100 to 1000000",
		"20000", "series in all, then \"other\""),
	INTEGER("limits.open_requests", limits.open_requests, 16, 1000000,
		"an integer from 16 to 1000000", "65536",
		"requests waiting for their answer, per connection"),
	{ .name = "watch.include",
	  .set = set_include,
	  .release = release_watch,
	  AT(watch),
	  .expected = EXPECTED_WATCH,
	  .fallback = "[]",
	  .meaning = "what to watch; empty: every process" },
	{ .name = "watch.exclude",
	  .set = set_exclude,
	  AT(watch),
	  .expected = EXPECTED_WATCH,
	  .fallback = "[]",
	  .meaning = "what not to watch, even where included" },
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
