/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of a container's path, whatever stands in front:
 *
 *	kubepods/burstable/pod<uid>/<id>                     cgroupfs driver
 *	kubepods-burstable-pod<uid_with_underscores>.slice/cri-containerd-<id>.scope
 *	                                                     systemd driver
 *	kubepods-...-pod<uid>.slice:cri-containerd:<id>      systemd's form, cgroupfs driver
 *	docker/<id>, system.slice/docker-<id>.scope, libpod-<id>.scope
 *	../../pod<uid>/<id>                                  seen from another cgroup namespace
 */
#include "capture/owner.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool all_hex(struct bytes text)
{
	size_t i;

	for (i = 0; i < text.size; i++)
		if (!is_hex(text.data[i]))
			return false;
	return true;
}

static bool strip_suffix(struct bytes *text, struct bytes suffix)
{
	if (text->size < suffix.size ||
	    !bytes_equal(bytes_skip(*text, text->size - suffix.size), suffix))
		return false;
	text->size -= suffix.size;
	return true;
}

static void read_container(struct bytes part, struct owner *ret)
{
	const size_t digits = OWNER_CONTAINER_SIZE - 1;
	struct bytes id;

	strip_suffix(&part, BYTES(".scope"));
	if (part.size < digits)
		return;
	id = bytes_skip(part, part.size - digits);
	if (!all_hex(id))
		return;
	if (part.size > digits && !memchr("-:", part.data[part.size - digits - 1], 2))
		return;
	memcpy(ret->container, id.data, digits);
	ret->container[digits] = '\0';
	ret->service[0] = '\0';
}

/* A uid is a UUID or, for pods from files on the node, 32 digits. */
static size_t uid_size(struct bytes text)
{
	size_t size = 0, digits = 0;

	for (; size < text.size && size < OWNER_POD_SIZE - 1; size++) {
		if (is_hex(text.data[size]))
			digits++;
		else if (text.data[size] != '-' && text.data[size] != '_')
			break;
	}
	if (size < text.size && text.data[size] != '.' && text.data[size] != ':')
		return 0;
	return digits == 32 ? size : 0;
}

static void read_pod(struct bytes part, struct owner *ret)
{
	size_t at, size, i;

	for (at = 0; at + 3 <= part.size; at++) {
		struct bytes rest = bytes_skip(part, at);

		if (!bytes_begin(rest, BYTES("pod")) || (at > 0 && part.data[at - 1] != '-'))
			continue;
		rest = bytes_skip(rest, 3);
		size = uid_size(rest);
		if (size == 0)
			continue;
		for (i = 0; i < size; i++)
			ret->pod[i] = rest.data[i] == '_' ? '-' : (char)rest.data[i];
		ret->pod[size] = '\0';
		return;
	}
}

static int hex_value(uint8_t c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* systemd writes the characters it reserves as \xNN; systemd.unit(5). */
static void read_service(struct bytes part, struct owner *ret)
{
	size_t used = 0;

	if (!strip_suffix(&part, BYTES(".service")) || part.size == 0 ||
	    bytes_begin(part, BYTES("user@")))
		return;
	while (part.size > 0 && used < sizeof(ret->service) - 1) {
		size_t step = 1;
		char c = (char)part.data[0];

		if (part.size >= 4 && c == '\\' && part.data[1] == 'x' && is_hex(part.data[2]) &&
		    is_hex(part.data[3])) {
			c = (char)(hex_value(part.data[2]) << 4 | hex_value(part.data[3]));
			step = 4;
		}
		ret->service[used++] = c;
		part = bytes_skip(part, step);
	}
	ret->service[used] = '\0';
	ret->container[0] = '\0';
}

static void read_path(struct bytes path, struct owner *ret)
{
	while (path.size > 0) {
		const uint8_t *slash = memchr(path.data, '/', path.size);
		size_t size = slash ? (size_t)(slash - path.data) : path.size;
		struct bytes part = bytes_first(path, size);

		read_pod(part, ret);
		if (!ret->pod[0] || !ret->container[0]) {
			read_container(part, ret);
			read_service(part, ret);
		}
		path = bytes_skip(path, size + 1);
	}
	if (ret->pod[0])
		ret->service[0] = '\0';
}

void owner_read(const char *cgroups, struct owner *ret)
{
	const char *line, *end;

	memset(ret, 0, sizeof(*ret));
	for (line = cgroups; *line; line = *end ? end + 1 : end) {
		struct owner found = { "", "", "" };
		const char *path;

		end = strchrnul(line, '\n');
		path = memchr(line, ':', (size_t)(end - line));
		path = path ? memchr(path + 1, ':', (size_t)(end - path - 1)) : NULL;
		if (!path)
			continue;
		path++;
		read_path((struct bytes){ (const uint8_t *)path, (size_t)(end - path) }, &found);
		/* A pod says most, then a container or a service. */
		if (found.pod[0] || (!ret->pod[0] && !ret->container[0] && !ret->service[0]))
			*ret = found;
		if (ret->pod[0] && ret->container[0])
			return;
	}
}
