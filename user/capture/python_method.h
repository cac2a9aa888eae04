/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of a CPython type as its table has them (PyMethodDef), which an empty one ends. */
#ifndef ONLOOKER_PYTHON_METHOD_H
#define ONLOOKER_PYTHON_METHOD_H

#include "capture/remote.h"

#define PYTHON_METHODS 64 /* of a type: no more are looked at */
#define PYTHON_NAME 64	  /* bytes of the longest name that is sought, its end included */

struct python_method {
	uint64_t name, function;
	uint32_t flags, pad;
	uint64_t text;
};

/* The entry at an address; false where there is none, or the empty one. */
bool python_method_read(struct remote *remote, uint64_t at, struct python_method *ret);

/* Whether it has that name. */
bool python_method_is(struct remote *remote, const struct python_method *method, const char *name);

#endif
