/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL, protocol 3 (documentation: Frontend/Backend Protocol, Message Flow and Message
 * Formats): what the client sends. The answers are in postgres_answer.c.
 *
 *	            SSLRequest, GSSENCRequest: one byte 'N'
 *	              +---+
 *	              |   v                               text of Query, Parse
 *	(begin) --> STARTUP -- StartupMessage --> MESSAGE <----------------> TEXT
 *	                |                            ^
 *	                +-- CancelRequest: the end   +-- (midway)
 *
 * Bytes of passwords and parameters are stepped over by length and never kept.
 */
#include "proto/postgres.h"

#include "proto/wanted.h"
#include "proto/postgres_text.h"
#include "proto/queries.h"

#define TLS_HANDSHAKE 0x16

uint64_t pg_note_pack(const struct pg_note *note)
{
	uint64_t tag = note->kind | note->once << 4 | (uint64_t)note->copies << 8 |
		       (uint64_t)note->script << 16;

	for (unsigned int i = 0; i < PG_TAG_VERBS; i++)
		tag |= (uint64_t)note->verbs[i] << (32 + SQL_VERB_BITS * i);
	return tag;
}

struct pg_note pg_note_unpack(uint64_t tag)
{
	struct pg_note note = {
		.kind = tag & 15,
		.once = tag >> 4 & 1,
		.copies = tag >> 8,
		.script = tag >> 16,
	};

	for (unsigned int i = 0; i < PG_TAG_VERBS; i++)
		note.verbs[i] = tag >> (32 + SQL_VERB_BITS * i) & ((1 << SQL_VERB_BITS) - 1);
	return note;
}

/* ---- names ---- */

/* As the server compares it. */
static struct bytes name_cut(const uint8_t *name, size_t size)
{
	return bytes_first((struct bytes){ name, size }, PG_NAME);
}

static uint8_t statement_verb(struct pg_state *state, struct bytes name)
{
	uint8_t *verb;

	if (!name.size)
		return state->unnamed;
	verb = prepared_find(&state->statements, prepared_key('S', name));
	return verb ? *verb : SQL_OTHER;
}

/* The portal of this name, known or (make) made known now; else NULL. */
static struct pg_portal *portal_find(struct pg_state *state, struct bytes name, bool make)
{
	struct pg_portal *portal = &state->portals[0];
	uint32_t key = name.size ? prepared_key('P', name) : 0;

	if (!key)
		return portal;
	for (int i = 1; i <= PG_PORTALS; i++) {
		if (state->portals[i].key == key)
			return &state->portals[i];
	}
	if (!make)
		return NULL;
	portal = &state->portals[1 + state->next_portal];
	state->next_portal = (state->next_portal + 1) % PG_PORTALS;
	*portal = (struct pg_portal){ .key = key };
	return portal;
}

/* The query of a statement or portal. */
static uint32_t query_of(const struct pg_state *state, uint8_t kind, struct bytes name)
{
	return pg_text_named(state, kind, name.size ? prepared_key(kind, name) : 0);
}

/* ---- requests ---- */

static enum parse_status request(const struct pg_state *state, struct message *out, uint8_t kind,
				 uint8_t verb)
{
	struct pg_note note = { .kind = kind, .copies = state->copies };

	out->role = MESSAGE_REQUEST;
	out->silent = kind != PG_EXECUTE && kind != PG_QUERY;
	out->tag = pg_note_pack(&note);
	if (kind < PG_CONTINUE)
		out->operation = sql_verb_name(verb);
	return PARSE_MESSAGE;
}

static enum parse_status query(struct pg_state *state, struct message *out)
{
	struct pg_note note = { .kind = PG_QUERY, .copies = state->copies };
	uint32_t count = state->scan.count;
	uint8_t first = count ? state->verbs[0] : SQL_OTHER;

