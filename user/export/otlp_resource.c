/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_resource.h"

#include <errno.h>
#include <unistd.h>

#define LABEL_MOST 255

void otlp_resources_init(struct otlp_resources *resources, const struct config_traces *config,
			 const struct identities *identities)
{
	*resources = (struct otlp_resources){ .config = config, .identities = identities };
	if (gethostname(resources->host, sizeof(resources->host) - 1))
		resources->host[0] = '\0';
}

/* ---- what a resource says ---- */

static void add(struct otlp_encoder *encoder, const char *key, const char *text)
{
	struct bytes bytes = { (const uint8_t *)text, strnlen(text, LABEL_MOST) };

	if (bytes.size)
		otlp_encode_text(encoder, key, bytes);
}

static bool has(const struct otlp_encoder *encoder, const char *key)
{
	for (size_t i = 0; i < encoder->count; i++)
		if (strcmp(encoder->pairs[i].key, key) == 0)
			return true;
	return false;
}

/* The process's own, then the configured ones, then the host's. */
static size_t describe(const struct otlp_resources *resources, const struct span_owner *owner,
		       struct otlp_encoder *encoder)
{
	const struct config_traces *config = resources->config;
	const struct identity *labels = identity_get(resources->identities, owner->identity);
	const struct identity_process *process =
		identity_process(resources->identities, owner->tgid, owner->process);

	otlp_encode_resource(encoder);
	add(encoder, "service.name", config->service ? config->service : labels->service);
	add(encoder, "k8s.namespace.name", labels->namespace);
	add(encoder, "k8s.pod.name", labels->pod);
	add(encoder, "k8s.container.name", labels->container);
	if (process) {
		add(encoder, "k8s.pod.uid", process->pod_uid);
		add(encoder, "container.id", process->container_id);
	}
	if (owner->tgid)
		otlp_encode_integer(encoder, "process.pid", owner->tgid);
	for (size_t i = 0; i < config->resource.count; i++) {
		const struct config_pair *pair = &config->resource.list[i];
		struct bytes text = { (const uint8_t *)pair->value, strlen(pair->value) };

		if (!has(encoder, pair->name))
			otlp_encode_text(encoder, pair->name, text);
	}
	if (!has(encoder, "host.name"))
		add(encoder, "host.name", resources->host);
	if (!has(encoder, "service.name"))
		add(encoder, "service.name", "unknown_service");
	return otlp_encode_resource_size(encoder);
}

/* ---- slots ---- */

static bool is_same(const struct span_owner *a, const struct span_owner *b)
{
	return a->identity == b->identity && a->tgid == b->tgid && a->process == b->process;
}

int otlp_resources_slot(struct otlp_resources *resources, const struct span_owner *owner,
			struct otlp_encoder *encoder, struct otlp_queue *queue)
{
	struct otlp_record *record;
	int slot = 0;

	for (int i = 0; i < OTLP_SLOTS; i++) {
		if (resources->used[i] && is_same(&resources->owners[i], owner)) {
			resources->used[i] = ++resources->clock;
			return i;
		}
		if (resources->used[i] < resources->used[slot])
			slot = i;
	}
	record = otlp_queue_reserve(queue, OTLP_RESOURCE, describe(resources, owner, encoder));
	if (!record)
		return -ENOSPC;
	record->slot = (uint16_t)slot;
	otlp_encode_resource_write(encoder, record->data);
	otlp_queue_commit(queue, record);
	resources->owners[slot] = *owner;
	resources->used[slot] = ++resources->clock;
	return slot;
}

_Static_assert(OTLP_ATTRIBUTES >= CONFIG_PAIRS + 9, "attributes of a resource");
_Static_assert(OTLP_ATTRIBUTES >= SPAN_ATTRIBUTES, "attributes of a span");
