/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats differ in little: OpenMetrics names a counter's family without _total, knows
 * exemplars, and ends with "# EOF". Bounds of buckets are written alike (1.0, as OpenMetrics wants
 * it), so that a scraper that changes format sees the same series.
 */
#include "export/exposition.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>

#include "sink/label.h"

struct self_writer {
	struct text *text;
	enum exposition format;
	const char *name;
};

const char *exposition_type(enum exposition format)
{
	return format == EXPOSITION_OPENMETRICS ?
		       "application/openmetrics-text; version=1.0.0; charset=utf-8" :
		       "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- families ---- */

static void put_head(struct text *text, enum exposition format, const char *name, const char *type,
		     const char *help)
{
	size_t size = strlen(name);

	if (format == EXPOSITION_OPENMETRICS && strcmp(type, "counter") == 0)
		size -= strlen("_total");
	text_puts(text, "# HELP ");
	text_put(text, name, size);
	text_put(text, " ", 1);
	text_puts(text, help);
	text_puts(text, "\n# TYPE ");
	text_put(text, name, size);
	text_put(text, " ", 1);
	text_puts(text, type);
	text_put(text, "\n", 1);
}

void self_family(struct self_writer *writer, const char *name, enum self_type type,
		 const char *help)
{
	writer->name = name;
	put_head(writer->text, writer->format, name, type == SELF_COUNTER ? "counter" : "gauge",
		 help);
}

void self_value(struct self_writer *writer, double value, ...)
{
	char escaped[2 * LABEL_MOST];
	const char *label;
	char before = '{';
	va_list labels;

	text_puts(writer->text, writer->name);
	va_start(labels, value);
	while ((label = va_arg(labels, const char *))) {
		text_put(writer->text, &before, 1);
		text_puts(writer->text, label);
		text_put(writer->text, "=\"", 2);
		text_put(writer->text, escaped,
			 label_escape(va_arg(labels, const char *), escaped));
		text_put(writer->text, "\"", 1);
		before = ',';
	}
	va_end(labels);
	text_puts(writer->text, before == ',' ? "} " : " ");
	text_double(writer->text, value);
	text_put(writer->text, "\n", 1);
}

void self_values(struct self_writer *writer, const char *label, const char *const *names,
		 const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		self_value(writer, (double)values[i], label, names[i], NULL);
}

/* ---- series ---- */

/* What stands before and after the labels of each of a histogram's lines. */
struct frame {
	const char *name;
	size_t name_size;
	const char *suffix;
	const char *end; /* behind the labels, up to the value */
	size_t end_size;
};

static void put_labels(struct text *text, const struct frame *frame, const struct series *series)
{
	text_put(text, frame->name, frame->name_size);
	text_puts(text, frame->suffix);
	text_put(text, "{", 1);
	text_put(text, series->labels, series->labels_size);
	text_put(text, frame->end, frame->end_size);
}

struct bounds {
	struct {
		char text[48]; /* `,le="0.005"} ` */
		size_t size;
	} ends[CONFIG_BUCKETS + 1];
	size_t count;
};

/* Written at the end of `text` and taken back from there. */
static void write_bounds(const struct config_buckets *buckets, struct text *text,
			 struct bounds *ret)
{
	for (size_t i = 0; i <= buckets->count; i++) {
		size_t before = text->size;

		text_puts(text, ",le=\"");
		if (i < buckets->count)
			text_seconds(text, buckets->bound_ns[i], true);
		else
			text_puts(text, "+Inf");
		text_puts(text, "\"} ");
		ret->ends[i].size = text->size - before;
		if (ret->ends[i].size > 0)
			memcpy(ret->ends[i].text, text->data + before, ret->ends[i].size);
		text->size = before;
	}
	ret->count = buckets->count + 1;
}

static char *write_hex(const uint8_t *bytes, size_t size, char *at)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	return at;
}

