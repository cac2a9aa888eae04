/* SPDX-License-Identifier: Apache-2.0 */
#include "export/accept.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* One element of a header: `type/subtype; name=value; q=0.5`, or `gzip; q=0.5`. */
struct range {
	const char *begin, *end;
};

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

static bool range_is(const struct range *range, const char *type)
{
	size_t size = strlen(type);
	const char *after = range->begin + size;

	if ((size_t)(range->end - range->begin) < size ||
	    strncasecmp(range->begin, type, size) != 0)
		return false;
	after = skip_blanks(after, range->end);
	return after == range->end || *after == ';';
}

/* The parameter's value, NULL where it has none. */
static const char *parameter(const struct range *range, const char *name)
{
	size_t size = strlen(name);
	const char *at = memchr(range->begin, ';', (size_t)(range->end - range->begin));

	while (at) {
		at = skip_blanks(at + 1, range->end);
		if ((size_t)(range->end - at) > size && strncasecmp(at, name, size) == 0 &&
		    at[size] == '=')
			return at + size + 1;
		at = memchr(at, ';', (size_t)(range->end - at));
	}
	return NULL;
}

/* In thousandths; RFC 9110 has three digits behind the point. */
static int weight(const struct range *range)
{
	const char *q = parameter(range, "q");
	int value, scale = 100;

	if (!q)
		return 1000;
	if (!isdigit((unsigned char)*q))
		return 0;
	value = *q == '0' ? 0 : 1000;
	if (value || q[1] != '.')
		return value;
	for (q += 2; q < range->end && isdigit((unsigned char)*q) && scale; q++, scale /= 10)
		value += (*q - '0') * scale;
	return value;
}

/* The versions that are ours to give: 1.0.0, 0.0.1 being the same before it was final, or any. */
static bool is_openmetrics(const struct range *range)
{
	const char *version = parameter(range, "version");

	if (!range_is(range, "application/openmetrics-text"))
		return false;
	if (version && *version == '"')
		version++;
	return !version || strncmp(version, "1.", 2) == 0 || strncmp(version, "0.0.1", 5) == 0;
}

/* The element at `at`; *ret_next is where the one after it begins. */
static struct range next_range(const char *at, const char **ret_next)
{
	const char *end = strchrnul(at, ',');

	*ret_next = *end ? end + 1 : end;
	return (struct range){ skip_blanks(at, end), end };
}

enum exposition accept_format(const char *accept)
{
	const char *at = accept ? accept : "";
	int openmetrics = 0, plain = 0;

	while (*at) {
		struct range range = next_range(at, &at);

		if (is_openmetrics(&range) && weight(&range) > openmetrics)
			openmetrics = weight(&range);
		else if (range_is(&range, "text/plain") && weight(&range) > plain)
			plain = weight(&range);
	}
	return openmetrics > 0 && openmetrics >= plain ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

bool accept_gzip(const char *encodings)
{
	const char *at = encodings ? encodings : "";
	int gzip = -1, any = 0;

	while (*at) {
		struct range range = next_range(at, &at);

		if (range_is(&range, "gzip") || range_is(&range, "x-gzip"))
			gzip = weight(&range);
		else if (range_is(&range, "*"))
			any = weight(&range);
	}
	return (gzip >= 0 ? gzip : any) > 0;
}
