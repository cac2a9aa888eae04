/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/target.h"

static struct bytes cut_at(struct bytes text, const char *set)
{
	size_t i = 0;

	while (i < text.size && (!text.data[i] || !strchr(set, text.data[i])))
		i++;
	return bytes_first(text, i);
}

bool target_path(struct bytes target, struct bytes *ret)
{
	struct bytes path = cut_at(target, "?#");
	const uint8_t *scheme;

	if (path.size && path.data[0] != '/') {
		scheme = memmem(path.data, path.size, "://", 3);
		if (!scheme)
			return false;
		path = bytes_skip(path, (size_t)(scheme - path.data) + 3);
		path = bytes_skip(path, cut_at(path, "/").size);
	}
	*ret = path.size ? path : BYTES("/");
	return true;
}

struct bytes target_segment(struct bytes path, struct bytes *ret_name)
{
	struct bytes segment = cut_at(path, "/");

	*ret_name = cut_at(segment, ";");
	return segment;
}