/* OpenMetrics 1.0, "Exemplars": CONFIG_EXEMPLAR_BYTES at most. */
static void put_exemplar(struct text *text, const struct exemplar *exemplar)
{
	char hex[2 * SPAN_TRACE_SIZE];
	uint64_t span = htobe64(exemplar->span);

	text_puts(text, " # {trace_id=\"");
	text_put(text, hex, (size_t)(write_hex(exemplar->trace, SPAN_TRACE_SIZE, hex) - hex));
	text_puts(text, "\",span_id=\"");
	text_put(text, hex, (size_t)(write_hex((uint8_t *)&span, sizeof(span), hex) - hex));
	text_puts(text, "\"} ");
	text_seconds(text, exemplar->duration, false);
	text_put(text, " ", 1);
	text_seconds(text, exemplar->stamp * NSEC_PER_MSEC, false);
}

/* `exemplar`: of the series' first; NULL: none is shown. */
static void put_histogram(struct text *text, const struct series_metric *metric,
			  const struct bounds *bounds, const struct series *series,
			  const struct exemplar *exemplar)
{
	struct frame frame = { .name = metric->name,
			       .name_size = strlen(metric->name),
			       .suffix = "_bucket" };
	uint64_t total = 0;

	for (size_t i = 0; i < bounds->count; i++) {
		frame.end = bounds->ends[i].text;
		frame.end_size = bounds->ends[i].size;
		put_labels(text, &frame, series);
		total += series->buckets[i];
		text_unsigned(text, total);
		if (exemplar && exemplar->bucket == i) {
			put_exemplar(text, exemplar);
			exemplar = exemplar->next;
		}
		text_put(text, "\n", 1);
	}
	frame.end = "} ";
	frame.end_size = 2;
	frame.suffix = "_sum";
	put_labels(text, &frame, series);
	text_seconds(text, series->sum_ns, false);
	text_put(text, "\n", 1);
	frame.suffix = "_count";
	put_labels(text, &frame, series);
	text_unsigned(text, series->count);
	text_put(text, "\n", 1);
}

static void put_simple(struct text *text, const struct series_metric *metric,
		       const struct series *series)
{
	struct frame frame = { .name = metric->name,
			       .name_size = strlen(metric->name),
			       .suffix = "",
			       .end = "} ",
			       .end_size = 2 };

	put_labels(text, &frame, series);
	if (metric->type == SERIES_GAUGE)
		text_signed(text, series->level);
	else
		text_unsigned(text, series->count);
	text_put(text, "\n", 1);
}

static void put_metric(struct text *text, enum exposition format, const struct series_set *set,
		       unsigned int number)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	const struct series_metric *metric = series_metric(set, number);
	const struct series *series = series_first(set, number);
	struct bounds bounds;

	put_head(text, format, metric->name, types[metric->type], metric->help);
	if (metric->type == SERIES_HISTOGRAM && series)
		write_bounds(series_buckets(set, number), text, &bounds);
	for (; series; series = series->next) {
		if (metric->type == SERIES_HISTOGRAM)
			put_histogram(text, metric, &bounds, series,
				      format == EXPOSITION_OPENMETRICS ? series->exemplars : NULL);
		else
			put_simple(text, metric, series);
	}
}

static void put_set(struct self_writer *writer, const struct series_set *set)
{
	self_family(writer, "onlooker_series", SELF_GAUGE,
		    "Series of watched programs, each line of a scrape being one.");
	self_value(writer, (double)series_lines(set), NULL);
	self_family(writer, "onlooker_series_dropped_total", SELF_COUNTER,
		    "Values that went to a series with a label other because of a limit.");
	for (unsigned int i = 0; i < series_metric_count(set); i++)
		self_value(writer, (double)series_dropped(set, i), "metric",
			   series_metric(set, i)->name, NULL);
}

int exposition_write(struct text *text, enum exposition format, const struct series_set *series,
		     self_collect collect, void *context)
{
	struct self_writer writer = { .text = text, .format = format, .name = "" };

	for (unsigned int i = 0; i < series_metric_count(series); i++)
		put_metric(text, format, series, i);
	put_set(&writer, series);
	if (collect)
		collect(context, &writer);
	if (format == EXPOSITION_OPENMETRICS)
		text_puts(text, "# EOF\n");
	return text->failed ? -ENOMEM : 0;
}
