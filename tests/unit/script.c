/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "script.h"

#define SEEDS 16

static struct drive drive;

static void run_once(script_fn script, const char *log, enum side side, enum drive_split split,
		     unsigned int seed)
{
	const char *left;

	drive_open(&drive, side, false, split, seed);
	script(&drive);
	left = drive_close(&drive);
	if (strcmp(left, log))
		fail_msg("side %d split %d seed %u left\n%s--- not\n%s", side, split, seed, left,
			 log);
}

void script_leaves(script_fn script, const char *log)
{
	for (int side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
		run_once(script, log, side, DRIVE_WHOLE, 0);
		run_once(script, log, side, DRIVE_BYTES, 0);
		for (unsigned int seed = 1; seed <= SEEDS; seed++)
			run_once(script, log, side, DRIVE_RANDOM, seed);
	}
}

void script_send_long(struct drive *d, enum lane lane, const char *pattern, size_t size, char fill)
{
	char *text = malloc(strlen(pattern) + size);
	const char *at = strchr(pattern, '@');
	size_t before = at - pattern;

	memcpy(text, pattern, before);
	memset(text + before, fill, size);
	memcpy(text + before + size, at + 1, strlen(at + 1));
	drive_send(d, lane, text, strlen(pattern) - 1 + size);
	free(text);
}
