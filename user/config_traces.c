/* SPDX-License-Identifier: Apache-2.0 */
/* The keys "traces.*". */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"
#include "util/clock.h"

static const char *const compression_choice[] = { "gzip", "none", NULL };
static const char *const sampler_choice[] = { "always_on",
					      "always_off",
					      "traceidratio",
					      "parentbased_always_on",
					      "parentbased_always_off",
					      "parentbased_traceidratio",
					      NULL };

/* ---- texts ---- */

static void release_text(void *where)
{
	free(*(char **)where);
	*(char **)where = NULL;
}

/* Printable, and fit for a line of its own. */
static bool is_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int set_text(const struct key *key, const json_t *value, void *where)
{
	const char *text = json_string_value(value);
	char *copy = NULL;

	(void)key;
	if (!json_is_null(value)) {
		if (!text || !text[0] || strlen(text) > CONFIG_TEXT || !is_line(text))
			return -EINVAL;
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	release_text(where);
	*(char **)where = copy;
	return 0;
}

static int set_url(const struct key *key, const json_t *value, void *where)
{
	const char *text = json_string_value(value);
	const char *host = !text			     ? "" :
			   strncmp(text, "http://", 7) == 0  ? text + 7 :
			   strncmp(text, "https://", 8) == 0 ? text + 8 :
							       "";

	if (!json_is_null(value) && (strcspn(host, "/?#") == 0 || strchr(host, ' ')))
		return -EINVAL;
	return set_text(key, value, where);
}

/* ---- pairs ---- */

static void release_pairs(void *where)
{
	struct config_pairs *pairs = where;

	while (pairs->count > 0) {
		pairs->count--;
		free(pairs->list[pairs->count].name);
		free(pairs->list[pairs->count].value);
	}
	free(pairs->list);
	pairs->list = NULL;
}

/* RFC 9110, section 5.6.2: what a header's name consists of. */
static bool is_token(const char *name)
{
	static const char letters[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return name[0] && !name[strspn(name, letters)];
}

static int add_pair(struct config_pairs *pairs, const char *name, const char *value)
{
	struct config_pair pair = { strdup(name), strdup(value) };

	if (!pair.name || !pair.value) {
		free(pair.name);
		free(pair.value);
		return -ENOMEM;
	}
	pairs->list[pairs->count++] = pair;
	return 0;
}

/* An object of texts; names that `names` finds good. */
static int set_pairs(const json_t *object, bool (*names)(const char *name), void *where)
{
	struct config_pairs pairs = { NULL, 0 };
	size_t bytes = 0;
	const char *name;
	json_t *value;
	int err = 0;

	if (!json_is_object(object) || json_object_size(object) > CONFIG_PAIRS)
		return -EINVAL;
	pairs.list = calloc(json_object_size(object) + 1, sizeof(*pairs.list));
	if (!pairs.list)
		return -ENOMEM;
	json_object_foreach((json_t *)object, name, value) {
		const char *text = json_string_value(value);

		bytes += strlen(name) + (text ? strlen(text) : 0);
		if (!text || !names(name) || !is_line(text) || bytes > CONFIG_PAIRS_BYTES)
			err = -EINVAL;
		else
			err = add_pair(&pairs, name, text);
		if (err)
			break;
	}
	if (err) {
		release_pairs(&pairs);
		return err;
	}
	release_pairs(where);
	*(struct config_pairs *)where = pairs;
	return 0;
}

static int set_headers(const struct key *key, const json_t *value, void *where)
{
	(void)key;
	return set_pairs(value, is_token, where);
}

static bool is_attribute(const char *name)
{
	return name[0] && is_line(name);
}

static int set_attributes(const struct key *key, const json_t *value, void *where)
{
	(void)key;
	return set_pairs(value, is_attribute, where);
}

/* ---- numbers ---- */

static int set_ratio(const struct key *key, const json_t *value, void *where)
{
	double ratio = json_number_value(value);

	(void)key;
	if (!json_is_number(value) || !(ratio >= 0 && ratio <= 1))
		return -EINVAL;
	*(double *)where = ratio;
	return 0;
}

static int set_boolean(const struct key *key, const json_t *value, void *where)
{
	(void)key;
	if (!json_is_boolean(value))
		return -EINVAL;
	*(bool *)where = json_is_true(value);
	return 0;
}

/* Seconds, stored as ns; `least` and `most` are ms. */
static int set_seconds(const struct key *key, const json_t *value, void *where)
{
	double ms = json_number_value(value) * 1e3;

	if (!json_is_number(value) || !(ms >= (double)key->least && ms <= (double)key->most))
		return -EINVAL;
	*(uint64_t *)where = (uint64_t)llround(ms * (double)NSEC_PER_MSEC);
	return 0;
}

/* ---- another configuration ---- */

static bool texts_differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool pairs_differ(const struct config_pairs *a, const struct config_pairs *b)
{
	bool differ = a->count != b->count;

	for (size_t i = 0; !differ && i < a->count; i++)
		differ = strcmp(a->list[i].name, b->list[i].name) != 0 ||
			 strcmp(a->list[i].value, b->list[i].value) != 0;
	return differ;
}

bool config_traces_differ(const struct config_traces *a, const struct config_traces *b)
{
	return a->disabled != b->disabled || a->tasks != b->tasks ||
	       texts_differ(a->endpoint, b->endpoint) || pairs_differ(&a->headers, &b->headers) ||
	       texts_differ(a->certificate, b->certificate) ||
	       texts_differ(a->client_certificate, b->client_certificate) ||
	       texts_differ(a->client_key, b->client_key) || a->timeout != b->timeout ||
	       a->compression != b->compression || a->queue != b->queue || a->batch != b->batch ||
	       a->delay != b->delay || a->retry != b->retry || a->flush != b->flush ||
	       texts_differ(a->service, b->service) || pairs_differ(&a->resource, &b->resource);
}

void config_traces_keep(struct config_traces *now, struct config_traces *next)
{
	struct config_traces kept = *now;

	*now = *next;
	*next = kept;
	next->sampler = now->sampler;
	next->ratio = now->ratio;
	next->slow = now->slow;
}

/* ---- the table ---- */

#define KEY(name_, member, set_, release_, expected_, fallback_, meaning_)         \
	.name = "traces." name_, .set = (set_), .release = (release_),             \
	.offset = offsetof(struct config, traces.member), .expected = (expected_), \
	.fallback = (fallback_), .meaning = (meaning_)
#define TEXT_KEY(name_, member, expected_, meaning_) \
	{ KEY(name_, member, set_text, release_text, expected_, "null", meaning_) }
#define SECONDS_KEY(name_, member, least_, most_, expected_, fallback_, meaning_) \
	{ KEY(name_, member, set_seconds, NULL, expected_, fallback_, meaning_),  \
	  .least = (least_), .most = (most_) }
#define EXPECTED_FILE "the name of a file with certificates or a key (PEM), or null"
#define HOUR 3600000

const struct key config_traces_keys[] = {
	{ KEY("endpoint", endpoint, set_url, release_text,
	      "a URL that begins with \"http://\" or \"https://\", or null", "null",
	      "where spans are posted to (OTLP/HTTP, protobuf); null: no traces") },
	{ KEY("headers", headers, set_headers, release_pairs,
	      "an object of texts (64 at most, 2048 bytes), each named as an HTTP header is", "{}",
	      "headers sent along, such as Authorization") },
	TEXT_KEY("certificate", certificate, EXPECTED_FILE,
		 "the only authorities trusted; null: the system's"),
	TEXT_KEY("client_certificate", client_certificate, EXPECTED_FILE, "shown to the collector"),
	TEXT_KEY("client_key", client_key, EXPECTED_FILE, "the client certificate's key"),
	SECONDS_KEY("timeout", timeout, 1, HOUR, "seconds, 0.001 to 3600", "10",
		    "for one attempt to post"),
	{ KEY("compression", compression, config_set_choice, NULL, "\"gzip\" or \"none\"",
	      "\"gzip\"", "of what is posted"),
	  .choice = compression_choice },
	{ KEY("sampler", sampler, config_set_choice, NULL,
	      "\"always_on\", \"always_off\" or \"traceidratio\", each also after "
	      "\"parentbased_\"",
	      "\"parentbased_traceidratio\"",
	      "which traces are kept beside those with errors and slow ones"),
	  .choice = sampler_choice },
	{ KEY("ratio", ratio, set_ratio, NULL, "a number from 0 to 1", "0.1",
	      "the fraction that the ratio samplers keep") },
	SECONDS_KEY("slow", slow, 0, HOUR, "seconds, 0 to 3600", "0",
		    "how long an exchange takes whose trace is always kept; 0: its endpoint's p99"),
	{ KEY("tasks", tasks, set_boolean, NULL, "true or false", "true",
	      "whether logical tasks tell whose a call is, with probes in CPython programs") },
	{ KEY("queue", queue, config_set_integer, NULL, "an integer from 64 to 65536", "2048",
	      "spans that may wait to be sent, those being sent included"),
	  .least = 64, .most = 65536 },
	{ KEY("batch", batch, config_set_integer, NULL, "an integer from 1 to 4096", "512",
	      "spans in one post at most"),
	  .least = 1, .most = 4096 },
	SECONDS_KEY("delay", delay, 10, HOUR, "seconds, 0.01 to 3600", "5",
		    "how long spans wait for a batch to fill"),
	SECONDS_KEY("retry", retry, 0, HOUR, "seconds, 0 to 3600", "300",
		    "how long a batch is tried again before it is dropped"),
	SECONDS_KEY("flush", flush, 0, 60000, "seconds, 0 to 60", "3",
		    "what may be spent on sending the rest when the program is ended"),
	TEXT_KEY("service", service, "a text or null",
		 "service.name of every span; null: each process's own"),
	{ KEY("resource", resource, set_attributes, release_pairs,
	      "an object of texts (64 at most, 2048 bytes)", "{}",
	      "resource attributes of every span, where a process has no such of its own") },
};

const size_t config_traces_key_count = sizeof(config_traces_keys) / sizeof(config_traces_keys[0]);
