/* SPDX-License-Identifier: Apache-2.0 */
/* What may be shown of a command and of an error. */
#include <stdio.h>

#include "proto/queries.h"
#include "proto/redis_shape.h"
#include "proto/redis_state.h"
#include "util/names.h"

#define ERROR_WORD 32

void redis_show(struct redis_request *request, struct bytes argument, bool whole)
{
	const struct redis_command *command = request->command;
	uint8_t text[NAME_SIZE + 1 + REDIS_SHAPE_SIZE];
	const char *name = names_text(command->name);
	size_t size = strlen(name);
	struct query query;

	if (!command->keyed)
		return;
	memcpy(text, name, size);
	text[size++] = ' ';
	size += redis_key_shape(whole ? argument : (struct bytes){ 0 }, text + size);
	query = (struct query){ .text = { text, size },
				.summary = { (const uint8_t *)name, strlen(name) } };
	request->query = queries_put(&query);
}

static uint32_t number_text(uint32_t number)
{
	char text[12];
	int size = snprintf(text, sizeof(text), "%u", number);
	struct query query = { .text = { (const uint8_t *)text, (size_t)size } };

	return queries_put(&query);
}

/* redis.io/docs/latest/commands/select, .../reset: each once it was executed. */
void redis_show_database(struct redis *redis, const struct expect *expect, struct message *out)
{
	struct redis_response *response = &redis->response;
	uint64_t tag = out->action & MESSAGE_DEFERRED ? expect->deferred_tag : expect->tag;
	bool done = out->action & MESSAGE_COUNT && !out->failed;
	uint32_t before = response->database;
	struct query text;

	if (done && REDIS_TAG_KIND(tag) == REDIS_SELECT)
		response->database = REDIS_TAG_ARGUMENTS(tag);
	else if (done && REDIS_TAG_KIND(tag) == REDIS_RESET)
		response->database = 1;
	if (redis->request.strayed)
		response->database = 0;
	if (!response->database)
		return;
	/* It may have been forgotten for a while. */
	if (response->database != before || !queries_get(response->shown, &text))
		response->shown = number_text(response->database - 1);
	out->database = response->shown;
}

uint32_t redis_shown_error(struct bytes in)
{
	struct query query = { 0 };
	size_t size = 0;

	if (in.size && in.data[0] == '*') {
		const uint8_t *end = memchr(in.data, '\n', in.size);

		in = bytes_skip(in, end ? (size_t)(end - in.data) + 1 : in.size);
	}
	if (!in.size || in.data[0] != '-')
		return QUERY_NONE;
	in = bytes_skip(in, 1);
	while (size < in.size && size < ERROR_WORD && in.data[size] >= 'A' && in.data[size] <= 'Z')
		size++;
	/* What is no such word is not shown: nobody knows what it is. */
	if (size < 2 || size == in.size || (in.data[size] != ' ' && in.data[size] != '\r'))
		return QUERY_NONE;
	query.text = bytes_first(in, size);
	return queries_put(&query);
}
