/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/trace.h"

#include "sink/metrics.h"
#include "sink/span_fill.h"

void trace_begin(struct tracer *tracer, struct trace_origin *ret)
{
	*ret = (struct trace_origin){ .flags = TRACE_RANDOM };
	span_ids_trace(&tracer->ids, ret->trace);
}

static void go_on(struct trace_origin *ret, const struct node_words *words, bool child)
{
	*ret = (struct trace_origin){
		.parent = words->context,
		.flags = words->context.flags,
		.state = words->state,
	};
	memcpy(ret->trace, words->context.trace_id, sizeof(ret->trace));
	for (size_t i = 0; child && i < sizeof(words->context.parent_id); i++)
		ret->span = ret->span << 8 | words->context.parent_id[i];
}

static void find_origin(struct tracer *tracer, const struct node *root, struct trace_origin *ret)
{
	for (const struct node *node = root; node; node = node_walk(root, node)) {
		if (!node->words || !node->words->context.valid)
			continue;
		go_on(ret, node->words, node == root);
		return;
	}
	trace_begin(tracer, ret);
}

bool trace_sampled(const struct tracer *tracer, const struct trace_origin *origin)
{
	return sampling_keeps(&tracer->sampling, origin->trace, &origin->parent);
}

void trace_leave_out(struct tracer *tracer)
{
	tracer->counts->traces[SPANS_LEFT_OUT]++;
	tracer->counts->parents[SPANS_NO_PARENT]++;
}

static enum spans_reason judge(const struct tracer *tracer, const struct node *root,
			       const struct trace_origin *origin)
{
	enum spans_reason ret = SPANS_LEFT_OUT;

	if (trace_sampled(tracer, origin))
		return SPANS_SAMPLED;
	for (const struct node *node = root; node; node = node_walk(root, node)) {
		if (node_failed(node))
			return SPANS_FAILED;
		if (node->slow)
			ret = SPANS_SLOW;
	}
	return ret;
}

static enum spans_parent parent_of(const struct node *node, const struct trace_origin *origin)
{
	if (node->parent)
		return node->kind == SPAN_SERVER ? SPANS_BY_BOTH : SPANS_BY_TASK;
	return origin->span ? SPANS_BY_HEADER : SPANS_NO_PARENT;
}

/* Leads from the metrics to this span. */
static void exemplify(const struct tracer *tracer, const struct node *node,
		      const struct trace_origin *origin)
{
	struct exemplar exemplar = {
		.duration = node->end - node->begin,
		.end = node->end,
		.span = node->id,
	};

	memcpy(exemplar.trace, origin->trace, sizeof(exemplar.trace));
	metrics_exemplar(tracer->metrics, node->observed, &exemplar);
}

static void push(struct tracer *tracer, struct node *node, const struct trace_origin *origin)
{
	struct span span;

	node->id = span_ids_next(&tracer->ids);
	memcpy(span.trace, origin->trace, sizeof(span.trace));
	span.id = node->id;
	span.parent = node->parent ? node->parent->id : origin->span;
	span.remote = !node->parent && origin->span;
	span.flags = origin->flags | TRACE_SAMPLED;
	span.state = origin->state;
	span_fill(&span, node);
	tracer->outlet.push(tracer->outlet.context, &span);
	if (node->observed && tracer->metrics)
		exemplify(tracer, node, origin);
}

void trace_finish_as(struct tracer *tracer, struct node *root, const struct trace_origin *origin)
{
	enum spans_reason reason = judge(tracer, root, origin);

	tracer->counts->traces[reason]++;
	for (struct node *node = root; node; node = node_walk(root, node)) {
		tracer->counts->parents[parent_of(node, origin)]++;
		if (reason != SPANS_LEFT_OUT)
			push(tracer, node, origin);
	}
}

void trace_finish(struct tracer *tracer, struct node *root)
{
	struct trace_origin origin;

	find_origin(tracer, root, &origin);
	trace_finish_as(tracer, root, &origin);
}
