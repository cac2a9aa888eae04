/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/endpoint.h"

#include <string.h>
#include <sys/socket.h>

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

/* A loopback address means another server in each network namespace. */
static bool is_loopback(uint16_t family, const uint8_t address[16])
{
	static const uint8_t mapped[13] = { [10] = 0xff, 0xff, 127 }, one[16] = { [15] = 1 };

	if (family == AF_INET)
		return address[0] == 127;
	return memcmp(address, one, 16) == 0 || memcmp(address, mapped, 13) == 0;
}

uint64_t endpoint_id(const struct event_open *open, bool local)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *address = local ? open->local : open->remote;
	uint16_t port = local ? open->local_port : open->remote_port;
	uint64_t endpoint = 0xcbf29ce484222325ULL;

	if (open->family == AF_UNIX) {
		endpoint = hash(endpoint, open->path, sizeof(open->path));
	} else {
		if (is_loopback(open->family, address))
			endpoint = hash(endpoint, &open->netns, sizeof(open->netns));
		/* An IPv4 address on an IPv6 socket is an IPv4 address: RFC 4291, 2.5.5.2. */
		if (open->family == AF_INET || memcmp(address, prefix, sizeof(prefix)) == 0)
			endpoint = hash(endpoint, address + (open->family == AF_INET ? 0 : 12), 4);
		else
			endpoint = hash(endpoint, address, 16);
		endpoint = hash(endpoint, &port, sizeof(port));
	}
	return endpoint == ENDPOINT_NONE ? 1 : endpoint;
}