	for (unsigned int i = 0; i < PG_TAG_VERBS && i + 1 < count; i++)
		note.verbs[i] = state->verbs[i + 1];
	if (count < PG_SCRIPT)
		memset(state->verbs + count, SQL_OTHER, PG_SCRIPT - count);
	note.script = state->script;
	note.once = first && (first == sql_verb(BYTES("START_REPLICATION")) ||
			      first == sql_verb(BYTES("BASE_BACKUP")));
	state->portals[0] = (struct pg_portal){ 0 }; /* Query destroys the unnamed ones */
	state->unnamed = SQL_OTHER;
	request(state, out, PG_QUERY, first);
	out->tag = pg_note_pack(&note);
	return PARSE_MESSAGE;
}

/* Parse: what the statement is, and (out->query) what is shown of it, is known by its name. */
static enum parse_status parsed(struct pg_state *state, struct message *out)
{
	if (state->name)
		prepared_put(&state->statements, state->name, state->parsed);
	else
		state->unnamed = state->parsed;
	if (details_wanted())
		pg_text_name(state, 'S', state->name, out->query);
	return request(state, out, PG_PARSE, state->parsed);
}

/* There is more to learn from the text. */
static bool goes_on(const struct pg_state *state, bool is_query)
{
	if (is_query || !(sql_scan_settled(&state->scan) || state->scan.count))
		return true;
	return state->draft && pg_text_open(state);
}

/*
 * Reads on in the text of Query or Parse, up to its end or as far as is worth it: a Parse's verb
 * is known, or PG_TEXT bytes were read. The rest is stepped over by length.
 */
static enum parse_status text(struct pg_state *state, struct bytes in, size_t offset, size_t *used,
			      struct message *out)
{
	bool is_query = state->text == 'Q';
	uint8_t *verbs = is_query ? state->verbs : &state->parsed;
	size_t room = is_query ? PG_SCRIPT : 1;
	struct bytes piece = bytes_first(bytes_skip(in, offset), state->left);
	const uint8_t *end;
	uint32_t left = state->left;

	if (!piece.size && !offset)
		return PARSE_NEED_MORE;
	piece = bytes_first(piece, PG_TEXT - state->scanned);
	end = piece.size ? memchr(piece.data, '\0', piece.size) : NULL;
	if (end)
		piece.size = end - piece.data;
	if (state->draft)
		pg_text_feed(state, piece, verbs, room);
	else
		sql_scan_feed(&state->scan, piece, verbs, room);
	state->scanned += piece.size;
	if (!end && piece.size < left && state->scanned < PG_TEXT && goes_on(state, is_query)) {
		state->left -= piece.size;
		*used = offset + piece.size;
		return PARSE_PART;
	}
	if (state->draft)
		out->query = pg_text_end(state, !end && piece.size < left, verbs, room);
	sql_scan_end(&state->scan, verbs, room);
	state->left = 0;
	state->text = 0;
	*used = offset + left;
	return is_query ? query(state, out) : parsed(state, out);
}

static enum parse_status text_begin(struct pg_state *state, struct bytes in, size_t total,
				    size_t *used, struct message *out)
{
	struct bytes body = bytes_first(bytes_skip(in, PG_HEADER), total - PG_HEADER);
	size_t offset = PG_HEADER;

	state->name = 0;
	if (in.data[0] == 'P') {
		const uint8_t *end = body.size ? memchr(body.data, '\0', body.size) : NULL;
		size_t size = end ? (size_t)(end - body.data) : PG_HOLD - PG_HEADER;

		if (!end && body.size < size)
			return in.size < total ? PARSE_NEED_MORE : PARSE_LOST;
		if (size)
			state->name = prepared_key('S', name_cut(body.data, size));
		offset += end ? size + 1 : size;
		state->parsed = SQL_OTHER;
	}
	state->text = in.data[0];
	state->script += in.data[0] == 'Q';
	state->left = total - offset;
	state->scanned = 0;
	sql_scan_begin(&state->scan);
	if (details_wanted())
		pg_text_begin(state);
	return text(state, in, offset, used, out);
}

