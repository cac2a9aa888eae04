/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: one JSON file, checked whole before any of it is used. */
#ifndef ONLOOKER_CONFIG_H
#define ONLOOKER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "log.h"

enum config_backend {
	BACKEND_AUTO = 0, /* the tracepoints where the kernel has them, else fexit */
	BACKEND_TRACEPOINT,
	BACKEND_FEXIT,
};

#define CONFIG_BUCKETS 40
#define CONFIG_WATCHES 64
#define CONFIG_ENDPOINTS 1000
#define CONFIG_TEXT 512 /* the longest pattern, in bytes */

struct config_listen {
	struct sockaddr_storage address;
	socklen_t size;
	char text[64]; /* as it was written */
};

struct config_buckets {
	size_t count;
	uint64_t bound_ns[CONFIG_BUCKETS]; /* strictly increasing */
};

struct config_endpoints {
	char **patterns; /* each begins with '/' */
	size_t count;
};

#define CONFIG_CONNECTION_BYTES 56 /* taken beforehand for each connection that may be */
#define CONFIG_SERIES_BYTES 200	   /* of the tables, for each line of a scrape */
#define CONFIG_LINE_BYTES 256	   /* of a scrape, for each line on average */
#define CONFIG_SCRAPE_BYTES(series) ((series) * CONFIG_LINE_BYTES / 4 * 5) /* and compressed */

struct config_limits {
	uint64_t connections;	 /* tracked at once */
	uint64_t ring_bytes;	 /* a power of two */
	uint64_t endpoint_limit; /* routes per service */
	uint64_t peer_limit;	 /* peers per service */
	uint64_t series;
	uint64_t open_requests; /* waiting for their answer, per connection */
};

/* One entry of watch.include or watch.exclude; all that is given must hold, something is. */
struct config_watch_entry {
	char *executable; /* glob, NULL: any */
	char *cgroup;	  /* glob, NULL: any */
	uint16_t port;	  /* 0: any */
	bool exclude;
};

struct config_watch {
	struct config_watch_entry entries[CONFIG_WATCHES];
	size_t count;
};

struct config {
	struct config_listen listen;
	enum config_backend backend;
	enum log_level log_level;
	struct config_endpoints endpoints;
	struct config_buckets http, database, cache;
	uint64_t memory_limit; /* bytes resident at most */
	struct config_limits limits;
	struct config_watch watch;
};

/*
 * Reads the file into *ret; path NULL gives the defaults. On failure *ret is untouched and `error`
 * holds one line: "FILE: KEY: expected ...", or "FILE: line N: ..." where it is no JSON. Errors:
 * -EINVAL for what the file says, else why it could not be read. config_free() frees what *ret
 * owns.
 */
int config_load(const char *path, struct config *ret, char *error, size_t size);

/*
 * Sets one key whose value is a text ("listen", "backend", "log_level") in a loaded configuration,
 * as a flag does. -EINVAL: `error` is "expected ..."; the configuration is untouched.
 */
int config_set(struct config *config, const char *key, const char *value, char *error, size_t size);

/* Frees what the configuration owns, not the structure; a zeroed one is fine, so is NULL. */
void config_free(struct config *config);

/* Prints every key with its meaning, what it accepts and its default. */
void config_describe(FILE *out);

#endif
