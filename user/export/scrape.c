/* SPDX-License-Identifier: Apache-2.0 */
#include "export/scrape.h"

#include <errno.h>
#include <stdlib.h>

#include "export/gzip.h"
#include "util/clock.h"

#define SCRAPES_LIMIT 8		    /* being read at once */
#define READ_NS (30 * NSEC_PER_SEC) /* in which one has to be read */
#define BLOCK_SIZE ((size_t)64 * 1024)

/* Newest first in a list. */
struct scrape {
	struct scrapes *scrapes;
	struct scrape *next;
	char *data; /* NULL: its reader was too slow */
	size_t size;
	uint64_t deadline;
};

static ssize_t scrape_read(void *context, uint64_t position, char *ret, size_t size)
{
	const struct scrape *scrape = context;

	if (!scrape->data || clock_now() > scrape->deadline)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (position >= scrape->size)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (size > scrape->size - position)
		size = scrape->size - position;
	memcpy(ret, scrape->data + position, size);
	return (ssize_t)size;
}

static void scrape_free(void *context)
{
	struct scrape *scrape = context, **link = &scrape->scrapes->newest;

	while (*link && *link != scrape)
		link = &(*link)->next;
	if (*link)
		*link = scrape->next;
	free(scrape->data);
	free(scrape);
}

/* Those beyond the limit lose their bytes now; their connections end when they ask for more. */
static void scrapes_trim(struct scrapes *scrapes)
{
	size_t count = 0;

	for (struct scrape *scrape = scrapes->newest; scrape; scrape = scrape->next) {
		if (++count <= SCRAPES_LIMIT)
			continue;
		free(scrape->data);
		scrape->data = NULL;
	}
}

/* The whole scrape, in memory of the caller's. */
static int write_text(struct scrapes *scrapes, enum exposition format, bool gzip, struct text *ret)
{
	struct text plain = { 0 };
	int err;

	text_reserve(&plain, scrapes->last_size + scrapes->last_size / 8 + 1);
	err = exposition_write(&plain, format, scrapes->series, scrapes->collect, scrapes->context);
	scrapes->last_size = plain.size;
	if (!err && !gzip) {
		*ret = plain;
		return 0;
	}
	if (!err)
		err = gzip_pack(&plain, ret);
	free(plain.data);
	return err;
}

/* NULL without memory. */
static struct scrape *scrape_write(struct scrapes *scrapes, enum exposition format, bool gzip)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	struct text text = { 0 };

	if (!scrape)
		return NULL;
	if (write_text(scrapes, format, gzip, &text)) {
		free(scrape);
		return NULL;
	}
	*scrape = (struct scrape){ .scrapes = scrapes,
				   .next = scrapes->newest,
				   .data = text.data,
				   .size = text.size,
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
	response = MHD_create_response_from_callback(scrape->size, BLOCK_SIZE, scrape_read, scrape,
						     scrape_free);
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
