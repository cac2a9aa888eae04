/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of Redis commands: their names, and those that change how answers are read. */
#ifndef ONLOOKER_PROTO_REDIS_COMMANDS_H
#define ONLOOKER_PROTO_REDIS_COMMANDS_H

#include "bytes.h"

#define REDIS_NAME_SIZE 32 /* longer names are OTHER */

enum redis_kind {
	REDIS_PLAIN = 0,
	REDIS_MULTI,
	REDIS_EXEC,
	REDIS_DISCARD,
	REDIS_RESET,
	REDIS_PING,
	REDIS_MONITOR,
	REDIS_SYNC,
	REDIS_PSYNC,
	REDIS_CLIENT,
	REDIS_REPLCONF,
	REDIS_SELECT,
	REDIS_QUIT,
	REDIS_SUBSCRIBE, /* from here on: answered once per channel */
	REDIS_PSUBSCRIBE,
	REDIS_SSUBSCRIBE,
	REDIS_UNSUBSCRIBE,
	REDIS_PUNSUBSCRIBE,
	REDIS_SUNSUBSCRIBE,
};

/* How an answer tells keys that were found from those that were not. */
enum redis_reader {
	REDIS_READS_NONE = 0,
	REDIS_READS_VALUE, /* a value or null */
	REDIS_READS_EACH,  /* an array of such */
};

struct redis_command {
	uint16_t name;	/* names.h */
	uint8_t kind;	/* enum redis_kind */
	uint8_t reader; /* enum redis_reader */
	bool keyed;	/* its first argument is a key, and never anything else */
	bool foreign;	/* in no list of Redis's and its modules': perhaps no command at all */
};

/*
 * The command of that name, in whatever case. Unknown names get an entry as long as there is room
 * for them; else, or where the name is none, the operation is OTHER. Never NULL.
 */
const struct redis_command *redis_command_find(struct bytes name);

/* Whether a server could know the name (in whatever case). Makes no entry. */
bool redis_command_known(struct bytes name);

static inline bool redis_kind_subscribes(uint8_t kind)
{
	return kind >= REDIS_SUBSCRIBE;
}

#endif
