/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is it Redis? A command as clients write it can hardly be anything else. Inline commands are lines
 * of words, like those of many protocols: only what none of these would send is taken for one, and
 * only at the begin of a stream.
 */
#include "proto/redis_state.h"

#include <errno.h>
#include <strings.h>

#define WORDS_PLAUSIBLE 1048576
#define NAME_PLAUSIBLE 64
#define CERTAIN 100
#define UNKNOWN_NAME 90
#define UNLIKELY 40
#define INLINE 80

/* Lower-case inline commands that no other protocol of lines has. */
static const char *const typed[] = { "info",   "hello",	  "select", "config", "client",
				     "dbsize", "monitor", "keys",   "scan",   "hgetall" };

/* What is first said in SMTP, POP3 and IMAP to AUTH. */
static const char *const mechanisms[] = { "PLAIN",	 "LOGIN",	  "CRAM-MD5", "DIGEST-MD5",
					  "NTLM",	 "GSSAPI",	  "XOAUTH2",  "OAUTHBEARER",
					  "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL" };

/* Names of modules' commands begin so. */
static const char *const modules[] = { "FT.", "JSON.",	"BF.",	    "CF.", "CMS.", "TOPK.",
				       "TS.", "GRAPH.", "TDIGEST.", "AI.", "RG.",  "TFCALL" };

static bool name_shaped(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-' || c == '|'))
			return false;
	}
	return true;
}

static bool of_module(struct bytes name)
{
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		size_t size = strlen(modules[i]);

		if (name.size > size && strncasecmp(modules[i], (const char *)name.data, size) == 0)
			return true;
	}
	return false;
}

/*
 * In mid-life: whether a command's other words, then perhaps another command, are what follows as
 * far as it is here. Answers come one by one and are of all types.
 */
static bool words_follow(struct bytes rest, int64_t words)
{
	while (words-- > 0 && rest.size) {
		int64_t length;
		size_t used;
		int found =
			rest.data[0] == '$' ? resp_length(bytes_skip(rest, 1), &used, &length) : -1;

		if (found <= 0)
			return !found;
		if (length < 0)
			return false;
		rest = bytes_skip(rest, 1 + used + length + 2);
	}
	return !rest.size || rest.data[0] == '*';
}

static int detect_command(struct bytes head, bool midway)
{
	int64_t words;
	int64_t length;
	size_t used;
	struct bytes rest;
	struct bytes name;
	int found = resp_length(bytes_skip(head, 1), &used, &words);

	if (found > 0 && (words <= 0 || words > WORDS_PLAUSIBLE))
		return 0;
	if (found <= 0)
		return found ? 0 : -EAGAIN;
	rest = bytes_skip(head, 1 + used);
	if (!rest.size)
		return -EAGAIN;
	found = rest.data[0] == '$' ? resp_length(bytes_skip(rest, 1), &used, &length) : -1;
	if (found > 0 && (length <= 0 || length > NAME_PLAUSIBLE))
		return 0;
	if (found <= 0)
		return found ? 0 : -EAGAIN;
	rest = bytes_skip(rest, 1 + used);
	name = bytes_first(rest, length);
	if (!name_shaped(name))
		return 0;
	if (rest.size < (size_t)length + 2)
		return -EAGAIN;
	if (rest.data[length] != '\r' || rest.data[length + 1] != '\n' ||
	    (midway && !words_follow(bytes_skip(rest, length + 2), words - 1)))
		return 0;
	if (redis_command_known(name) || of_module(name))
		return CERTAIN;
	/* In mid-life an array of strings may as well be an answer. */
	return midway ? UNLIKELY : UNKNOWN_NAME;
}

static bool listed(const char *const *list, size_t count, struct bytes text)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(list[i]) == text.size && memcmp(list[i], text.data, text.size) == 0)
			return true;
	}
	return false;
}

/* "HTTP/1.1", "SIP/2.0": a word with which other protocols' request lines end. */
static bool names_protocol(struct bytes line)
{
	size_t i = line.size;

	while (i &&
	       ((line.data[i - 1] >= '0' && line.data[i - 1] <= '9') || line.data[i - 1] == '.'))
		i--;
	return i > 1 && i < line.size && line.data[i - 1] == '/' && line.data[i - 2] >= 'A' &&
	       line.data[i - 2] <= 'Z';
}

static bool upper_case(struct bytes word)
{
	for (size_t i = 0; i < word.size; i++) {
		if (word.data[i] >= 'a' && word.data[i] <= 'z')
			return false;
	}
	return true;
}

/* A whole line, `word` its first word and `rest` what follows the space. */
static int judge_line(struct bytes line, struct bytes word, struct bytes rest, bool cr)
{
	const uint8_t *space = rest.size ? memchr(rest.data, ' ', rest.size) : NULL;
	struct bytes second = bytes_first(rest, space ? (size_t)(space - rest.data) : rest.size);

	for (size_t i = 0; i < line.size; i++) {
		if (line.data[i] < ' ' && line.data[i] != '\t')
			return 0;
	}
	if (names_protocol(line) || !redis_command_known(word))
		return 0;
	if (!upper_case(word))
		return cr && listed(typed, sizeof(typed) / sizeof(typed[0]), word) ? INLINE : 0;
	if (bytes_equal(word, BYTES("AUTH")) &&
	    (!second.size ||
	     listed(mechanisms, sizeof(mechanisms) / sizeof(mechanisms[0]), second)))
		return 0;
	/* "GET /" of HTTP/0.9, "INFO {" of NATS, "QUIT" of everybody. */
	if ((second.size && (second.data[0] == '/' || second.data[0] == '{')) ||
	    bytes_equal(word, BYTES("QUIT")))
		return 0;
	return INLINE;
}

static int detect_inline(struct bytes head)
{
	const uint8_t *end = memchr(head.data, '\n', head.size);
	struct bytes line = { head.data, end ? (size_t)(end - head.data) : head.size };
	bool cr = end && line.size && line.data[line.size - 1] == '\r';
	struct bytes word = line;

	line.size -= cr;
	word.size = 0;
	while (word.size < line.size && line.data[word.size] != ' ')
		word.size++;
	if (!end && word.size && word.data[word.size - 1] == '\r')
		word.size--;
	if (!word.size || word.size > REDIS_NAME_SIZE || !name_shaped(word))
		return 0;
	if (end)
		return judge_line(line, word, bytes_skip(line, word.size + 1), cr);
	return word.size < line.size && !redis_command_known(word) ? 0 : -EAGAIN;
}

/* An answer's first line. Which protocol it is, the other lane decides. */
static int detect_answer(struct bytes head)
{
	struct resp resp = { 0 };
	struct resp_item item;
	size_t used;

	return resp_next(&resp, head, &used, &item) == RESP_ITEM || resp.skipped ? 60 : 0;
}

int redis_detect(struct bytes head, enum lane lane, bool midway)
{
	if (!head.size)
		return -EAGAIN;
	if (lane == LANE_RESPONSE)
		return midway ? detect_answer(head) : 0;
	if (head.data[0] == '*')
		return detect_command(head, midway);
	return midway ? 0 : detect_inline(head);
}
