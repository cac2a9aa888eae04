/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/span_ids.h"

#include <errno.h>
#include <sys/random.h>

int span_ids_init(struct span_ids *ids)
{
	ssize_t size = getrandom(ids->state, sizeof(ids->state), 0);

	if (size < 0)
		return -errno;
	ids->state[0] |= 1; /* all zero it would stay */
	return size == sizeof(ids->state) ? 0 : -EIO;
}

static uint64_t rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

/* xoshiro256**, by David Blackman and Sebastiano Vigna, prng.di.unimi.it. */
static uint64_t draw(uint64_t s[4])
{
	uint64_t ret = rotate(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate(s[3], 45);
	return ret;
}

uint64_t span_ids_next(struct span_ids *ids)
{
	uint64_t ret;

	do
		ret = draw(ids->state);
	while (!ret);
	return ret;
}

void span_ids_trace(struct span_ids *ids, uint8_t ret[SPAN_TRACE_SIZE])
{
	uint64_t word[2] = { span_ids_next(ids), span_ids_next(ids) };

	memcpy(ret, word, sizeof(word));
}
