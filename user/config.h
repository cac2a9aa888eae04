/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one JSON file, checked whole before any of it is used. For traces there are
 * the standard variables of OpenTelemetry too; what the file says wins over them, as the variables
 * win over the defaults.
 */
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
/* At most that many lines of a scrape have an exemplar, with traces only. */
#define CONFIG_EXEMPLARS(series) ((series) / 5 < 4096 ? (series) / 5 : 4096)
#define CONFIG_EXEMPLAR_BYTES 112

struct config_limits {
	uint64_t connections;	 /* tracked at once */
	uint64_t ring_bytes;	 /* a power of two */
	uint64_t endpoint_limit; /* routes per service */
	uint64_t peer_limit;	 /* peers per service */
	uint64_t series;
	uint64_t open_requests; /* waiting for their answer, per connection */
	uint64_t followed;	/* processes whose logical tasks are told; 0: none are */
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

#define CONFIG_PAIRS 64
#define CONFIG_PAIRS_BYTES 2048 /* of all names and values together */

struct config_pairs {
	struct config_pair {
		char *name, *value;
	} *list;
	size_t count;
};

/* The samplers of OpenTelemetry, in this order. */
enum config_sampler {
	SAMPLER_ALWAYS_ON = 0,
	SAMPLER_ALWAYS_OFF,
	SAMPLER_RATIO,
	SAMPLER_PARENT_ALWAYS_ON, /* the parent's decision, else as without PARENT */
	SAMPLER_PARENT_ALWAYS_OFF,
	SAMPLER_PARENT_RATIO,
};

enum config_compression {
	COMPRESSION_GZIP = 0,
	COMPRESSION_NONE,
};

#define CONFIG_SPAN_BYTES 1024 /* taken beforehand for each span that may wait, on average */
/* What traces take beside: the HTTP and TLS library, the batch on its way, plain and packed,
 * exemplars.
 */
#define CONFIG_EXPORT_BYTES(traces) \
	(((uint64_t)16 << 20) + ((traces)->queue + 2 * (traces)->batch) * CONFIG_SPAN_BYTES)

/* Texts are NULL where nothing is said; times are ns. */
struct config_traces {
	bool disabled;	/* OTEL_SDK_DISABLED */
	bool tasks;	/* logical tasks are told, and probes set for it; else threads only */
	char *endpoint; /* the URL that spans are posted to, as it is */
	struct config_pairs headers;
	char *certificate; /* file of the only authorities trusted */
	char *client_certificate, *client_key;
	uint64_t timeout; /* of one attempt */
	enum config_compression compression;
	enum config_sampler sampler;
	double ratio;
	uint64_t slow;	       /* exchanges from here on are kept; 0: their endpoint's p99 */
	uint64_t queue, batch; /* spans */
	uint64_t delay;	       /* until a batch that is not full is sent */
	uint64_t retry;	       /* how long a batch is tried again */
	uint64_t flush;	       /* at the end */
	char *service;	       /* service.name of everything */
	struct config_pairs resource;
};

/* Whether the exporter would be another one; the sampling does not count. */
bool config_traces_differ(const struct config_traces *a, const struct config_traces *b);

/* Swaps all but the sampling: what is in use outlives the configuration it came with. */
void config_traces_keep(struct config_traces *now, struct config_traces *next);

/* Whether spans are to be exported. */
static inline bool config_traces_on(const struct config_traces *traces)
{
	return traces->endpoint && !traces->disabled;
}

struct config {
	struct config_listen listen;
	enum config_backend backend;
	enum log_level log_level;
	struct config_endpoints endpoints;
	struct config_buckets http, database, cache;
	uint64_t memory_limit; /* bytes resident at most */
	struct config_limits limits;
	struct config_watch watch;
	struct config_traces traces;
};

/* What a scrape may take, also compressed. */
static inline uint64_t config_scrape_bytes(const struct config *config)
{
	uint64_t series = config->limits.series, ret = CONFIG_SCRAPE_BYTES(series);

	if (config_traces_on(&config->traces))
		ret += CONFIG_EXEMPLARS(series) * CONFIG_EXEMPLAR_BYTES / 4 * 5;
	return ret;
}

/*
 * Reads environment and file into *ret; without a file (NULL) the rest has its defaults. On failure
 * *ret is untouched and `error` holds one line: "FILE: KEY: expected ...", "VARIABLE: expected ..."
 * or "FILE: line N: ..." where it is no JSON. Errors:
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
