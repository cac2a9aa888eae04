/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the PostgreSQL protocol share (documentation: Frontend/Backend Protocol, 3.0
 * and 3.2). Private to user/proto/postgres*.c.
 *
 * Every message that is answered joins the queue, those that are no statements silently, so that
 * the answers' kinds tell at every moment whether both sides are in step:
 *
 *	client        answered by                                      counts as
 *	Query         (CommandComplete | EmptyQuery | Error)* Ready    each CommandComplete, Error
 *	Parse         ParseComplete                                    an Error only
 *	Bind          BindComplete                                     an Error only
 *	Describe      [ParameterDescription] RowDescription | NoData   an Error only
 *	Close         CloseComplete                                    nothing
 *	Execute       CommandComplete | EmptyQuery | PortalSuspended   one, or an Error
 *	  continued   the same                                         nothing: it counted before
 *	FunctionCall  [FunctionCallResponse] Ready                     nothing: it is no statement
 *	Sync          Ready                                            nothing
 *	startup       ... Ready                                        nothing
 *	SSL, GSSENC   one byte                                         nothing
 *
 * After an Error that was not Query's own the server skips what was sent up to the next Sync, and
 * so does the queue. An Error to Sync itself is a failed commit: its statements have counted.
 */
#ifndef ONLOOKER_POSTGRES_H
#define ONLOOKER_POSTGRES_H

#include "proto/prepared.h"
#include "proto/sql_scan.h"
#include "protocol.h"

#define PG_HEADER 5	       /* type, length of what follows with itself */
#define PG_LONGEST 0x40000000u /* the server's own limit of a message */
#define PG_STARTUP_LONGEST 10000
#define PG_HOLD 2048  /* names and tags are looked for in as many bytes */
#define PG_NAME 63    /* the server cuts names to as many */
#define PG_TEXT 16384 /* so much of a statement's text is read */
#define PG_SCRIPT 256 /* verbs of one text that are remembered */
#define PG_PORTALS 32
#define PG_IN_STEP 2 /* after so many groups no answer to what was not seen is to come */

#define PG_PROTOCOL_3 3 /* upper half of the version */
#define PG_CANCEL 80877102u
#define PG_SSL 80877103u
#define PG_GSSENC 80877104u

enum pg_kind {
	PG_QUERY = 1,
	PG_PARSE,
	PG_BIND,
	PG_DESCRIBE,
	PG_CLOSE,
	PG_EXECUTE,
	PG_CONTINUE, /* Execute of a portal that was executed before, or bound before we came */
	PG_FUNCTION,
	PG_SYNC,
	PG_STARTUP,
	PG_NEGOTIATE,
};

/* What a request notes for its answer: packed into struct message's tag. */
#define PG_TAG_VERBS 5 /* of the statements after the first */
struct pg_note {
	uint8_t kind;	 /* enum pg_kind */
	uint8_t copies;	 /* COPYs from the client that had ended before it, modulo 256 */
	bool once;	 /* a replication command: one statement however many tags it ends with */
	uint16_t script; /* number of its text: its verbs are in the state while it is the newest */
	uint8_t verbs[PG_TAG_VERBS];
};

struct pg_portal {
	uint32_t key;
	uint8_t verb;
	bool fresh; /* bound, and not executed since */
};

struct pg_state {
	/* request lane */
	struct sql_scan scan;
	uint32_t left; /* bytes of the text's message still to come, 0: at a boundary */
	uint32_t name; /* the statement that is being parsed; 0: unnamed */
	uint16_t scanned;
	uint16_t script; /* number of the newest Query's text */
	uint8_t text;	 /* message type whose text is being read, else 0 */
	uint8_t copies;	 /* CopyDone and CopyFail seen */
	bool started;	 /* startup packets are over */
	uint8_t parsed;	 /* verb of the newest Parse */
	uint8_t unnamed; /* verb of the unnamed statement */
	uint8_t next_portal;
	bool conforming;	   /* standard_conforming_strings, where details are wanted */
	uint32_t draft;		   /* what is to be shown of the text being read; 0: nothing */
	uint32_t session;	   /* for names of queries; 0: none was given yet */
	uint32_t unnamed_query[2]; /* of the unnamed statement, of the unnamed portal */
	struct pg_portal portals[1 + PG_PORTALS]; /* the first: the unnamed one */
	struct prepared statements;
	uint8_t verbs[PG_SCRIPT]; /* of the newest Query's text */

	/* response lane */
	uint8_t pending;    /* type of the answer whose last bytes were skipped to, else 0 */
	uint16_t operation; /* its tag's name */
	uint32_t error;	    /* its SQLSTATE (queries.h), where details are wanted */
	uint8_t status;	    /* its transaction status */
	uint8_t in_step;    /* groups answered since the last answer to what was not seen */
	bool skipping;	    /* an error: what was sent before the next Sync is not executed */
	bool failed;	    /* the Query waiting has had its error */
	bool copying;	    /* COPY from the client is under way for the oldest request */
	bool swallow;	    /* drop the Syncs that the server read as part of a COPY ... */
	uint8_t copy;	    /* ... sent after as many COPYs had ended */
};

uint64_t pg_note_pack(const struct pg_note *note);
struct pg_note pg_note_unpack(uint64_t tag);

static inline uint32_t pg_get32(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static inline unsigned int pg_get16(const uint8_t *data)
{
	return data[0] << 8 | data[1];
}

/* One step in a lane; as struct protocol's parse(). */
enum parse_status pg_parse_request(struct pg_state *state, struct bytes in, size_t *used,
				   struct message *out);
enum parse_status pg_parse_response(struct pg_state *state, struct bytes in,
				    const struct expect *expect, size_t *used, struct message *out);

/* As struct protocol's detect() and finish(). */
int pg_detect(struct bytes head, enum lane lane, bool midway);
enum parse_status pg_finish(void *state, enum lane lane, const struct expect *expect,
			    struct message *out);

#endif