/* Bind: portal and statement. Names too long to be real ones are taken as unknown. */
static enum parse_status bind(struct pg_state *state, struct bytes in, size_t total, size_t *used,
			      struct message *out)
{
	struct bytes body = bytes_first(bytes_skip(in, PG_HEADER), total - PG_HEADER);
	const uint8_t *first = body.size ? memchr(body.data, '\0', body.size) : NULL;
	struct bytes rest = bytes_skip(body, first ? (size_t)(first + 1 - body.data) : body.size);
	const uint8_t *second = rest.size ? memchr(rest.data, '\0', rest.size) : NULL;
	struct bytes statement = { 0 };
	uint8_t verb = SQL_OTHER;

	if (!second && in.size < total && in.size < PG_HOLD)
		return PARSE_NEED_MORE;
	if (!second && in.size >= total)
		return PARSE_LOST;
	if (second) {
		statement = name_cut(rest.data, second - rest.data);
		verb = statement_verb(state, statement);
	}
	if (first) {
		struct bytes name = name_cut(body.data, first - body.data);
		struct pg_portal *portal = portal_find(state, name, true);

		portal->verb = verb;
		portal->fresh = true;
		if (details_wanted()) {
			out->query = second ? query_of(state, 'S', statement) : QUERY_NONE;
			pg_text_name(state, 'P', portal->key, out->query);
		}
	}
	*used = total;
	return request(state, out, PG_BIND, verb);
}

static enum parse_status execute(struct pg_state *state, struct bytes name, struct message *out)
{
	struct pg_portal *portal = portal_find(state, name, false);
	bool first = portal && portal->fresh;

	if (portal)
		portal->fresh = false;
	if (details_wanted())
		out->query = query_of(state, 'P', name);
	return request(state, out, first ? PG_EXECUTE : PG_CONTINUE,
		       portal ? portal->verb : SQL_OTHER);
}

static enum parse_status describe(struct pg_state *state, struct bytes name, bool portal,
				  struct message *out)
{
	struct pg_portal *found = portal ? portal_find(state, name, false) : NULL;
	uint8_t verb = found ? found->verb : SQL_OTHER;

	if (details_wanted())
		out->query = query_of(state, portal ? 'P' : 'S', name);
	return request(state, out, PG_DESCRIBE, portal ? verb : statement_verb(state, name));
}

static enum parse_status close_name(struct pg_state *state, struct bytes name, bool portal,
				    struct message *out)
{
	struct pg_portal *found = portal ? portal_find(state, name, false) : NULL;

	if (found)
		*found = (struct pg_portal){ 0 };
	else if (!portal && name.size)
		prepared_remove(&state->statements, prepared_key('S', name));
	return request(state, out, PG_CLOSE, SQL_OTHER);
}

/* Execute, Describe, Close: one name, and few bytes around it. */
static enum parse_status named(struct pg_state *state, struct bytes in, size_t total, size_t *used,
			       struct message *out)
{
	bool is_execute = in.data[0] == 'E';
	size_t tail = is_execute ? 4 : 0;  /* Execute: the row limit */
	size_t front = is_execute ? 0 : 1; /* else: 'S'tatement or 'P'ortal */
	struct bytes body = bytes_first(bytes_skip(in, PG_HEADER), total - PG_HEADER);
	struct bytes name;

	if (total < PG_HEADER + front + 1 + tail)
		return PARSE_LOST;
	if (in.size < total && in.size < PG_HOLD)
		return PARSE_NEED_MORE;
	*used = total;
	if (in.size >= total && body.data[body.size - tail - 1] != '\0')
		return PARSE_LOST;
	if (front && body.data[0] != 'S' && body.data[0] != 'P')
		return PARSE_LOST;
	name = bytes_skip(body, front);
	name = bytes_first(name, strnlen((const char *)name.data, name.size));
	name = bytes_first(name, PG_NAME);
	if (is_execute)
		return execute(state, name, out);
	if (in.data[0] == 'D')
		return describe(state, name, body.data[0] == 'P', out);
	return close_name(state, name, body.data[0] == 'P', out);
}

/* Steps over all messages at the front that need no look: passwords, COPY's data, Flush. */
static enum parse_status step_over(struct pg_state *state, struct bytes in, size_t *used)
{
	*used = 0;
	while (*used + PG_HEADER <= in.size) {
		const uint8_t *head = in.data + *used;
		uint32_t size = pg_get32(head + 1);

		if (!memchr("dcfpHX", head[0], 6) || size < 4 || size > PG_LONGEST)
			break;
		state->copies += head[0] == 'c' || head[0] == 'f';
		*used += 1 + (size_t)size;
	}
	return *used ? PARSE_SKIP : PARSE_LOST;
}

