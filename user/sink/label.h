/* SPDX-License-Identifier: Apache-2.0 */
/* The labels of a series, written out in the notation of the Prometheus text formats. */
#ifndef ONLOOKER_LABEL_H
#define ONLOOKER_LABEL_H

#include "sink/series.h"

#define LABEL_MOST 512 /* bytes of a value before escaping; longer ones are cut */
#define LABELS_SIZE ((4 + SERIES_LABELS) * (2 * LABEL_MOST + 64))

/*
 * Writes `service="...",namespace=...` and the metric's own labels, without braces and without a
 * terminator. Returns the length.
 */
size_t label_write(const struct series_metric *metric, const struct series_key *key,
		   const struct identity *identity, char ret[LABELS_SIZE]);

/*
 * Writes a label's value with backslash, quote and line feed escaped, at most LABEL_MOST bytes of
 * it; `ret` has room for twice as many. Returns the length.
 */
size_t label_escape(const char *value, char *ret);

#endif
