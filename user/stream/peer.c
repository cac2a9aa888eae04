/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/peer.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "util/names.h"
#include "util/utf8.h"

static uint16_t intern(const char *text, uint32_t identity)
{
	return names_intern_for(NAME_PEER, identity + 1,
				(struct bytes){ (const uint8_t *)text, strlen(text) });
}

static uint16_t unix_name(const struct event_open *open, uint32_t identity)
{
	char raw[EVENT_PATH_SIZE + 2], clean[EVENT_PATH_SIZE + 2];
	bool abstract = !open->path[0] && open->path[1];
	const char *path = open->path + abstract;

	snprintf(raw, sizeof(raw), "%s%.*s", abstract ? "@" : "", EVENT_PATH_SIZE - abstract, path);
	utf8_copy(clean, sizeof(clean), raw);
	return intern(clean[0] ? clean : "unix", identity);
}

/* An IPv4 address on an IPv6 socket is an IPv4 address: RFC 4291, section 2.5.5.2. */
static const uint8_t *mapped(const struct event_open *open)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	if (open->family == AF_INET)
		return open->remote;
	return memcmp(open->remote, prefix, sizeof(prefix)) == 0 ? open->remote + 12 : NULL;
}

uint16_t peer_name(const struct event_open *open, uint32_t identity)
{
	const uint8_t *v4;
	char host[INET6_ADDRSTRLEN + 2], text[INET6_ADDRSTRLEN + 12];

	if (open->family == AF_UNIX)
		return unix_name(open, identity);
	v4 = mapped(open);
	if (v4)
		snprintf(host, sizeof(host), "%u.%u.%u.%u", v4[0], v4[1], v4[2], v4[3]);
	else
		inet_ntop(AF_INET6, open->remote, host, INET6_ADDRSTRLEN);
	if (open->role == ROLE_SERVER)
		return intern(host, identity);
	snprintf(text, sizeof(text), v4 ? "%s:%u" : "[%s]:%u", host, open->remote_port);
	return intern(text, identity);
}
