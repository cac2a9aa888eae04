/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept per connection, and the parts of the Redis parser that share it. */
#ifndef ONLOOKER_PROTO_REDIS_STATE_H
#define ONLOOKER_PROTO_REDIS_STATE_H

#include "protocol.h"
#include "proto/redis_commands.h"
#include "proto/resp.h"

#define REDIS_INLINE_MAX 65536		/* PROTO_INLINE_MAX_SIZE of the server */
#define REDIS_FOREVER ((size_t)1 << 62) /* skips the rest of a stream */

/* A command's note to its answer: kind, reader, whether it is foreign, and how many arguments it
 * has (SELECT: which database it names, struct redis_request). */
#define REDIS_TAG(command, arguments)                                   \
	((uint64_t)(command)->kind | (uint64_t)(command)->reader << 8 | \
	 (uint64_t)(command)->foreign << 16 | (uint64_t)(arguments) << 32)
#define REDIS_TAG_KIND(tag) ((uint8_t)(tag))
#define REDIS_TAG_READER(tag) ((uint8_t)((tag) >> 8))
#define REDIS_TAG_FOREIGN(tag) ((tag) >> 16 & 1)
#define REDIS_TAG_ARGUMENTS(tag) ((uint32_t)((tag) >> 32))

/* The words that matter among the arguments of CLIENT and REPLCONF. */
enum redis_word {
	WORD_NONE = 0,
	WORD_REPLY,
	WORD_ACK,
	WORD_ON,
	WORD_OFF,
	WORD_SKIP,
};

/* The request lane: the command under way, and which commands the client wants no answers to. */
struct redis_request {
	const struct redis_command *command;
	int64_t words;	     /* the command's name and arguments; 0: between two commands */
	int64_t left;	     /* of them, still to come */
	uint8_t argument[2]; /* enum redis_word: the first two */
	uint32_t query;	     /* what is shown of it, where that is wanted (wanted.h) */
	uint32_t database;   /* SELECT: the index and one; 0: it is none */
	bool strayed;	     /* the database was changed without an answer */
	bool broken;	     /* what followed was no command */
	bool off;	     /* CLIENT REPLY OFF */
	bool skip;	     /* CLIENT REPLY SKIP: the next command's answer is not sent */
	bool multi;	     /* between MULTI and EXEC, as far as was asked */
	bool multi_hidden;   /* and the answer to MULTI is not sent */
	bool acknowledges;   /* the newest command: REPLCONF ACK, a replica's receipt */
};

enum redis_subject {
	SUBJECT_UNKNOWN = 0, /* between two answers */
	SUBJECT_NOBODY,	     /* pushes, messages, a monitor's lines, answers to what was not seen */
	SUBJECT_ANSWER,	     /* for the oldest waiting request */
	SUBJECT_EXEC,	     /* so, but its elements are for the deferred ones */
	SUBJECT_CONFIRM,     /* (un)subscribed: perhaps one of several for the oldest */
};

enum redis_certainty {
	CERTAINLY_NOT = 0,
	CERTAINLY,
	UNCERTAIN, /* the stream's begin was not seen */
};

/* What the server said of the client's subscriptions. */
struct redis_subscriptions {
	int64_t total;	  /* channels and patterns */
	int64_t channels; /* meaningless while `uncertain` */
	int64_t patterns;
	int64_t shards;
	bool arrays;	/* told in arrays: RESP2, where messages are arrays too */
	bool uncertain; /* there may be some that were made before we came */
};

/* The response lane: the value under way and what is gathered from it. */
struct redis_response {
	struct resp resp;
	uint8_t subject;      /* enum redis_subject */
	uint8_t confirmation; /* SUBJECT_CONFIRM: enum redis_kind of it */
	uint8_t reader;	      /* enum redis_reader */
	uint8_t base;	      /* depth of the answer: 1 in EXEC's array */
	char type;	      /* of the value, as on the wire */
	bool failed;
	bool null;	/* an element is null */
	bool queued;	/* +QUEUED */
	bool follows;	/* PSYNC: the replication stream follows */
	bool unknown;	/* the server has no such command */
	bool begun;	/* EXEC: an element is under way */
	bool exec_done; /* EXEC: all elements are reported, EXEC itself is not */
	bool monitor;
	bool silent;	/* a replication stream: nobody's commands */
	bool reversed;	/* so is the other lane, and what came in it no request */
	uint8_t multi;	/* enum redis_certainty */
	int64_t number; /* of the newest integer element */
	uint32_t hits;
	uint32_t misses;
	uint64_t strangers; /* EXEC: elements that answer what was not seen */
	uint64_t repeat;    /* EXEC: values that make up the element besides this */
	uint32_t deferred;  /* requests that wait for EXEC */
	uint32_t database;  /* that is worked on: its index and one, 0 unknown */
	uint32_t shown;	    /* the index as a text (queries.h) */
	uint32_t confirmed; /* channels of the oldest request that were confirmed */
	struct redis_subscriptions subscriptions;
};

struct redis {
	struct redis_request request;
	struct redis_response response;
	bool midway; /* the stream's begin was not seen */
};

/* One step in one lane; see struct protocol. */
enum parse_status redis_request_parse(struct redis_request *request, struct bytes in, size_t *used,
				      struct message *out);
enum parse_status redis_response_parse(struct redis *redis, struct bytes in,
				       const struct expect *expect, size_t *used,
				       struct message *out);

/*
 * Cuts the next word off an inline command's line as the server does (sdssplitargs). Up to `room`
 * bytes of it are stored, *size is its whole length. 1 a word, 0 the line's end, -1 bad quotes.
 */
int redis_inline_word(struct bytes *line, uint8_t *word, size_t room, size_t *size);

/* How surely `head` begins with a command, see struct protocol. */
int redis_detect(struct bytes head, enum lane lane, bool midway);

/*
 * Where it is wanted (wanted.h): notes what is shown of the command at hand, whose first argument
 * this is, as far as it is here (not `whole`: nothing is told of it).
 */
void redis_show(struct redis_request *request, struct bytes argument, bool whole);

/*
 * Where it is wanted: takes over what the answer at hand, `out`, did to the session's database, and
 * adds that to it.
 */
void redis_show_database(struct redis *redis, const struct expect *expect, struct message *out);

/* The first word of the error that an answer is, or that is its first element (queries.h). */
uint32_t redis_shown_error(struct bytes answer);

/*
 * What the array or push at the begin of `in` tells: REDIS_MESSAGE, a kind of (un)subscription
 * that it confirms, REDIS_PLAIN where it is neither, -1 when bytes are missing.
 */
#define REDIS_MESSAGE 255
int redis_pubsub_peek(struct bytes in);

/* Takes a confirmation over: `count` as the server gave it. */
void redis_pubsub_confirm(struct redis_subscriptions *subscriptions, uint8_t kind, int64_t count);

/* Whether an UNSUBSCRIBE without arguments, just confirmed by that, has come to its end. */
bool redis_pubsub_complete(const struct redis_subscriptions *subscriptions, uint8_t kind,
			   bool null);

/* In how many values an (UN)SUBSCRIBE with that tag will be confirmed. At least 1. */
uint64_t redis_pubsub_values(const struct redis_subscriptions *subscriptions, uint64_t tag);

/* RESP2: only messages and confirmations come unasked, as arrays. */
static inline bool redis_pubsub_active(const struct redis_subscriptions *subscriptions)
{
	return subscriptions->arrays && (subscriptions->total || subscriptions->shards);
}

#endif
