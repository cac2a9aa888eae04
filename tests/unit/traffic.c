/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include <stdio.h>

const struct protocol traffic_http = { .name = "http", .family = FAMILY_HTTP };
const struct protocol traffic_database = { .name = "postgresql",
					   .family = FAMILY_DATABASE,
					   .sessions = true };
const struct protocol traffic_cache = { .name = "redis", .family = FAMILY_CACHE };

uint32_t traffic_identity(struct identities *identities, const char *program)
{
	/* Beyond the largest number a process can have. */
	struct event_process hint = { .head = { .tgid = 0x7ffffff0 } };
	static uint64_t stamp;

	snprintf(hint.exec, sizeof(hint.exec), "/bin/%s", program);
	hint.args_size = (uint32_t)snprintf(hint.args, sizeof(hint.args), "%s", program) + 1;
	return identity_resolve(identities, hint.head.tgid, ++stamp, &hint);
}

struct bytes traffic_view(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

uint16_t traffic_name(enum name_kind kind, const char *text)
{
	return names_intern(kind, traffic_view(text));
}

struct connection traffic_connection(uint32_t identity, const struct protocol *protocol,
				     enum side side, const char *peer)
{
	return (struct connection){ .protocol = protocol,
				    .identity = identity,
				    .side = (uint8_t)side,
				    .peer = traffic_name(NAME_PEER, peer),
				    .session = SESSION_NONE,
				    .opened_here = 1,
				    .born = 1000,
				    .established = 101000 };
}

struct exchange traffic_exchange(const struct connection *connection, const char *operation,
				 uint64_t duration)
{
	return (struct exchange){ .connection = connection,
				  .operation = traffic_name(NAME_OPERATION, operation),
				  .timed = true,
				  .begin = 5,
				  .end = 5 + duration };
}
