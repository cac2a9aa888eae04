/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sampling.h"

#define RANDOM_BITS 56

void sampling_init(struct sampling *sampling, const struct config_traces *config)
{
	double whole = (double)(1ULL << RANDOM_BITS);

	sampling->sampler = config->sampler;
	sampling->threshold = (uint64_t)((1 - config->ratio) * whole);
}

/*
 * OpenTelemetry's "TraceState: Probability Sampling": the last 56 bits of the trace id are random,
 * as W3C Trace Context level 2 asks for; kept is what is not below the threshold. So whoever keeps
 * more keeps these, too.
 */
static bool by_ratio(const struct sampling *sampling, const uint8_t trace_id[16])
{
	uint64_t value = 0;

	for (int i = 16 - RANDOM_BITS / 8; i < 16; i++)
		value = value << 8 | trace_id[i];
	return value >= sampling->threshold;
}

bool sampling_keeps(const struct sampling *sampling, const uint8_t trace_id[16],
		    const struct trace_context *parent)
{
	switch (sampling->sampler) {
	case SAMPLER_ALWAYS_ON:
		return true;
	case SAMPLER_ALWAYS_OFF:
		return false;
	case SAMPLER_RATIO:
		return by_ratio(sampling, trace_id);
	case SAMPLER_PARENT_ALWAYS_ON:
		return !parent->valid || parent->flags & TRACE_SAMPLED;
	case SAMPLER_PARENT_ALWAYS_OFF:
		return parent->valid && parent->flags & TRACE_SAMPLED;
	case SAMPLER_PARENT_RATIO:
		break;
	}
	return parent->valid ? parent->flags & TRACE_SAMPLED : by_ratio(sampling, trace_id);
}
