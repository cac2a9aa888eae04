/* SPDX-License-Identifier: Apache-2.0 */
/* Which traces are kept, beside those with errors and slow ones. */
#ifndef ONLOOKER_SAMPLING_H
#define ONLOOKER_SAMPLING_H

#include "config.h"
#include "util/trace_context.h"

struct sampling {
	enum config_sampler sampler;
	uint64_t threshold; /* of 2^56: trace ids below it are left out */
};

/* As the configuration, which is not kept, says. */
void sampling_init(struct sampling *sampling, const struct config_traces *config);

/* Whether a trace is kept. `parent`: where it goes on, or not valid. */
bool sampling_keeps(const struct sampling *sampling, const uint8_t trace_id[16],
		    const struct trace_context *parent);

#endif
