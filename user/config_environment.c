/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variables of OpenTelemetry: "OpenTelemetry Environment Variable Specification" and
 * "OpenTelemetry Protocol Exporter". Each is read as the key it stands for would be. One that is
 * empty is one that is not set.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"

#define PREFIX "OTEL_EXPORTER_OTLP_"
#define NAME_MOST 64
#define TEXT_MOST 4096

/* A variable and the key it sets. */
struct variable {
	const char *name;
	const char *key;
	json_t *(*read)(const char *text); /* NULL: not as expected */
	const char *expected;		   /* NULL: as the key says */
};

static const char *get(const char *name)
{
	const char *text = getenv(name);

	return text && text[0] ? text : NULL;
}

static int complain(const char *name, const char *expected, char *error, size_t size)
{
	snprintf(error, size, "%s: expected %s", name, expected);
	return -EINVAL;
}

/* ---- values ---- */

static json_t *read_text(const char *text)
{
	return json_string(text);
}

/* The general endpoint is a base: the signal's path is added. */
static json_t *read_base(const char *text)
{
	size_t size = strlen(text);

	return json_sprintf("%s%sv1/traces", text, text[size - 1] == '/' ? "" : "/");
}

static json_t *read_number(const char *text)
{
	char *end;
	double number = strtod(text, &end);

	return *end ? NULL : json_real(number);
}

static json_t *read_integer(const char *text)
{
	char *end;
	long long number = strtoll(text, &end, 10);

	return *end ? NULL : json_integer(number);
}

