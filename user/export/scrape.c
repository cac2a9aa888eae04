/* SPDX-License-Identifier: Apache-2.0 */
#include "export/scrape.h"

#include <errno.h>
#include <stdlib.h>

#include "export/gzip.h"
#include "util/clock.h"

#define SCRAPES_LIMIT 8		    /* being read at once */
#define READ_NS (30 * NSEC_PER_SEC) /* in which one has to be read */
#define BLOCK_SIZE ((size_t)64 * 1024)
#define HEADS_SIZE ((size_t)32 * 1024) /* of metrics, and what is said of ourselves */

/* Newest first in a list. */
struct scrape {
	struct scrapes *scrapes;
	struct scrape *next;
	struct text text; /* without data: its reader was too slow */
	uint64_t deadline;
};

static ssize_t scrape_read(void *context, uint64_t position, char *ret, size_t size)
{
	const struct scrape *scrape = context;

	if (!scrape->text.data || clock_now() > scrape->deadline)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (position >= scrape->text.size)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (size > scrape->text.size - position)
		size = scrape->text.size - position;
	memcpy(ret, scrape->text.data + position, size);
	return (ssize_t)size;
}

static void scrape_free(void *context)
{
	struct scrape *scrape = context, **link = &scrape->scrapes->newest;

	while (*link && *link != scrape)
		link = &(*link)->next;
	if (*link)
		*link = scrape->next;
	text_free(&scrape->text);
	free(scrape);
}

/* Those beyond the limit lose their bytes now; their connections end when they ask for more. */
static void scrapes_trim(struct scrapes *scrapes)
{
	size_t count = 0;

	for (struct scrape *scrape = scrapes->newest; scrape; scrape = scrape->next) {
		if (++count <= SCRAPES_LIMIT)
			continue;
		text_free(&scrape->text);
	}
}

/* The whole scrape, in memory of the caller's. */
static int write_text(struct scrapes *scrapes, enum exposition format, bool gzip, struct text *ret)
{
	size_t size = series_bytes(scrapes->series) + HEADS_SIZE;
	struct text plain = { 0 };
	int err;

	if (format == EXPOSITION_OPENMETRICS)
		size += series_exemplars(scrapes->series) * CONFIG_EXEMPLAR_BYTES;
	text_reserve(&plain, size);
	err = exposition_write(&plain, format, scrapes->series, scrapes->collect, scrapes->context);
	if (!err && !gzip) {
		*ret = plain;
		return 0;
	}
	if (!err)
		err = gzip_pack(&plain, ret);
	text_free(&plain);
	return err;
}

/* The oldest one that still has its bytes loses them. False: there is none. */
static bool scrapes_drop(struct scrapes *scrapes)
{
	struct scrape *oldest = NULL;

	for (struct scrape *scrape = scrapes->newest; scrape; scrape = scrape->next)
		if (scrape->text.data)
			oldest = scrape;
	if (oldest)
		text_free(&oldest->text);
	return oldest != NULL;
}

/* NULL without memory. */
static struct scrape *scrape_write(struct scrapes *scrapes, enum exposition format, bool gzip)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	struct text text = { 0 };

	if (!scrape)
		return NULL;
	/* Who asks now goes before who asked and does not read. */
	while (write_text(scrapes, format, gzip, &text)) {
		if (scrapes_drop(scrapes))
			continue;
		free(scrape);
		return NULL;
	}
	*scrape = (struct scrape){ .scrapes = scrapes,
				   .next = scrapes->newest,
				   .text = text,
				   .deadline = clock_now() + READ_NS };
	scrapes->newest = scrape;
	scrapes_trim(scrapes);
	return scrape;
}

/* NULL without memory. */
static struct MHD_Response *response_write(struct scrapes *scrapes, enum exposition format,
					   bool gzip)
{
	struct scrape *scrape = scrape_write(scrapes, format, gzip);
	struct MHD_Response *response;

	if (!scrape)
		return NULL;
	response = MHD_create_response_from_callback(scrape->text.size, BLOCK_SIZE, scrape_read,
						     scrape, scrape_free);
	if (!response) {
		scrape_free(scrape);
		return NULL;
	}
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				    exposition_type(format)) == MHD_YES &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding") ==
		    MHD_YES &&
	    (!gzip || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip") ==
			      MHD_YES))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

struct MHD_Response *scrapes_response(struct scrapes *scrapes, enum exposition format, bool gzip)
{
	struct MHD_Response **fresh = &scrapes->fresh[format][gzip];

	if (!*fresh && scrapes->refresh)
		scrapes->refresh(scrapes->context);
	if (!*fresh)
		*fresh = response_write(scrapes, format, gzip);
	return *fresh;
}

void scrapes_forget(struct scrapes *scrapes)
{
	for (int i = 0; i < 4; i++) {
		struct MHD_Response **fresh = &scrapes->fresh[i / 2][i % 2];

		if (*fresh)
			MHD_destroy_response(*fresh);
		*fresh = NULL;
	}
}
