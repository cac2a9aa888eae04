/* SPDX-License-Identifier: Apache-2.0 */
/* Series as a text: Prometheus text format 0.0.4 and OpenMetrics 1.0. */
#ifndef ONLOOKER_EXPOSITION_H
#define ONLOOKER_EXPOSITION_H

#include "export/self.h"
#include "export/text.h"
#include "sink/series.h"

enum exposition {
	EXPOSITION_TEXT,
	EXPOSITION_OPENMETRICS,
};

/* The value of the header Content-Type. */
const char *exposition_type(enum exposition format);

/*
 * Appends everything to `text`: the series, what the set says of itself, and what `collect` (may
 * be NULL) writes. -ENOMEM: the text is not whole. Some 2 ms for 10 000 lines.
 */
int exposition_write(struct text *text, enum exposition format, const struct series_set *series,
		     self_collect collect, void *context);

#endif
