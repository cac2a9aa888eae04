/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL, protocol 3: what the server sends (documentation: Frontend/Backend Protocol, Message
 * Flow). The table of what answers what is in postgres.h. One answer:
 *
 *	(boundary) --> header, tag --> whole: act
 *	                    |
 *	                    +-- not yet: step over it --> act on the queue as it is then
 *
 * An answer that nothing waits for belongs to a request not seen (yet).
 */
#include "proto/postgres.h"

#include "proto/wanted.h"
#include "proto/postgres_text.h"
#include "util/names.h"

/* Rows, COPY's data, and what may come at any time or says nothing of a statement. */
static bool is_idle_talk(uint8_t type)
{
	switch (type) {
	case 'D': /* DataRow */
	case 'd': /* CopyData */
	case 'c': /* CopyDone */
	case 'H': /* CopyOutResponse */
	case 'N': /* NoticeResponse */
	case 'A': /* NotificationResponse */
	case 'S': /* ParameterStatus */
	case 'K': /* BackendKeyData */
	case 'R': /* Authentication... */
	case 'V': /* FunctionCallResponse */
	case 'v': /* NegotiateProtocolVersion */
	case 't': /* ParameterDescription */
		return true;
	}
	return false;
}

/* Types that act on the queue, and the bounds of their lengths. */
static bool acts(uint8_t type, uint32_t size)
{
	switch (type) {
	case '1': /* ParseComplete */
	case '2': /* BindComplete */
	case '3': /* CloseComplete */
	case 'n': /* NoData */
	case 's': /* PortalSuspended */
	case 'I': /* EmptyQueryResponse */
		return size == 4;
	case 'Z': /* ReadyForQuery */
		return size == 5;
	case 'T': /* RowDescription */
		return size >= 6;
	case 'C': /* CommandComplete */
	case 'E': /* ErrorResponse */
		return size >= 5;
	case 'G': /* CopyInResponse */
	case 'W': /* CopyBothResponse */
		return size >= 7;
	}
	return false;
}

static enum parse_status act(struct message *out, unsigned int action)
{
	out->role = MESSAGE_RESPONSE;
	out->action = action;
	return PARSE_MESSAGE;
}

/* An answer to something else than what waits: to what was sent before we came, or all is lost. */
static enum parse_status mismatch(const struct pg_state *state)
{
	return state->in_step == PG_IN_STEP ? PARSE_LOST : PARSE_SKIP;
}

/* ---- errors ---- */

/* The verb of the statement of a Query that comes after `done` others. */
static uint16_t query_operation(const struct pg_state *state, const struct pg_note *note,
				const struct expect *expect)
{
	uint32_t done = expect->counted;

	if (!done)
		return expect->operation;
	if (note->script == state->script)
		return sql_verb_name(done < PG_SCRIPT ? state->verbs[done] : SQL_OTHER);
	return sql_verb_name(done <= PG_TAG_VERBS ? note->verbs[done - 1] : SQL_OTHER);
}

static void copy_end(struct pg_state *state)
{
	state->swallow |= state->copying;
	state->copying = false;
}

static enum parse_status act_error(struct pg_state *state, const struct pg_note *note,
				   const struct expect *expect, struct message *out)
{
	copy_end(state);
	out->failed = true;
	out->query = state->error;
	switch (note->kind) {
	case PG_QUERY:
		if (state->failed || (note->once && expect->counted))
			return PARSE_SKIP;
		state->failed = true;
		out->operation = query_operation(state, note, expect);
		return act(out, MESSAGE_COUNT);
	case PG_PARSE:
	case PG_BIND:
	case PG_DESCRIBE:
	case PG_EXECUTE:
		state->skipping = true;
		return act(out, MESSAGE_COUNT | MESSAGE_POP);
	case PG_CLOSE:
	case PG_CONTINUE:
		state->skipping = true;
		return act(out, MESSAGE_POP);
	case PG_STARTUP:
	case PG_NEGOTIATE:
		return act(out, MESSAGE_POP);
	}
	return PARSE_SKIP; /* FunctionCall, Sync: Ready follows */
}

/* ---- the others ---- */

