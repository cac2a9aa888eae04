/* SPDX-License-Identifier: Apache-2.0 */
#include "export/gzip.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#define WINDOW_BITS (15 + 16) /* zlib.h: 16 more asks for the header of gzip */
#define MEMORY_LEVEL 8
#define ROOM_LEAST 4096

/* Runs deflate() over all input. It is fed in pieces: zlib counts in unsigned int. */
static bool pack(z_stream *stream, const struct text *in, struct text *out)
{
	size_t fed = 0;
	int status = Z_OK;

	while (status == Z_OK) {
		size_t piece = in->size - fed < INT_MAX ? in->size - fed : INT_MAX;

		if (!text_reserve(out, ROOM_LEAST))
			return false;
		stream->next_in = (Bytef *)in->data + fed;
		stream->avail_in = (uInt)piece;
		stream->next_out = (Bytef *)out->data + out->size;
		stream->avail_out =
			(uInt)(out->room - out->size < INT_MAX ? out->room - out->size : INT_MAX);
		status = deflate(stream, fed + piece == in->size ? Z_FINISH : Z_NO_FLUSH);
		fed += piece - stream->avail_in;
		out->size = (size_t)((char *)stream->next_out - out->data);
	}
	return status == Z_STREAM_END;
}

int gzip_pack(const struct text *in, struct text *ret)
{
	z_stream stream = { 0 };
	struct text out = { 0 };
	bool packed;

	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	packed = pack(&stream, in, &out);
	deflateEnd(&stream);
	if (!packed) {
		text_free(&out);
		return -ENOMEM;
	}
	*ret = out;
	return 0;
}