static enum parse_status startup(struct pg_state *state, struct bytes in, size_t *used,
				 struct message *out)
{
	uint32_t size, code;

	if (in.size < 8)
		return in.size && in.data[0] ? PARSE_LOST : PARSE_NEED_MORE;
	size = pg_get32(in.data);
	code = pg_get32(in.data + 4);
	if (size < 8 || size > PG_STARTUP_LONGEST)
		return PARSE_LOST;
	*used = size;
	switch (code) {
	case PG_CANCEL:
		return PARSE_SKIP;
	case PG_SSL:
	case PG_GSSENC:
		return size == 8 ? request(state, out, PG_NEGOTIATE, SQL_OTHER) : PARSE_LOST;
	}
	if (code >> 16 != PG_PROTOCOL_3)
		return PARSE_LOST;
	if (details_wanted() && in.size >= size)
		out->query = pg_text_database(bytes_first(bytes_skip(in, 8), size - 8));
	state->started = true;
	return request(state, out, PG_STARTUP, SQL_OTHER);
}

enum parse_status pg_parse_request(struct pg_state *state, struct bytes in, size_t *used,
				   struct message *out)
{
	size_t total;
	uint32_t size;

	if (state->text)
		return text(state, in, 0, used, out);
	if (!in.size)
		return PARSE_NEED_MORE;
	if (!state->started && in.data[0] == 0)
		return startup(state, in, used, out);
	if (!state->started && in.data[0] == TLS_HANDSHAKE)
		return PARSE_NEED_MORE; /* the answer to SSLRequest is still to be seen */
	if (!state->started || !memchr("QPBDCEFSHXpdcf", in.data[0], 14))
		return PARSE_LOST;
	if (in.size < PG_HEADER)
		return PARSE_NEED_MORE;
	size = pg_get32(in.data + 1);
	if (size < 4 || size > PG_LONGEST)
		return PARSE_LOST;
	total = 1 + (size_t)size;
	*used = total;
	switch (in.data[0]) {
	case 'Q':
	case 'P':
		return size < 5 ? PARSE_LOST : text_begin(state, in, total, used, out);
	case 'B':
		return bind(state, in, total, used, out);
	case 'E':
	case 'D':
	case 'C':
		return named(state, in, total, used, out);
	case 'S':
		return size == 4 ? request(state, out, PG_SYNC, SQL_OTHER) : PARSE_LOST;
	case 'F':
		return request(state, out, PG_FUNCTION, SQL_OTHER);
	default:
		return step_over(state, in, used);
	}
}

/* ---- the protocol ---- */

static void init(void *memory, bool midway)
{
	struct pg_state *state = memory;

	state->in_step = midway ? 0 : PG_IN_STEP;
}

static enum parse_status parse(void *memory, enum lane lane, struct bytes in,
			       const struct expect *expect, size_t *used, struct message *out)
{
	struct pg_state *state = memory;

	if (lane == LANE_RESPONSE)
		return pg_parse_response(state, in, expect, used, out);
	/* In mid-life nothing but the first byte tells a startup packet from a message. */
	if (state->in_step < PG_IN_STEP && !state->started && in.size && in.data[0])
		state->started = true;
	return pg_parse_request(state, in, used, out);
}

static const char *const servers[] = { "postgres", "pgbouncer", NULL };

const struct protocol postgres_protocol = {
	.name = "postgresql",
	.family = FAMILY_DATABASE,
	.state_size = sizeof(struct pg_state),
	.hold = PG_HOLD,
	.sessions = true,
	.hop = { [LANE_REQUEST] = { 'd', 'd' }, [LANE_RESPONSE] = { 'D', 'd' } },
	.port = 5432,
	.servers = servers,
	.detect = pg_detect,
	.init = init,
	.parse = parse,
	.finish = pg_finish,
};