static enum parse_status act_complete(struct pg_state *state, const struct pg_note *note,
				      struct message *out)
{
	copy_end(state);
	out->operation = state->operation;
	switch (note->kind) {
	case PG_QUERY:
		return note->once ? PARSE_SKIP : act(out, MESSAGE_COUNT);
	case PG_EXECUTE:
		return act(out, MESSAGE_COUNT | MESSAGE_POP);
	case PG_CONTINUE:
		return act(out, MESSAGE_POP);
	}
	return mismatch(state);
}

static enum parse_status act_ready(struct pg_state *state, const struct pg_note *note,
				   const struct expect *expect, struct message *out)
{
	unsigned int action = MESSAGE_POP;
	bool failed = state->failed;

	if (note->kind != PG_QUERY && note->kind != PG_SYNC && note->kind != PG_FUNCTION &&
	    note->kind != PG_STARTUP)
		return PARSE_LOST; /* its own Sync is not seen, or was already answered */
	if (note->kind == PG_QUERY && note->once && !expect->counted && !failed)
		action |= MESSAGE_COUNT;
	state->failed = state->copying = state->skipping = false;
	state->in_step += state->in_step < PG_IN_STEP;
	out->session = state->status == 'I' ? SESSION_IDLE : SESSION_TRANSACTION;
	return act(out, action);
}

static enum parse_status act_prepared(const struct pg_state *state, uint8_t kind,
				      const struct pg_note *note, struct message *out)
{
	return note->kind == kind ? act(out, MESSAGE_POP) : mismatch(state);
}

static enum parse_status act_portal(const struct pg_state *state, const struct pg_note *note,
				    bool suspended, struct message *out)
{
	switch (note->kind) {
	case PG_QUERY:
		return PARSE_SKIP; /* an empty one */
	case PG_EXECUTE:
		return act(out, suspended ? MESSAGE_COUNT | MESSAGE_POP : MESSAGE_POP);
	case PG_CONTINUE:
		return act(out, MESSAGE_POP);
	}
	return mismatch(state);
}

static enum parse_status act_copy(struct pg_state *state, const struct pg_note *note, bool both,
				  struct message *out)
{
	if (note->kind != PG_QUERY && note->kind != PG_EXECUTE)
		return mismatch(state);
	if (both) /* a replication stream: it has begun, and may never end */
		return note->once ? act(out, MESSAGE_COUNT) : PARSE_SKIP;
	state->copying = true;
	state->copy = note->copies;
	return PARSE_SKIP;
}

/* Nobody waits for this answer: it is passed over, but what it says of the session holds. */
static enum parse_status act_unknown(struct pg_state *state, uint8_t type, struct message *out)
{
	if (state->in_step < PG_IN_STEP)
		state->in_step = 0;
	if (type != 'Z')
		return PARSE_SKIP;
	state->skipping = state->copying = state->failed = false;
	out->session = state->status == 'I' ? SESSION_IDLE : SESSION_TRANSACTION;
	return act(out, 0);
}

/*
 * Up to the Sync a transaction is open, whether one was begun or not (Message Flow, Extended
 * Query). That Sync waits already, as a rule: then nobody is told before its Ready has the last
 * word.
 */
static bool extended(const struct pg_note *note)
{
	return note->kind >= PG_PARSE && note->kind <= PG_CONTINUE;
}

static enum parse_status answer(struct pg_state *state, uint8_t type, const struct expect *expect,
				struct message *out)
{
	struct pg_note note = pg_note_unpack(expect->tag);

	if (!expect->waiting)
		return act_unknown(state, type, out);
	if (extended(&note))
		out->session = SESSION_TRANSACTION;
	switch (type) {
	case 'C':
		return act_complete(state, &note, out);
	case 'E':
		return act_error(state, &note, expect, out);
	case 'Z':
		return act_ready(state, &note, expect, out);
	case 'I':
	case 's':
		return act_portal(state, &note, type == 's', out);
	case '1':
		return act_prepared(state, PG_PARSE, &note, out);
	case '2':
		return act_prepared(state, PG_BIND, &note, out);
	case '3':
		return act_prepared(state, PG_CLOSE, &note, out);
	case 'T':
		if (note.kind == PG_QUERY || note.kind == PG_EXECUTE || note.kind == PG_CONTINUE)
			return PARSE_SKIP;
		return act_prepared(state, PG_DESCRIBE, &note, out);
	case 'n':
		return act_prepared(state, PG_DESCRIBE, &note, out);
	default:
		return act_copy(state, &note, type == 'W', out);
	}
}

/* ---- steps ---- */

