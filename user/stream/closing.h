/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection's end tells of the bytes before it. Private to user/stream. */
#ifndef ONLOOKER_CLOSING_H
#define ONLOOKER_CLOSING_H

#include "stream/entry.h"

#define CLOSING_UNKNOWN UINT64_MAX /* entry.end: nobody told where the streams end */

/* Takes where the streams end. */
void closing_learn(struct entry *entry, const struct event_close *close);

/* Whether all up to the end was seen. */
bool closing_whole(const struct entry *entry);

/*
 * What has not come by now does not come: takes what `slots` say was hopped over, and by its length
 * what else moved without a record. Whether all was seen, but for what came in and was not read.
 */
bool closing_fill(struct entry *entry, struct pipeline *pipeline, const struct slot *slots);

#endif
