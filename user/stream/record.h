/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the records of a connection say, in the terms of its conversation: positions without end,
 * times that agree with one another. Private to user/stream.
 */
#ifndef ONLOOKER_RECORD_H
#define ONLOOKER_RECORD_H

#include "stream/entry.h"

/* Hands a chunk to the conversation, or to the duet that it is part of. */
void record_feed(struct entry *entry, struct pipeline *pipeline, unsigned int direction,
		 const struct chunk *chunk);

/* A record of bytes, and of the call that read before. */
void record_data(struct entry *entry, struct pipeline *pipeline, const struct event_data *data);

/* A call that read, as the kernel side has noted it. */
void record_note(struct entry *entry, struct pipeline *pipeline, const struct read_note *note);

#endif
