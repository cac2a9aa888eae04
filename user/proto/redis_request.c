/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients send: arrays of bulk strings, or inline commands
 * (redis.io/docs/reference/protocol-spec, "Sending commands" and "Inline commands").
 *
 *	          "*3"              "$n name"          "$n argument" ...   the last one
 *	BETWEEN --------> [3 left] ----------> [2 left] -------> [1 left] -------------> BETWEEN
 *	                                                                                 report
 *	"*0", "*-1", an empty line: nothing; any other line: report
 */
#include "proto/redis_state.h"

#include <strings.h>

#include "proto/wanted.h"

#define WORDS_MAX INT32_MAX
#define BULK_MAX (1LL << 32)

static const struct {
	uint8_t kind;
	uint8_t position;
	uint8_t word;
	const char *text;
} words[] = {
	{ REDIS_CLIENT, 0, WORD_REPLY, "reply" }, { REDIS_CLIENT, 1, WORD_ON, "on" },
	{ REDIS_CLIENT, 1, WORD_OFF, "off" },	  { REDIS_CLIENT, 1, WORD_SKIP, "skip" },
	{ REDIS_REPLCONF, 0, WORD_ACK, "ack" },
};

/* Whether the arguments of that kind of command have to be read. */
static bool listens(uint8_t kind)
{
	return kind == REDIS_CLIENT || kind == REDIS_REPLCONF || kind == REDIS_SELECT;
}

static uint8_t word_find(uint8_t kind, int64_t position, struct bytes text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (words[i].kind == kind && words[i].position == position &&
		    strlen(words[i].text) == text.size &&
		    strncasecmp(words[i].text, (const char *)text.data, text.size) == 0)
			return words[i].word;
	}
	return WORD_NONE;
}

/* The index of a database and one, 0 where it is none: digits, as the server wants them. */
static uint32_t take_database(struct bytes text)
{
	uint32_t index = 0;

	if (!text.size || text.size > 6)
		return 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		index = index * 10 + text.data[i] - '0';
	}
	return index + 1;
}

static void take_word(struct redis_request *request, int64_t position, struct bytes text)
{
	if (position == 0) {
		request->command = redis_command_find(text);
		request->argument[0] = request->argument[1] = WORD_NONE;
		request->database = 0;
	} else if (position == 1 && request->command->kind == REDIS_SELECT) {
		request->database = take_database(text);
	} else if (position <= 2 && listens(request->command->kind)) {
		request->argument[position - 1] =
			word_find(request->command->kind, position - 1, text);
	}
}

/* CLIENT REPLY, and what it has led to: whether the command at hand will not be answered. */
static bool unanswered(struct redis_request *request)
{
	bool skipped = request->skip;
	bool silent = request->off || skipped;

	request->skip = false;
	if (request->command->kind == REDIS_RESET) {
		request->off = false;
		return skipped;
	}
	if (request->command->kind != REDIS_CLIENT || request->words != 3 || request->multi ||
	    request->argument[0] != WORD_REPLY)
		return silent;
	switch (request->argument[1]) {
	case WORD_ON:
		request->off = false;
		return skipped;
	case WORD_OFF:
		request->off = true;
		return true;
	case WORD_SKIP:
		request->skip = !request->off;
		return true;
	default:
		return silent;
	}
}

static bool changes_database(uint8_t kind)
{
	return kind == REDIS_SELECT || kind == REDIS_RESET;
}

static enum parse_status report(struct redis_request *request, struct message *out)
{
	const struct redis_command *command = request->command;
	int64_t arguments = command->kind == REDIS_SELECT ? request->database : request->words - 1;
	bool silent;

	silent = unanswered(request);
	request->acknowledges = command->kind == REDIS_REPLCONF && request->argument[0] == WORD_ACK;
	silent |= request->acknowledges;
	request->words = 0;
	out->role = MESSAGE_REQUEST;
	out->operation = command->name;
	out->query = request->query;
	request->query = 0;
	if (silent)
		out->action = MESSAGE_COUNT | MESSAGE_POP;
	else
		out->tag = REDIS_TAG(command, arguments);
	request->strayed |= silent && changes_database(command->kind);
	if (command->kind == REDIS_MULTI) {
		request->multi = true;
		request->multi_hidden = silent;
	}
	if (command->kind >= REDIS_EXEC && command->kind <= REDIS_RESET)
		request->multi = false;
	return PARSE_MESSAGE;
}