/*
 * Drops what will not be answered: after an error all up to the next Sync, and Syncs that the
 * server took for part of a COPY's data stream (Message Flow, COPY Operations).
 */
static bool drop(struct pg_state *state, const struct expect *expect, struct message *out)
{
	struct pg_note note = pg_note_unpack(expect->tag);
	bool sync = note.kind == PG_SYNC;

	if (!expect->waiting) {
		state->swallow = false;
		return false;
	}
	if (state->swallow && sync && note.copies == state->copy) {
		act(out, MESSAGE_POP);
		return true;
	}
	if (state->skipping && !sync && note.kind != PG_STARTUP) {
		act(out, MESSAGE_POP);
		return true;
	}
	state->swallow = false;
	return false;
}

/* The answer to SSLRequest or GSSENCRequest: one byte, or an old server's error. */
static enum parse_status negotiate(struct bytes in, size_t *used, struct message *out)
{
	*used = 1;
	act(out, MESSAGE_POP);
	if (in.data[0] == 'N')
		return PARSE_MESSAGE;
	return in.data[0] == 'S' || in.data[0] == 'G' ? PARSE_SWITCH : PARSE_LOST;
}

static enum parse_status talk(struct pg_state *state, struct bytes in, size_t *used)
{
	*used = 0;
	while (*used + PG_HEADER <= in.size) {
		uint32_t size = pg_get32(in.data + *used + 1);

		if (!is_idle_talk(in.data[*used]) || size < 4 || size > PG_LONGEST)
			break;
		if (in.data[*used] == 'S' && details_wanted()) {
			struct bytes body = bytes_skip(in, *used + PG_HEADER);

			pg_text_parameter(state, bytes_first(body, size - 4),
					  body.size >= size - 4);
		}
		*used += 1 + (size_t)size;
	}
	return *used ? PARSE_SKIP : PARSE_LOST;
}

/* Notes what an acting answer says. False: more bytes are needed. */
static bool note_answer(struct pg_state *state, struct bytes in, uint32_t size)
{
	struct bytes body = bytes_first(bytes_skip(in, PG_HEADER), size - 4);

	if (in.data[0] == 'Z') {
		if (!body.size)
			return false;
		state->status = body.data[0];
	} else if (in.data[0] == 'C') {
		if (body.size < size - 4 && body.size < SQL_WORD + 1)
			return false;
		state->operation = sql_tag_name(body);
	} else if (in.data[0] == 'E' && details_wanted()) {
		state->error = pg_text_error(body); /* what is at hand will do */
	}
	return true;
}

enum parse_status pg_parse_response(struct pg_state *state, struct bytes in,
				    const struct expect *expect, size_t *used, struct message *out)
{
	bool wait = !expect->waiting && !expect->late && state->in_step == PG_IN_STEP;
	uint8_t type = state->pending;
	uint32_t size;

	if (type) {
		state->pending = 0;
		return answer(state, type, expect, out);
	}
	if (drop(state, expect, out))
		return PARSE_MESSAGE;
	if (!in.size)
		return PARSE_NEED_MORE;
	type = in.data[0];
	if (expect->waiting && pg_note_unpack(expect->tag).kind == PG_NEGOTIATE && type != 'E')
		return negotiate(in, used, out);
	if (!state->started && wait)
		return PARSE_WAIT; /* may be the one byte that answers an SSLRequest */
	if (in.size < PG_HEADER)
		return is_idle_talk(type) || memchr("123nsIZTCEGW", type, 12) ? PARSE_NEED_MORE :
										PARSE_LOST;
	if (is_idle_talk(type))
		return talk(state, in, used);
	size = pg_get32(in.data + 1);
	if (!acts(type, size) || size > PG_LONGEST)
		return PARSE_LOST;
	if (wait)
		return PARSE_WAIT;
	if (!note_answer(state, in, size))
		return PARSE_NEED_MORE;
	if (type == 'Z' && !memchr("ITE", state->status, 3))
		return PARSE_LOST;
	*used = 1 + (size_t)size;
	if (*used > in.size) {
		state->pending = type;
		return PARSE_PART;
	}
	return answer(state, type, expect, out);
}

enum parse_status pg_finish(void *memory, enum lane lane, const struct expect *expect,
			    struct message *out)
{
	if (lane == LANE_RESPONSE && drop(memory, expect, out))
		return PARSE_MESSAGE;
	return PARSE_SKIP;
}
