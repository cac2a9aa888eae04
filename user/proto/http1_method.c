/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/http1_method.h"

#include "proto/http1_head.h"
#include "util/names.h"

#define CUSTOM_SIZE 16 /* characters */
#define CUSTOM_LIMIT 32

struct method {
	const char *text;
	uint8_t size;
	uint8_t kind; /* enum http1_kind */
	uint16_t name;
};

#define METHOD(text, kind) { text, sizeof(text) - 1, kind, NAME_NONE }

/* In order of use; those of WebDAV (RFC 4918, 3253, 5323) with the custom ones. */
static struct method standard[] = {
	METHOD("GET", HTTP1_PLAIN),	METHOD("POST", HTTP1_PLAIN),
	METHOD("PUT", HTTP1_PLAIN),	METHOD("HEAD", HTTP1_HEAD),
	METHOD("DELETE", HTTP1_PLAIN),	METHOD("PATCH", HTTP1_PLAIN),
	METHOD("OPTIONS", HTTP1_PLAIN), METHOD("CONNECT", HTTP1_CONNECT),
	METHOD("TRACE", HTTP1_PLAIN),
};

static uint16_t custom[CUSTOM_LIMIT];
static size_t custom_count;

static uint16_t custom_name(struct bytes method)
{
	if (method.size > CUSTOM_SIZE)
		return names_intern(NAME_OPERATION, BYTES("OTHER"));
	for (size_t i = 0; i < custom_count; i++) {
		const char *text = names_text(custom[i]);

		if (strlen(text) == method.size && memcmp(text, method.data, method.size) == 0)
			return custom[i];
	}
	if (custom_count == CUSTOM_LIMIT)
		return names_intern(NAME_OPERATION, BYTES("OTHER"));
	return custom[custom_count++] = names_intern(NAME_OPERATION, method);
}

static struct method *find_standard(struct bytes method)
{
	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
		struct method *known = &standard[i];

		if (known->size == method.size && !memcmp(known->text, method.data, method.size))
			return known;
	}
	return NULL;
}

bool http1_method_registered(struct bytes method)
{
	return find_standard(method) != NULL;
}

uint16_t http1_method(struct bytes method, uint64_t *kind)
{
	struct method *known = find_standard(method);

	*kind = known ? known->kind : HTTP1_PLAIN;
	if (!known)
		return custom_name(method);
	if (!known->name)
		known->name = names_intern(NAME_OPERATION, method);
	return known->name;
}
