/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts for a drive (drive.h) that must leave the same log from either end, under every split. */
#ifndef ONLOOKER_SCRIPT_H
#define ONLOOKER_SCRIPT_H

#include "drive.h"

typedef void (*script_fn)(struct drive *drive);

/* Plays the script from both sides, whole, byte by byte and split at random; fails the test where
 * a log is not `log`. */
void script_leaves(script_fn script, const char *log);

/* Sends `pattern` with its '@' replaced by `size` times `fill`. */
void script_send_long(struct drive *drive, enum lane lane, const char *pattern, size_t size,
		      char fill);

/* SCRIPT(test_name, "log") { the script, with the drive as d } */
#define SCRIPT(name, log)                           \
	static void name##_script(struct drive *d); \
	static void name(void **state)              \
	{                                           \
		(void)state;                        \
		script_leaves(name##_script, log);  \
	}                                           \
	static void name##_script(struct drive *d)

#endif
