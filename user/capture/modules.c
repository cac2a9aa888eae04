/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/modules.h"

#include <string.h>
#include <unistd.h>

#include "capture/python.h"
#include "util/path.h"

struct search {
	struct remote *remote;
	struct modules *found;
};

static void take(struct search *search, struct module *module, const struct image *image,
		 const struct mapping *mapping)
{
	module->image = *image;
	module->file = remote_file(search->remote->folder, mapping);
	module->found = true;
}

static bool visit(void *context, const struct mapping *mapping)
{
	struct search *search = context;
	struct modules *found = search->found;
	const char *name = path_base(mapping->path);
	bool library = strncmp(name, "libpython", 9) == 0;
	bool queue = strncmp(name, "_queue.", 7) == 0;
	bool uvloop = strstr(mapping->path, "/uvloop/loop.") != NULL;
	struct image image;

	if ((!mapping->executable && !library && !queue && !uvloop) ||
	    image_read(search->remote, mapping->start, &image))
		return true;
	if (uvloop && !found->uvloop.found)
		take(search, &found->uvloop, &image, mapping);
	else if (queue && !found->queue.found)
		take(search, &found->queue, &image, mapping);
	else if (!queue && !uvloop && !found->python.found && python_is(search->remote, &image))
		take(search, &found->python, &image, mapping);
	else if (mapping->executable)
		found->go = image_is_go(search->remote, &image);
	return !found->queue.found || !found->python.found || !found->uvloop.found;
}

int modules_find(struct remote *remote, struct modules *ret)
{
	struct search search = { remote, ret };

	memset(ret, 0, sizeof(*ret));
	ret->python.file = ret->queue.file = ret->uvloop.file = -1;
	return remote_mappings(remote->folder, visit, &search);
}

void modules_close(struct modules *modules)
{
	if (modules->python.file >= 0)
		close(modules->python.file);
	if (modules->queue.file >= 0)
		close(modules->queue.file);
	if (modules->uvloop.file >= 0)
		close(modules->uvloop.file);
}
