/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of Redis conversations: whatever the split and the side, the log must be the same. */
#ifndef ONLOOKER_REDIS_SCRIPT_H
#define ONLOOKER_REDIS_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drive.h"

static struct drive drive;

#define SPLITS 12

typedef void script(void);

/* Runs a script whole, byte by byte and in random pieces, from either side. */
static inline void expect_from(script *play, bool midway, const char *log)
{
	for (unsigned int i = 0; i < SPLITS; i++) {
		enum side side = i % 2 ? SIDE_SERVER : SIDE_CLIENT;

		/* In mid-life chunks are whole messages, as programs write them. */
		drive_open(&drive, side, midway,
			   i < 2 || midway ? DRIVE_WHOLE : (i < 4 ? DRIVE_BYTES : DRIVE_RANDOM), i);
		play();
		assert_string_equal(drive_close(&drive), log);
	}
}

static inline void expect(script *play, const char *log)
{
	expect_from(play, false, log);
}

#define CLIENT(literal) drive_request(&drive, literal)
#define SERVER(literal) drive_response(&drive, literal)

#define CONFIRM(type, length, word, channel, count) \
	type "3\r\n$" length "\r\n" word "\r\n" channel ":" count "\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n"
#define PMESSAGE "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$5\r\nhello\r\n"

#endif
