/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/python_method.h"

#include <string.h>

bool python_method_read(struct remote *remote, uint64_t at, struct python_method *ret)
{
	return remote_read(remote, at, ret, sizeof(*ret)) && ret->name && ret->function;
}

bool python_method_is(struct remote *remote, const struct python_method *method, const char *name)
{
	char text[PYTHON_NAME];
	size_t size = strlen(name) + 1;

	return remote_read(remote, method->name, text, size) && memcmp(text, name, size) == 0;
}
