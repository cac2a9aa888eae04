/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol.h"

extern const struct protocol http1_protocol;
extern const struct protocol postgres_protocol;
extern const struct protocol redis_protocol;

const struct protocol *const protocols[] = {
	&http1_protocol,
	&postgres_protocol,
	&redis_protocol,
	NULL,
};
