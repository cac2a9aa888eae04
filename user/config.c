/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"
#include "util/memory.h"

#define START_BYTES ((uint64_t)12 << 20) /* resident once started, with the least limits */
#define LEAST_BYTES ((uint64_t)4 << 20)	 /* for what traffic makes */

/* Where a message about a wrong value goes, and how it begins. */
struct complaint {
	const char *file;
	char *text;
	size_t size;
};

const struct key *config_key(size_t number)
{
	if (number < config_key_count)
		return &config_keys[number];
	number -= config_key_count;
	return number < config_traces_key_count ? &config_traces_keys[number] : NULL;
}

const struct key *config_find_key(const char *name)
{
	const struct key *key;
	size_t i;

	for (i = 0; (key = config_key(i)); i++)
		if (strcmp(key->name, name) == 0)
			break;
	return key;
}

/* Whether the table has keys below `name`, as "limits.x" is below "limits". */
static bool is_group(const char *name)
{
	size_t size = strlen(name);
	const struct key *key;
	size_t i;

	for (i = 0; (key = config_key(i)); i++)
		if (strncmp(key->name, name, size) == 0 && key->name[size] == '.')
			return true;
	return false;
}

static int complain(const struct complaint *complaint, const char *name, const char *expected)
{
	snprintf(complaint->text, complaint->size, "%s%s%s: expected %s",
		 complaint->file ? complaint->file : "", complaint->file ? ": " : "", name,
		 expected);
	return -EINVAL;
}

static int read_value(struct config *config, const struct key *key, const char *name,
		      const json_t *value, const struct complaint *complaint)
{
	int err;

	if (!key) {
		snprintf(complaint->text, complaint->size,
			 "%s: %s: unknown key, expected one of those that --help lists",
			 complaint->file, name);
		return -EINVAL;
	}
	err = key->set(key, value, (char *)config + key->offset);
	if (err == -EINVAL)
		return complain(complaint, name, key->expected);
	if (err)
		snprintf(complaint->text, complaint->size, "%s: %s: %s", complaint->file, name,
			 strerror(-err));
	return err;
}

static int read_object(struct config *config, const char *prefix, json_t *object,
		       const struct complaint *complaint)
{
	const char *member;
	char name[256];
	json_t *value;
	int err;

	json_object_foreach(object, member, value) {
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "", member);
		/* A dot in a member's own name is not one of ours: each key has one spelling. */
		if (strchr(member, '.') || !is_group(name))
			err = read_value(config, strchr(member, '.') ? NULL : config_find_key(name),
					 name, value, complaint);
		else if (!json_is_object(value))
			err = complain(complaint, name, "an object");
		else
			err = read_object(config, name, value, complaint);
		if (err)
			return err;
	}
	return 0;
}

static int set_defaults(struct config *config)
{
	const struct key *key;
	json_t *value;
	size_t i;
	int err;

	memset(config, 0, sizeof(*config));
	for (i = 0; (key = config_key(i)); i++) {
		value = json_loads(key->fallback, JSON_DECODE_ANY, NULL);
		err = key->set(key, value, (char *)config + key->offset);
		json_decref(value);
		if (err)
			return err;
	}
	return 0;
}

/* What the configuration makes large has to fit; all else is bounded as it comes: util/memory.h. */
static int check_memory(const struct config *config, const struct complaint *complaint)
{
	const struct config_limits *limits = &config->limits;
	uint64_t least = START_BYTES + MEMORY_MARGIN + LEAST_BYTES +
			 limits->connections * CONFIG_CONNECTION_BYTES +
			 limits->series * CONFIG_SERIES_BYTES + CONFIG_SCRAPE_BYTES(limits->series);
	char expected[128];

	if (config_traces_on(&config->traces))
		least += CONFIG_EXPORT_BYTES(&config->traces);
	if (config->memory_limit >= least)
		return 0;
	snprintf(expected, sizeof(expected),
		 "%" PRIu64 " or more for this limits.connections, limits.series and traces.queue",
		 least);
	return complain(complaint, "memory_limit", expected);
}

