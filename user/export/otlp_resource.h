/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources that spans are of: processes. Each of the last OTLP_SLOTS has a slot, whose content
 * goes through the queue ahead of the first span that names the slot.
 */
#ifndef ONLOOKER_OTLP_RESOURCE_H
#define ONLOOKER_OTLP_RESOURCE_H

#include "capture/identity.h"
#include "config.h"
#include "export/otlp_encode.h"
#include "export/otlp_queue.h"

#define OTLP_SLOTS 128
#define OTLP_RESOURCE_MOST 8192 /* bytes of one; CONFIG_PAIRS_BYTES and the labels fit in */
#define OTLP_HOST_SIZE 65

struct otlp_resources {
	const struct config_traces *config;
	const struct identities *identities;
	char host[OTLP_HOST_SIZE];
	struct span_owner owners[OTLP_SLOTS];
	uint64_t used[OTLP_SLOTS]; /* by `clock`; 0: never */
	uint64_t clock;
};

/* `config` and `identities` outlive it. */
void otlp_resources_init(struct otlp_resources *resources, const struct config_traces *config,
			 const struct identities *identities);

/*
 * The slot of a process. Where it had none the one used longest ago becomes its own, and the queue
 * gets the record that says so. -ENOSPC: the queue is full.
 */
int otlp_resources_slot(struct otlp_resources *resources, const struct span_owner *owner,
			struct otlp_encoder *encoder, struct otlp_queue *queue);

#endif