static enum parse_status parse_inline(struct redis_request *request, struct bytes in, size_t *used,
				      struct message *out)
{
	const uint8_t *end = memchr(in.data, '\n', in.size);
	struct bytes line;
	uint8_t word[REDIS_NAME_SIZE + 1];
	size_t size;
	int found;

	if (!end)
		return in.size > REDIS_INLINE_MAX ? PARSE_LOST : PARSE_NEED_MORE;
	line = (struct bytes){ in.data, end - in.data };
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	while ((found = redis_inline_word(&line, word, sizeof(word), &size)) > 0) {
		if (request->words == 1 && details_wanted())
			redis_show(request, (struct bytes){ word, size }, size <= sizeof(word));
		if (size > sizeof(word))
			size = sizeof(word);
		/* Not even a mistyped command: these are not a client's words. */
		for (size_t i = 0; !request->words && i < size; i++) {
			if (word[i] <= ' ' || word[i] > '~')
				return PARSE_LOST;
		}
		take_word(request, request->words++, (struct bytes){ word, size });
	}
	if (found < 0)
		return PARSE_LOST;
	*used = end - in.data + 1;
	return request->words ? report(request, out) : PARSE_SKIP;
}

/*
 * One of the command's words at the begin of `in`. 1: *used bytes are gone (perhaps more than are
 * here), 0: bytes are missing, -1: it is none.
 */
static int parse_word(struct redis_request *request, struct bytes in, size_t *used)
{
	int64_t position = request->words - request->left;
	int64_t length;
	size_t header;
	size_t size;
	bool heard, wanted;
	int found;

	if (!in.size)
		return 0;
	found = in.data[0] == '$' ? resp_length(bytes_skip(in, 1), &header, &length) : -1;
	if (found <= 0)
		return found;
	if (length < 0 || length > BULK_MAX)
		return -1;
	header++;
	size = header + length + 2; /* what ends it, the server does not look at either */
	heard = !position || (position <= 2 && listens(request->command->kind));
	wanted = heard && length <= REDIS_NAME_SIZE;
	if (size > in.size && wanted)
		return 0;
	if (heard)
		take_word(request, position,
			  wanted ? (struct bytes){ in.data + header, length } :
				   (struct bytes){ 0 });
	if (position == 1 && details_wanted())
		redis_show(request, bytes_first(bytes_skip(in, header), length), size <= in.size);
	request->left--;
	*used = size;
	return 1;
}

static enum parse_status parse(struct redis_request *request, struct bytes in, size_t *used,
			       struct message *out)
{
	size_t gone = 0;
	int found;

	if (!request->words) {
		if (!in.size)
			return PARSE_NEED_MORE;
		if (in.data[0] != '*')
			return parse_inline(request, in, used, out);
		found = resp_length(bytes_skip(in, 1), &gone, &request->left);
		if (found <= 0 || request->left > WORDS_MAX || request->left == RESP_STREAMED)
			return found ? PARSE_LOST : PARSE_NEED_MORE;
		*used = ++gone;
		if (request->left <= 0)
			return PARSE_SKIP;
		request->words = request->left;
	}
	while (request->left) {
		size_t size = 0;

		found = gone > in.size ? 0 : parse_word(request, bytes_skip(in, gone), &size);
		if (found < 0)
			return PARSE_LOST;
		if (!found)
			break;
		gone += size;
	}
	*used = gone;
	if (request->left || gone > in.size)
		return gone ? PARSE_PART : PARSE_NEED_MORE;
	return report(request, out);
}

enum parse_status redis_request_parse(struct redis_request *request, struct bytes in, size_t *used,
				      struct message *out)
{
	enum parse_status status = PARSE_LOST;

	if (!request->broken)
		status = parse(request, in, used, out);
	if (status != PARSE_LOST)
		return status;
	/*
	 * The server answers what it has understood so far, tells the error and hangs up. Where it
	 * goes on answering instead, it is us who are lost: the response lane finds out.
	 */
	request->broken = true;
	*used = in.size;
	return in.size ? PARSE_SKIP : PARSE_NEED_MORE;
}