static json_t *read_milliseconds(const char *text)
{
	char *end;
	long long number = strtoll(text, &end, 10);

	return *end ? NULL : json_real((double)number / 1e3);
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/*
 * A text without the blanks around it, percent-decoded in place (RFC 3986). NULL: malformed, or
 * with a NUL, at which it would end.
 */
static char *decode(char *text)
{
	char *from = text + strspn(text, " \t"), *to = text;
	size_t size = strlen(from);

	while (size > 0 && strchr(" \t", from[size - 1]))
		size--;
	from[size] = '\0';
	while (*from) {
		if (*from == '%') {
			int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);

			if (low < 0 || (high | low) == 0)
				return NULL;
			*to++ = (char)(high << 4 | low);
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return text;
}

/* "name=value,name=value", as the header baggage of W3C, without properties. */
static json_t *read_pairs(const char *text)
{
	char copy[TEXT_MOST], *rest = copy, *pair;
	json_t *object = json_object();

	if (strlen(text) >= sizeof(copy))
		goto malformed;
	strcpy(copy, text);
	while ((pair = strsep(&rest, ","))) {
		char *name = strsep(&pair, "=");

		if (!pair && !name[strspn(name, " \t")])
			continue; /* a comma too many */
		name = decode(name);
		pair = pair ? decode(pair) : NULL;
		if (!name || !name[0] || !pair ||
		    json_object_set_new(object, name, json_string(pair)))
			goto malformed;
	}
	return object;
malformed:
	json_decref(object);
	return NULL;
}

/* ---- variables ---- */

#define EXPECTED_PAIRS                                                                           \
	"name=value pairs with commas between them, a comma or % within written as %2C or %25, " \
	"in all 2048 bytes at most"
#define EXPECTED_URL "a URL that begins with http:// or https://"
#define EXPECTED_FILE "the name of a file"
#define EXPECTED_MS "an integer of milliseconds, 1 to 3600000"

static const struct variable exporter[] = {
	{ "HEADERS", "traces.headers", read_pairs, EXPECTED_PAIRS },
	{ "CERTIFICATE", "traces.certificate", read_text, EXPECTED_FILE },
	{ "CLIENT_CERTIFICATE", "traces.client_certificate", read_text, EXPECTED_FILE },
	{ "CLIENT_KEY", "traces.client_key", read_text, EXPECTED_FILE },
	{ "TIMEOUT", "traces.timeout", read_milliseconds, EXPECTED_MS },
	{ "COMPRESSION", "traces.compression", read_text, "gzip or none" },
};

static const struct variable general[] = {
	{ "OTEL_SERVICE_NAME", "traces.service", read_text, "a text of 512 bytes at most" },
	{ "OTEL_RESOURCE_ATTRIBUTES", "traces.resource", read_pairs, EXPECTED_PAIRS },
	{ "OTEL_BSP_SCHEDULE_DELAY", "traces.delay", read_milliseconds,
	  "an integer of milliseconds, 10 to 3600000" },
	{ "OTEL_BSP_MAX_QUEUE_SIZE", "traces.queue", read_integer, NULL },
	{ "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "traces.batch", read_integer, NULL },
	{ "OTEL_TRACES_SAMPLER", "traces.sampler", read_text, NULL },
};

static const struct variable argument = { "OTEL_TRACES_SAMPLER_ARG", "traces.ratio", read_number,
					  NULL };

static int apply(struct config *config, const struct variable *variable, const char *name,
		 char *error, size_t size)
{
	const struct key *key = config_find_key(variable->key);
	const char *text = get(name);
	json_t *value;
	int err;

	if (!text)
		return 0;
	value = variable->read(text);
	err = value ? key->set(key, value, (char *)config + key->offset) : -EINVAL;
	json_decref(value);
	if (err == -EINVAL)
		return complain(name, variable->expected ? variable->expected : key->expected,
				error, size);
	if (err)
		snprintf(error, size, "%s: %s", name, strerror(-err));
	return err;
}

/* The name of an exporter's variable: the one for traces where it is set. */
static const char *name_of(const char *suffix, char ret[NAME_MOST])
{
	snprintf(ret, NAME_MOST, PREFIX "TRACES_%s", suffix);
	if (!get(ret))
		snprintf(ret, NAME_MOST, PREFIX "%s", suffix);
	return ret;
}

static int read_endpoint(struct config *config, char *error, size_t size)
{
	static const struct variable whole = { "", "traces.endpoint", read_text, EXPECTED_URL };
	static const struct variable base = { "", "traces.endpoint", read_base, EXPECTED_URL };
	const char *exporters = get("OTEL_TRACES_EXPORTER"), *protocol;
	char name[NAME_MOST];

	if (exporters && strcmp(exporters, "none") == 0)
		return 0;
	if (exporters && strcmp(exporters, "otlp") != 0)
		return complain("OTEL_TRACES_EXPORTER", "otlp or none", error, size);
	name_of("ENDPOINT", name);
	if (!get(name))
		return 0;
	protocol = get(name_of("PROTOCOL", name));
	if (protocol && strcmp(protocol, "http/protobuf") != 0)
		return complain(name, "http/protobuf", error, size);
	name_of("ENDPOINT", name);
	return apply(config, strstr(name, "TRACES") ? &whole : &base, name, error, size);
}

/* The ratio samplers of OpenTelemetry keep all where they are named without a ratio. */
static int read_ratio(struct config *config, char *error, size_t size)
{
	enum config_sampler sampler = config->traces.sampler;

	if (sampler != SAMPLER_RATIO && sampler != SAMPLER_PARENT_RATIO)
		return 0;
	if (get("OTEL_TRACES_SAMPLER"))
		config->traces.ratio = 1;
	return apply(config, &argument, argument.name, error, size);
}

int config_environment(struct config *config, bool endpoint, char *error, size_t size)
{
	const char *disabled = get("OTEL_SDK_DISABLED");
	char name[NAME_MOST];
	int err = 0;

	config->traces.disabled = disabled && strcasecmp(disabled, "true") == 0;
	if (!endpoint && !config->traces.disabled)
		err = read_endpoint(config, error, size);
	for (size_t i = 0; !err && i < sizeof(exporter) / sizeof(exporter[0]); i++)
		err = apply(config, &exporter[i], name_of(exporter[i].name, name), error, size);
	for (size_t i = 0; !err && i < sizeof(general) / sizeof(general[0]); i++)
		err = apply(config, &general[i], general[i].name, error, size);
	return err ? err : read_ratio(config, error, size);
}
