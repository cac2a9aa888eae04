/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold: says so, and aborts, also where assertions are off. */
#ifndef ONLOOKER_FUZZ_REQUIRE_H
#define ONLOOKER_FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#endif