static int parse_file(const struct complaint *complaint, json_t **ret)
{
	json_error_t where;
	json_t *root;
	FILE *file = fopen(complaint->file, "re");
	int err = -errno;

	if (!file)
		goto unreadable;
	errno = 0;
	root = json_loadf(file, JSON_REJECT_DUPLICATES, &where);
	err = ferror(file) ? -(errno ? errno : EIO) : 0;
	fclose(file);
	if (err && !root)
		goto unreadable;
	if (!root) {
		snprintf(complaint->text, complaint->size, "%s: line %d: %s", complaint->file,
			 where.line, where.text);
		return -EINVAL;
	}
	*ret = root;
	return 0;
unreadable:
	snprintf(complaint->text, complaint->size, "%s: cannot be read: %s", complaint->file,
		 strerror(-err));
	return err;
}

/* The file's object, NULL without a file. */
static int read_file(const struct complaint *complaint, json_t **ret)
{
	json_t *root = NULL;
	int err = complaint->file ? parse_file(complaint, &root) : 0;

	if (!err && root && !json_is_object(root)) {
		err = complain(complaint, "the file", "an object");
		json_decref(root);
	}
	if (!err)
		*ret = root;
	return err;
}

/* Whether the file says where spans are posted to, be it nowhere. */
static bool has_endpoint(const json_t *root)
{
	return json_object_get(json_object_get(root, "traces"), "endpoint");
}

int config_load(const char *path, struct config *ret, char *error, size_t size)
{
	const struct complaint complaint = { path, error, size };
	struct config config;
	json_t *root = NULL;
	int err = set_defaults(&config);

	if (err) {
		snprintf(error, size, "%s", strerror(-err));
		goto out;
	}
	err = read_file(&complaint, &root);
	if (!err)
		err = config_environment(&config, has_endpoint(root), error, size);
	if (!err)
		err = read_object(&config, "", root, &complaint);
	if (err)
		goto out;
	err = check_memory(&config, &complaint);
	if (!err)
		*ret = config;
out:
	if (err)
		config_free(&config);
	json_decref(root);
	return err;
}

int config_set(struct config *config, const char *key_name, const char *text, char *error,
	       size_t size)
{
	const struct key *key = config_find_key(key_name);
	json_t *value = json_string(text);
	int err = -EINVAL;

	if (key && value)
		err = key->set(key, value, (char *)config + key->offset);
	json_decref(value);
	if (err)
		snprintf(error, size, "expected %s", key ? key->expected : "a known key");
	return err;
}

void config_free(struct config *config)
{
	const struct key *key;
	size_t i;

	for (i = 0; config && (key = config_key(i)); i++)
		if (key->release)
			key->release((char *)config + key->offset);
}

void config_describe(FILE *out)
{
	const struct key *key;
	size_t i;

	for (i = 0; (key = config_key(i)); i++)
		fprintf(out, "  %-25s %s\n  %25s   %s\n  %25s   default %s\n", key->name,
			key->meaning, "", key->expected, "", key->fallback);
	fputs("\nKeys of traces that the file does not have are taken from OpenTelemetry's\n"
	      "variables: OTEL_EXPORTER_OTLP_ENDPOINT (a base, /v1/traces is added), _HEADERS,\n"
	      "_CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY, _TIMEOUT, _COMPRESSION, and the\n"
	      "same as OTEL_EXPORTER_OTLP_TRACES_..., which win (_TRACES_ENDPOINT is taken as it\n"
	      "is); OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_SERVICE_NAME,\n"
	      "OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_QUEUE_SIZE,\n"
	      "OTEL_BSP_MAX_EXPORT_BATCH_SIZE. OTEL_TRACES_EXPORTER=none: no endpoint from them.\n"
	      "OTEL_SDK_DISABLED=true: no traces, whatever the file says.\n",
	      out);
}
